"""The commands: `python -m bench VERB`, also installed as `scanbench`."""

import argparse
import contextlib
import errno
import io
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

# One thread for linear algebra in this process: the Bayesian oracle's proposals must not hang on the
# number of cores. Read when NumPy is imported, so set before anything else of ours is.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import architectures  # noqa: E402
from bench import tasks  # noqa: E402
from bench.commands.arguments import (  # noqa: E402
    add_options,
    common_options,
    latest_run,
    read_settings,
    settings_options,
)
from bench.errors import UserError, printable  # noqa: E402
from bench.sweep.settings import find_task  # noqa: E402

EXIT_WORSE, EXIT_USER, EXIT_FAULT, EXIT_INTERRUPTED, EXIT_UNREAD = 1, 2, 70, 130, 141
# What a file's owner, place or disk causes, wherever it comes up: a line, no traceback.
_OF_FILES = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.ENAMETOOLONG,
)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and exits with status 2; takes no option for a longer one."""

    def __init__(self, **options) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str):
        verb = self.prog.partition(" ")[2]
        raise UserError(f"{verb}: {message}" if verb else message)


def _bench(arguments: argparse.Namespace) -> int:
    from bench.commands.run_sweep import bench
    from bench.sweep.progress import Display

    return bench(read_settings(arguments), Display(arguments.quiet))


def _data(arguments: argparse.Namespace) -> int:
    task, name = find_task(arguments.task), arguments.name or ""
    if name not in (task.sets or ("",)):
        expected = f"one of {', '.join(task.sets)}" if task.sets else "none, there is only one set"
        raise UserError(f"NAME={name}: found {name or 'nothing'}; expected {expected}")
    for line in task.fetch(Path(arguments.data_folder) / task.name, arguments.source, name):
        print(line)
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from bench.commands.run_sweep import write_report

    print(write_report(Path(arguments.reports), latest_run(arguments)))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from bench.commands.status import status

    print(status(latest_run(arguments)))
    return 0


def _tensorboard(arguments: argparse.Namespace) -> int:
    from bench.commands.tensorboard import export

    logs = export(latest_run(arguments))
    print(f"{logs}: starting TensorBoard; press Ctrl-C to end it")
    return subprocess.call([sys.executable, "-m", "tensorboard.main", "--logdir", str(logs)])


def _compare(arguments: argparse.Namespace) -> int:
    from bench.commands.compare import compare

    if not arguments.a or not arguments.b:
        raise UserError("A and B: found one or none; expected two run folders or report JSONs")
    text, worse = compare(Path(arguments.a), Path(arguments.b))
    print(text)
    return EXIT_WORSE if worse else 0


def _check(arguments: argparse.Namespace) -> int:
    from bench.commands.check import check

    task = find_task(arguments.task).configured(arguments.data or None)
    text, sound = check(task, arguments.data, Path(arguments.data_folder), Path(arguments.runs))
    print(text)
    return 0 if sound else EXIT_USER


def _pretrain(arguments: argparse.Namespace) -> int:
    from bench.commands.pretrain import run

    return run(arguments)


def _predict(arguments: argparse.Namespace) -> int:
    from bench.commands.predict import run

    return run(arguments)


def _export(arguments: argparse.Namespace) -> int:
    from bench.commands.export import run

    return run(arguments)


def _list(arguments: argparse.Namespace) -> int:
    print("tasks:")
    for name in tasks.names():
        task = tasks.load(name)
        print(f"  {name}: {task.title}")
        print(f"    candidates: {', '.join(candidate.name for candidate in task.candidates)}")
        print(f"    references: {', '.join(task.references)}")
    print(f"architectures: {', '.join(architectures.names())}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="scanbench", description="Which network, and at what cost?")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=_Parser)

    def verb(
        name: str, function: Callable[[argparse.Namespace], int], text: str, *places: str
    ) -> argparse.ArgumentParser:
        """A command; of a task, where it looks at any of these places."""
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(function=function)
        if places:
            common_options(added, *places)
        return added

    text = "sweep a task's candidates and write its report, or go on with that"
    bench = verb("bench", _bench, text, "data", "data-folder", "runs", "reports")
    settings_options(bench)
    bench.add_argument("--quiet", action="store_true", help="say nothing but errors")
    bench.add_argument("--no-measure", action="store_true", help="leave out training and inference times")
    bench.add_argument("--no-ablations", action="store_true", help="leave out what helped the best network")
    data = verb("data", _data, "fetch a task's public data into the data folder, verified", "data-folder")
    data.add_argument("--source", metavar="URL", help="another place to fetch the same files from")
    data.add_argument("--name", metavar="NAME", help="which set, where the task has several")
    verb("report", _report, "write the report of the latest sweep again", "runs", "reports")
    verb("status", _status, "what the latest sweep has done, is doing and has left", "runs")
    verb("tensorboard", _tensorboard, "show the latest sweep in TensorBoard's HParams view", "runs")
    compare = verb("compare", _compare, "compare two run folders or report JSONs")
    for side, text in (("A", "the earlier"), ("B", "the later; status 1 if it is significantly worse")):
        compare.add_argument(side.lower(), nargs="?", metavar=side, help=text, type=os.path.expanduser)
    text = "verify your data, and look for what would make results untrue"
    verb("check", _check, text, "data", "data-folder", "runs")
    model = "a candidate of the latest sweep (default: its best network)"
    add_options(
        verb("pretrain", _pretrain, "train a network on generated images alone and save it", "runs"),
        preset="decides the number of epochs (default: full)",
        arch="the architecture, by name or the path of its file (default: the task's first)",
        classes="classes to tell apart, parted by commas (default: normal and not)",
        samples="number of generated images (default: the task's)",
        epochs="epochs, of all networks together (default: the preset's)",
        preprocess="choices of preprocessing: normalisation=none,crop=off",
        output="folder for the networks (default: RUNS/models/TASK-ARCH-pretrained)",
    )
    add_options(
        verb("predict", _predict, "apply a network to new scans; writes a CSV and pictures", "runs"),
        model=f"{model}, `ensemble` or `NAME-ensemble` (all its seeds), or a saved network's folder",
        input="an image, or a folder of images",
        arch="the file of an architecture of your own, whose layers a saved network has",
        output="the CSV (default: predictions.csv); pictures are named after it",
    )
    text = "write a tested network as Keras, LiteRT and ONNX, with a model card"
    add_options(
        verb("export", _export, text, "runs"),
        model=model,
        output="the folder (default: RUNS/models/TASK-NAME)",
    )
    verb("list", _list, "list tasks, candidates and architectures")
    return parser


def _interrupt(*_: object) -> None:
    """SIGTERM is Ctrl-C wherever nothing gentler is done about it (`bench.sweep.scheduler` does)."""
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, one of the above, or that of the command.

    Python's own for an exception is 1, which says of `compare` that something got worse: a fault of ours is 70.
    """
    _open_streams()
    parser, parsed = _parser(), argparse.Namespace(verb=None)
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        parsed = parser.parse_args(arguments)
        if not parsed.verb:
            parser.print_help()
            return EXIT_USER
        status = parsed.function(parsed)
        sys.stdout.flush()
        return status
    except UserError as error:
        print(f"scanbench: {error}", file=sys.stderr)
        return EXIT_USER
    except KeyboardInterrupt:
        goes_on = "; the same command goes on where it was" if parsed.verb in ("bench", "pretrain") else ""
        print(f"interrupted{goes_on}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read what this says wants no more
        _let_go_of_output()
        return EXIT_UNREAD
    except OSError as error:
        if error.errno not in _OF_FILES:
            traceback.print_exc()
            return EXIT_FAULT
        found = f"{error.filename or 'output'}: {error.strerror}; expected what can be read and written"
        print(f"scanbench: {printable(found)}", file=sys.stderr)
        _let_go_of_output()
        return EXIT_USER
    except Exception:
        traceback.print_exc()
        return EXIT_FAULT


def _open_streams() -> None:
    """Give closed standard streams somewhere to go, and let them write any letter, as code where they have none."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _let_go_of_output() -> None:
    """What is left of it goes nowhere, if it can go nowhere else: Python writes it in the end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
