"""The command line: exit statuses, and one line for everything that a user can get wrong."""

import errno
import gzip
import os
import subprocess
import sys

import pytest

from bench.commands.main import EXIT_FAULT, EXIT_INTERRUPTED, EXIT_UNREAD, EXIT_USER, main


@pytest.fixture
def user_error(tmp_path, capsys, monkeypatch):
    """Run a command that must end as the user's mistake; returns its one line."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> str:
        assert main(list(words)) == EXIT_USER == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("scanbench: ")
        assert said.err.count("\n") == 1
        assert list(tmp_path.glob("runs/digits-*")) == []
        return said.err.strip()

    return run


@pytest.mark.parametrize(
    ("words", "names", "expected"),
    [
        ((), "TASK=: found nothing", "expected one of digits"),
        (("numbers",), "TASK=numbers: found 'numbers'", "digits"),
        (("../digits",), "TASK=../digits", "digits"),
        (("digits", "--preset", "tiny"), "PRESET=tiny: found 'tiny'", "smoke, quick, full"),
        (("digits", "--arch", "compat"), "ARCH=compat: found 'compat'", "compact"),
        (("digits", "--arch", "compact,huge"), "ARCH=compact,huge: found 'huge'", "compact"),
        (("digits", "--arch", ","), "ARCH=,: found no name", "compact"),
        (("digits", "--tuner", "annealing"), "TUNER=annealing", "random, bayesian, hyperband, grid"),
        (("digits", "--trials", "0"), "TRIALS=0: found '0'", "a whole number from 1"),
        (("digits", "--trials", "-3"), "TRIALS=-3", "a whole number"),
        (("digits", "--trials", "many"), "TRIALS=many: found 'many'", "a whole number"),
        (("digits", "--trials", "2.5"), "TRIALS=2.5", "a whole number"),
        (("digits", "--seeds", "0"), "SEEDS=0", "from 1 to 1000"),
        (("digits", "--folds", "101"), "FOLDS=101", "from 1 to 100"),
        (("digits", "--folds", "site"), "FOLDS=site: found 'site'", "from 1 to 100, or sites"),
        (("digits", "--folds", "sites"), "FOLDS=sites: found a dataset without sites", "labels.csv"),
        (("digits", "--workers", "-1"), "WORKERS=-1", "from 0"),
        (("digits", "--workers", "two"), "WORKERS=two", "a whole number"),
        (("digits", "--budget", "soon"), "BUDGET=soon: found 'soon'", "90s, 30m, 2h"),
        (("digits", "--budget", "90"), "BUDGET=90", "90s, 30m, 2h"),
        (("digits", "--budget", "0s"), "BUDGET=0s: found no time", "more than 0s"),
        (("digits", "--budget", "-2h"), "--budget", "argument"),
        (("digits", "--stall-seconds", "0"), "--stall-seconds=0", "from 1"),
        (("digits", "--data", "nowhere"), "DATA=nowhere: found no such file or folder", "expected"),
        (("digits", "--weights", "nowhere"), "WEIGHTS=nowhere: found no such folder", "expected"),
    ],
)
def test_a_wrong_value_of_a_variable_is_one_line(words, names, expected, user_error):
    said = user_error("bench", *words)
    assert names in said
    assert expected in said


def test_a_tilde_is_the_home_folder_wherever_a_path_is_asked_for(tmp_path, monkeypatch, user_error):
    monkeypatch.setenv("HOME", str(tmp_path))
    said = user_error("bench", "digits", "--data", "~/nowhere", "--weights", "~/w")
    assert f"DATA={tmp_path}/nowhere: found no such file" in said
    assert f"WEIGHTS={tmp_path}/w: found no such folder" in user_error("bench", "digits", "--weights", "~/w")
    assert f"ARCH={tmp_path}/net.py: found no such file" in user_error(
        "bench", "digits", "--arch", "cnn,~/net.py"
    )
    assert f"TASK={tmp_path}/own.py: found no such file" in user_error("bench", "~/own.py")


def test_an_unknown_command_and_an_unknown_option_are_one_line(user_error):
    assert "invalid choice: 'brench'" in user_error("brench")
    assert "unrecognized arguments: --fast" in user_error("bench", "digits", "--fast")
    assert "expected one argument" in user_error("bench", "digits", "--trials")


@pytest.mark.parametrize(
    "words", [("status", "--data"), ("export", "--reports"), ("data", "--data"), ("bench", "--trial")]
)
def test_a_command_takes_no_option_that_is_not_its_own(words, user_error):
    verb, option = words
    assert f"unrecognized arguments: {option}" in user_error(verb, "digits", option, "x")


def test_damaged_data_are_one_line(tmp_path, user_error):
    folder = tmp_path / "usps"
    folder.mkdir()
    for name in ("zip.train.gz", "zip.test.gz"):
        with gzip.open(folder / name, "wt") as file:
            file.write("11.0 " + "0.5 " * 256 + "\n")
    said = user_error("bench", "digits", "--data", "usps")
    assert "usps/zip.train.gz line 1: found label 11; expected 0 to 9" in said


def test_a_wrong_address_for_data_is_one_line(user_error):
    assert "found no address" in user_error("data", "digits", "--source", "nowhere")


@pytest.mark.parametrize("verb", ["report", "status"])
def test_without_a_sweep_there_is_nothing_to_show(verb, user_error):
    assert "found no sweep of digits; expected one: make bench first" in user_error(verb, "digits")


def test_runs_that_cannot_be_made_are_one_line(tmp_path, user_error):
    (tmp_path / "taken").write_text("")
    assert "expected a writable folder" in user_error("bench", "digits", "--runs", "taken", "--workers", "0")


def test_help_names_every_command(capsys):
    assert main([]) == EXIT_USER
    said = capsys.readouterr().out
    assert all(verb in said for verb in ("bench", "data", "report", "status", "tensorboard", "list"))
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0


def test_list_names_tasks_candidates_and_architectures(capsys):
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "digits:" in said
    assert "candidates: compact, wide, deep, cnn" in said
    assert "rbf_svm" in said


def test_an_interrupt_says_how_to_go_on(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.commands.run_sweep.bench", interrupted)
    assert main(["bench", "digits", "--quiet"]) == EXIT_INTERRUPTED == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_a_bug_shows_its_traceback(monkeypatch, capsys):
    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr("bench.commands.run_sweep.bench", broken)
    assert (
        main(["bench", "digits", "--quiet"]) == EXIT_FAULT
    )  # 1 would say of `compare` that something got worse
    assert capsys.readouterr().err.endswith("RuntimeError: a bug\n")


def _run(code: str, **more):
    """A process of its own, since it is about what a process begins and ends with."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **more)


