"""Tasks and architectures in files of the user's own: named by a path, in every process, in what a result means."""

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import architectures
from bench import tasks
from bench.commands.main import main
from bench.commands.status import recorded_settings
from bench.data.caches.cached_dataset import open_cached
from bench.data.sources import digits_standin
from bench.errors import UserError
from bench.sweep import run_directory
from bench.sweep.identity import candidate_digests, identity
from bench.sweep.settings import find_task
from bench.tasks import Candidate
from bench.tasks.contract.datasets import pretraining
from bench.tasks.contract.plug_ins import find_candidates
from bench.worker import programs, spaces

TASK = '''
"""Half of the digits."""
from pathlib import Path

from bench.tasks import Ablation, Candidate, Preset, Task, store
from bench.data.sources import digits_standin
from tuning.space import Choice, Float


class Halves(Task):
    name = "halves"
    title = "Halves of digits"
    metric = "accuracy"
    candidates = (Candidate("compact"),)
    references = ()
    training_space = (Float("learning_rate", 1e-3, 1e-2, default=2e-3, log=True), Choice("batch_size", (64,)))
    augmentation = ()
    presets = dict.fromkeys(
        ("smoke", "quick", "full"), Preset(2, 1, 1, 1, 0.1, runtimes=("keras",), careful=False)
    )
    preprocessing = {"half": "upper"}

    def load(self, data, folder, cache, preprocessing=None):
        return store(digits_standin.load(), cache)

    def prepare(self, x, preprocessing):
        return x[:, : x.shape[1] // 2]


task = Halves()
'''
PRETRAINED = """
    def pretraining(self, classes=None, samples=None):
        return digits_standin.load()

    def load("""
NET = '''
"""A layer of one's own."""
import keras

from architectures.layers.dense import AdjustableDropout


@keras.saving.register_keras_serializable(package="mine")
class Twice(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


class Net:
    name = "net_of_mine"
    title = "A net of mine"
    input = "image"

    def build(self, hp, input_shape, n_classes):
        inputs = keras.Input(input_shape)
        x = keras.layers.Flatten()(Twice(name="twice")(inputs))
        x = AdjustableDropout(name="dropout")(keras.layers.Dense(hp.Choice("units", [8]), name="hidden")(x))
        return keras.Model(inputs, keras.layers.Dense(n_classes, name="head")(x))


architecture = Net()
'''


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    task, net = tmp_path / "halves.py", tmp_path / "net_of_mine.py"
    task.write_text(TASK)
    net.write_text(NET)
    return task, net


def test_a_path_names_them_everywhere(files, tmp_path):
    task, net = files
    found = find_task(str(task))
    assert found is tasks.load(found.reference) is tasks.load(str(task))
    assert found.reference == str(task)
    candidates = find_candidates(f"compact, {net}", found)
    assert [c.name for c in candidates] == ["compact", "net_of_mine"]
    assert candidates[1].reference == str(net)
    assert Candidate(str(net), "phantom").reference == f"{net}-phantom"
    assert architectures.load(candidates[1].architecture).title == "A net of mine"


def test_what_the_files_say_is_part_of_what_a_result_means(files, tmp_path, monkeypatch):
    from fake_workers import settings_for

    task, net = files
    dataset = digits_standin.load()

    def digests():
        settings = settings_for(tmp_path, task=find_task(str(task)), candidates=(Candidate(str(net)),))
        return identity(settings, dataset), candidate_digests(settings)

    before = digests()
    other = tmp_path / "other"
    other.mkdir()
    for file in files:
        (other / file.name).write_text(f"# a comment\n{file.read_text()}")
    task, net = (other / file.name for file in files)
    assert digests() == before  # wherever they are
    task, net = (file.rename(file.with_name(f"x{file.name}")) for file in (task, net))
    task.write_text(TASK.replace('"halves"', '"xhalves"').replace("// 2", "// 4"))
    net.write_text(NET.replace("net_of_mine", "xnet_of_mine").replace("2 * inputs", "3 * inputs"))
    changed = digests()
    assert changed[0]["code"]["prepare"] != before[0]["code"]["prepare"]
    assert changed[1]["xnet_of_mine"] != before[1]["net_of_mine"]


def test_so_is_what_a_module_of_the_user_s_says_that_they_import(files, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "parts_of_mine").mkdir()
    for name in ("__init__", "deeper"):
        (tmp_path / "parts_of_mine" / f"{name}.py").write_text("scale = 1\n")
    (tmp_path / "helpers_of_mine.py").write_text("from parts_of_mine.deeper import scale\n")
    for file in files:
        file.write_text("from helpers_of_mine import scale\n" + file.read_text())
    candidate = SimpleNamespace(candidates=(Candidate(str(files[1])),))
    found = []
    for text in ("scale = 1\n", "scale = 2\n"):
        (tmp_path / "parts_of_mine" / "deeper.py").write_text(text)
        found.append((tasks.load(str(files[0])).file_digest, candidate_digests(candidate)))
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]


