"""The options that commands share, and what `bench` makes of them: settings, every one of them checked."""

import argparse
import os
from pathlib import Path

from bench import tasks
from bench.errors import UserError
from bench.sweep import run_directory
from bench.sweep import settings as s
from bench.sweep.journal import FILE
from bench.tasks.contract.candidate import PRESETS
from bench.tasks.contract.plug_ins import find_candidates
from tuning.tuners import TUNERS


def add_options(parser: argparse.ArgumentParser, **texts: str) -> None:
    """Add options of one value each, by name, with what they are for; `~` in a path is the home folder."""
    for name, text in texts.items():
        parser.add_argument(f"--{name}", metavar=name.upper(), help=text, type=os.path.expanduser)


def settings_options(parser: argparse.ArgumentParser) -> None:
    add_options(
        parser,
        preset="smoke (a minute), quick (default, up to seven minutes) or full (up to hours)",
        arch="architectures, parted by commas (default: the task's)",
        tuner="random (default), bayesian, hyperband or grid",
        trials="trials of each search",
        seeds="refits of each winner",
        folds="divisions of the subjects; 1: one hold-out; sites: each tested in turn",
        workers="worker processes (default: one a GPU, else one a core; 0: here)",
        precision="float32 (default) or mixed, which is faster on GPUs",
        cluster="address of a Dask scheduler, such as tcp://host:8786",
        budget="end in order after this time: 90s, 30m, 2h",
        preprocess="choices of preprocessing: normalisation=none,crop=off",
        weights="folder with files of keras.applications, for transfer",
    )
    text = "take a piece back that shows no progress for so long (1800)"
    parser.add_argument("--stall-seconds", metavar="S", help=text)


def common_options(parser: argparse.ArgumentParser, *places: str) -> None:
    """Add the task, and of the places where things are those that the command looks at."""
    parser.add_argument("task", nargs="?", metavar="TASK", help="the task", type=os.path.expanduser)
    known = {
        "data": (None, "DATA", "your data: a folder or a file"),
        "data-folder": ("data", "DIR", "where fetched data lie (default: data)"),
        "runs": ("runs", "RUNS", "where state lives (default: runs)"),
        "reports": ("reports", "REPORTS", "where tables go (default: reports)"),
    }
    for name in places:
        default, metavar, text = known[name]
        parser.add_argument(f"--{name}", metavar=metavar, default=default, help=text, type=os.path.expanduser)


def latest_run(arguments: argparse.Namespace) -> Path:
    """The run folder of the task in which something was recorded last; RUNS itself, if it is a run folder.

    Raises UserError: there is none.
    """
    name, runs = s.find_task(arguments.task).name, Path(arguments.runs)
    if (runs / FILE).is_file():
        return runs
    folder = run_directory.latest(runs, name)
    if folder is None:
        raise UserError(f"RUNS={runs}: found no sweep of {name}; expected one: make bench first")
    return folder


def read_settings(arguments: argparse.Namespace):
    """Check every option.

    Raises UserError: the first that is wrong.
    """
    task = s.find_task(arguments.task)
    data = arguments.data or None
    if data is not None and not tasks.is_builtin(data) and not Path(data).exists():
        raise UserError(
            f"DATA={data}: found no such file or folder; expected the task's data, or builtin where it has such"
        )
    task = task.configured(data)
    preset_name = s.choice("PRESET", arguments.preset, PRESETS, "quick")
    preset = task.presets[preset_name]
    weights = Path(arguments.weights) if arguments.weights else None
    if weights is not None and not weights.is_dir():
        raise UserError(
            f"WEIGHTS={weights}: found no such folder; expected one with keras.applications' files"
        )
    stall = s.whole_number("--stall-seconds", arguments.stall_seconds, 1800, 1)
    by_site = arguments.folds == s.BY_SITE
    return s.Settings(
        task=task,
        candidates=find_candidates(arguments.arch, task),
        preset_name=preset_name,
        tuner=s.choice("TUNER", arguments.tuner, TUNERS, "random"),
        trials=s.whole_number("TRIALS", arguments.trials, preset.trials, 1),
        seeds=s.whole_number("SEEDS", arguments.seeds, preset.seeds, 1, 1000),
        folds=1 if by_site else s.whole_number("FOLDS", arguments.folds, preset.folds, 1, 100, s.BY_SITE),
        by_site=by_site,
        workers=s.whole_number("WORKERS", arguments.workers, 0, 0, 1024) if arguments.workers else None,
        precision=s.choice("PRECISION", arguments.precision, s.PRECISIONS, "float32"),
        data=data,
        data_folder=Path(arguments.data_folder),
        cluster=arguments.cluster or None,
        budget_seconds=s.duration("BUDGET", arguments.budget),
        runs=Path(arguments.runs),
        reports=Path(arguments.reports),
        stall_seconds=float(stall),
        measure=not arguments.no_measure,
        ablations=not arguments.no_ablations,
        weights=weights,
        preprocess=s.find_preprocessing(arguments.preprocess, task),
    )