def test_output_that_nobody_reads_or_that_cannot_be_written_is_no_regression():
    command = f"{sys.executable} -m bench list"
    for target, status in (
        ("| true; exit ${PIPESTATUS[0]}", {0, EXIT_UNREAD}),
        ("> /dev/full", {EXIT_USER}),
    ):
        found = subprocess.run(["bash", "-c", f"{command} {target}"], capture_output=True, text=True)
        assert found.returncode in status
        assert "Traceback" not in found.stderr


def test_letters_that_a_terminal_has_not_are_spelled():
    code = "from bench.commands.main import main; main(['status', 'digits', '--runs', '\u00fc'])"
    found = _run(code, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert "RUNS=\\xfc: found no sweep" in found.stderr


def test_what_a_shell_or_a_home_folder_says_changes_no_result(tmp_path):
    (tmp_path / "keras.json").write_text(
        '{"floatx": "float16", "epsilon": 0.1, "backend": "jax", "image_data_format": "channels_first"}'
    )
    names = ("OMP_NUM_THREADS", "TF_ENABLE_ONEDNN_OPTS", "KERAS_BACKEND")
    code = (
        "import os; from bench.commands.main import main; from tuning import runtime; runtime.configure(); "
        "from keras.config import *; print(floatx(), epsilon(), image_data_format(), backend()); "
        f"print(*(os.environ[name] for name in {names}))"
    )
    shell = {"OMP_NUM_THREADS": "4", "TF_ENABLE_ONEDNN_OPTS": "0", "KERAS_BACKEND": "jax"}
    found = _run(code, env={**os.environ, **shell, "KERAS_HOME": str(tmp_path)})
    assert found.stdout.splitlines() == ["float32 1e-07 channels_last tensorflow", "1 1 tensorflow"]


def test_a_file_that_its_owner_keeps_is_a_line(monkeypatch, capsys):
    def kept(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "runs/digits/predictions/a.npz")

    monkeypatch.setattr("bench.commands.main.latest_run", kept)
    assert main(["status", "digits"]) == EXIT_USER
    assert (
        capsys.readouterr().err
        == "scanbench: runs/digits/predictions/a.npz: Permission denied; expected what can be read and written\n"
    )