def test_what_is_stored_is_told_apart_by_all_that_it_says(tmp_path):
    dataset = replace(digits_standin.load(), fingerprint="always the same")
    subjects = np.where(np.arange(len(dataset.y)) % 2, "a", "b")
    others = [
        replace(dataset, subjects=subjects),
        replace(dataset, classes=tuple("abcdefghij")),
        replace(dataset, x=np.asarray(dataset.x) + 1),
        replace(dataset, sites=subjects.astype(object)),
    ]
    folders = {tasks.store(each, tmp_path) for each in (dataset, dataset, *others)}
    assert len(folders) == 5
    assert len({open_cached(folder).fingerprint for folder in folders}) == 5


BRANCH = """
        if hp.Choice("kind", ["a", "b"]) == "b":
            hp.Int("more", 1, 3)
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name="head")(x))', 'name="head", activation="softmax")(x))', "ended in softmax; expected logits"),
        (
            'Dense(n_classes, name="head")(x))',
            'Softmax()(keras.layers.Dense(n_classes, name="head")(x)))',
            "prob",
        ),
        ('Twice(name="twice")', "keras.layers.Lambda(lambda x: 2 * x)", "cannot be opened once it is saved"),
        ('@keras.saving.register_keras_serializable(package="mine")\n', "", None),
    ],
)
def test_a_network_that_could_not_be_used_is_refused_before_it_is_trained(tmp_path, old, new, message):
    folder = tasks.store(digits_standin.load(), tmp_path)
    (tmp_path / "net_of_mine.py").write_text(NET.replace(old, new))
    description = {
        "architecture": str(tmp_path / "net_of_mine.py"),
        "task": "digits",
        "dataset": str(folder),
        "preprocessing": tasks.load("digits").preprocessing,
        "transfer": "scratch",
        "searches_structure": True,
        "fixed": {},
    }
    with pytest.raises(ValueError, match=message) if message else nullcontext():
        assert "units" in spaces.find(description)["structural"]


def test_what_build_asks_for_beside_what_was_found_is_told(tmp_path):
    (tmp_path / "net_of_mine.py").write_text(NET.replace("        inputs =", BRANCH + "        inputs =", 1))
    build = partial(programs.build, str(tmp_path / "net_of_mine.py"), sample_shape=(16, 16, 1), n_classes=10)
    build({"kind": "a", "units": 8})
    with pytest.raises(
        ValueError, match=r"asked for 'more' for some values of others alone; .*conditional_scope"
    ):
        build({"kind": "b", "units": 8})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.py", None, "found no such file; expected a Python file"),
        ("cnn.py", NET, "found the name of cnn, which is builtin; expected another"),
        ("broken.py", "x = 1\ny = (\n", r"broken\.py, line 2: found SyntaxError"),
        ("raises.py", "\n\nimport nothing_of_the_kind\n", r"raises\.py, line 3: found ModuleNotFoundError"),
        ("keyed.py", "{}['absent']\n", r"keyed\.py, line 1: found KeyError"),
        ("empty.py", "", r"found TypeError: empty\.py: `architecture` needs name, title, input and build"),
        ("class.py", NET.replace("architecture = Net()", "architecture = Net"), "build, and is no class"),
        ("misnamed.py", NET, "`architecture` is named 'net_of_mine', not as its file"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_a_line(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        find_candidates(str(tmp_path / name), tasks.load("digits"))
    assert str(caught.value).startswith(f"ARCH={tmp_path / name}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('metric = "accuracy"', 'metric = "acc"', "ValueError: metric 'acc' is unknown"),
        ('("smoke", "quick", "full")', '("quick", "full")', "`presets` lacks smoke"),
        ('Candidate("compact")', 'Candidate("wyde")', "`candidates` has 'wyde', which is no architecture"),
        (
            "references = ()",
            'references = ("nearest",)',
            "the reference 'nearest'; expected some of nearest_nei",
        ),
        ("def load(", "def loads(", "`task` has no `load`"),
        ('    title = "Halves of digits"\n    metric = "accuracy"\n', "", "`task` lacks title, metric"),
        ('Choice("batch_size", (64,))', "", "`training_space` lacks batch_size"),
        ("augmentation = ()", 'augmentation = ("noise",)', "`training_space` lacks noise"),
        ('(Candidate("compact"),)', "()", "`candidates` has none"),
        ('(Candidate("compact"),)', '2 * (Candidate("compact"),)', "`candidates` has one twice"),
        (
            'Candidate("compact")',
            'Candidate("compact", "pretrained")',
            "has the transfer 'pretrained', not scr",
        ),
        ('Candidate("compact")', 'Candidate("compact", "phantom")', "the task has no `pretraining`"),
        ('"half": "upper"', '"half": (1, 2)', "`preprocessing` has values that JSON does not give back"),
        ("careful=False", "careful=False, judged_at=(5,)", r"judges trials at \(5,\) of 2 epochs"),
        *(
            ("    def load", f"    ablations = ({each},)\n\n    def load", message)
            for each, message in (
                ('"none"', "`ablations` has str, not an Ablation"),
                ('Ablation("a/b", "A")', "'a/b' twice, or as no name of letters"),
                (
                    'Ablation("a", "A", "", {"crop": False})',
                    "'a' changes 'crop', which the task does not have",
                ),
            )
        ),
    ],
)
def test_a_task_that_lacks_something_is_told_in_a_line(tmp_path, old, new, message):
    file = tmp_path / "halves.py"
    file.write_text(TASK.replace(old, new))
    with pytest.raises(UserError, match=rf"^TASK=.*halves\.py.*: found .*{message}"):
        find_task(str(file))


def test_what_goes_wrong_in_a_task_s_own_load_is_told_in_a_line(tmp_path, capsys):
    file = tmp_path / "halves.py"
    file.write_text(TASK.replace("return store(", "1 / 0; return store("))
    for command in ("bench", "check"):
        assert main([command, str(file), "--runs", str(tmp_path / "runs")]) == 2
        assert "line 24: found ZeroDivisionError: division by zero" in "".join(capsys.readouterr())
    assert main(["data", str(file)]) == 2
    assert "found nothing to fetch" in capsys.readouterr().err
    file = tmp_path / "other" / "halves.py"  # a path is imported once in a process
    file.parent.mkdir()
    file.write_text(TASK.replace("return store(", "store("))
    assert main(["bench", str(file), "--runs", str(tmp_path / "runs")]) == 2
    assert "found TypeError: `load` returned NoneType, not the dataset's folder" in capsys.readouterr().err
    for number, (code, message) in enumerate(
        (
            ("return folder", "no dataset in"),
            ("open('/nowhere/x.npz')", "FileNotFoundError: [Errno 2]"),
            ("raise OSError('of h5py')", "found OSError: of h5py"),
        )
    ):
        file = tmp_path / str(number) / "halves.py"
        file.parent.mkdir()
        file.write_text(TASK.replace("return store(digits_standin.load(), cache)", code))
        assert main(["bench", str(file), "--runs", str(tmp_path / "runs")]) == 2
        assert message in capsys.readouterr().err


def test_two_files_of_one_name_and_tasks_that_are_none(files, tmp_path):
    (tmp_path / "other").mkdir()
    again = tmp_path / "other" / "net_of_mine.py"
    again.write_text(NET)
    with pytest.raises(UserError, match="found two files named net_of_mine; expected different names"):
        find_candidates(f"{files[1]},{again}", tasks.load("digits"))
    with pytest.raises(
        UserError, match=r"^TASK=.*net_of_mine\.py: found TypeError: .* must be an instance of"
    ):
        find_task(str(files[1]))
    with pytest.raises(
        UserError, match=r"^TASK=tumours: found 'tumours'; expected one of digits, .*, or a path"
    ):
        find_task("tumours")


@pytest.mark.slow
def test_a_sweep_of_both_in_a_worker_process(files, tmp_path, capsys):
    task, net = files
    options = ["--runs", str(tmp_path / "runs"), "--reports", str(tmp_path / "reports")]
    command = [
        "bench",
        str(task),
        "--arch",
        f"compact,{net}",
        "--preset",
        "smoke",
        "--workers",
        "1",
        *options,
    ]
    assert main(command) == 0
    text = (tmp_path / "reports" / "halves.md").read_text()
    assert "# Halves of digits" in text
    row = next(line for line in text.splitlines() if "A net of mine" in line and line.startswith("|"))
    assert "failed" not in row
    folder = run_directory.latest(tmp_path / "runs", "halves")
    state = run_directory.load_state(folder)
    costs = next(result["costs"] for key, result in state.done.items() if key.startswith("latency/"))
    assert costs["net_of_mine"]["status"] == "measured"  # its saved layers were found
    assert recorded_settings(state).task.reference == str(task)
    assert main(["status", str(task), *options[:2]]) == 0
    assert "net_of_mine: 1 of 1 trials" in capsys.readouterr().out
    assert main(command) == 0
    assert "finished: nothing is left to run" in capsys.readouterr().err
    task.unlink()
    assert main(["report", str(task), *options]) == 2
    assert "found no such file" in capsys.readouterr().err


def test_images_for_pretraining_are_those_of_the_task_s_file_as_it_is(tmp_path):
    """They were told apart by the task's name alone: an edited generator went on with the images of before."""
    path, text = tmp_path / "halves.py", TASK.replace("    def load(", PRETRAINED.strip("\n"), 1)
    folders = []
    for edited in (
        text,
        text,
        text.replace("return digits_standin.load()", "return digits_standin.load() or None"),
    ):
        path.write_text(edited)
        folders.append(pretraining(tasks.load(str(path)), tmp_path / "cache"))
    assert folders[0] == folders[1] != folders[2]


def test_a_dataset_s_folder_may_be_given_with_its_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("halves.py").write_text(
        TASK.replace(
            "return store(digits_standin.load(), cache)",
            "return store(digits_standin.load(), cache).resolve()",
        )
    )
    words = ["--preset", "smoke", "--no-measure", "--runs", "runs", "--reports", "reports", "--workers", "0"]
    assert main(["bench", "halves.py", *words]) == 0
    recorded = run_directory.load_state(run_directory.latest(Path("runs"), "halves")).sweep["dataset"][
        "folder"
    ]
    assert recorded.startswith("../cache/")
