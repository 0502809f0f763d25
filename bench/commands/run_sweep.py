"""`make bench`: from settings to a report, going on from whatever is there."""

import errno
import json
import math
import os
import re
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from bench.commands.inference import measure_inference
from bench.commands.load_dataset import load_dataset
from bench.commands.preconditions import (
    check_notes,
    drop_damaged_checkpoints,
    require_fitting,
    require_writable,
)
from bench.data.caches import cached_dataset
from bench.data.dataset import Dataset
from bench.data.folders.folder import collected_warnings
from bench.data.folders.resampled_folder import READING_VERSION
from bench.data.splits import count_inner_folds, divide
from bench.errors import UserError
from bench.sweep import estimate, run_directory
from bench.sweep.identity import ablation_digests, candidate_digests
from bench.sweep.identity import identity as identity_of
from bench.sweep.journal import FILE, Journal, unwritable
from bench.sweep.plan import Plan
from bench.sweep.progress import Display
from bench.sweep.settings import Settings
from bench.sweep.state import State
from bench.tasks.contract.datasets import pretraining

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def bench(settings: Settings, display: Display) -> int:
    """Run, or go on with, a sweep, and write its report; returns the exit status.

    Raises UserError: data, folders or disk that cannot be used.
    """
    task = settings.task
    with collected_warnings() as warnings:
        dataset_folder = load_dataset(
            task, settings.data, settings.data_folder, settings.runs, settings.preprocessing
        )
    dataset = cached_dataset.open_cached(dataset_folder)
    has_split = dataset.official_test is not None or dataset.official_validation is not None
    if settings.by_site and has_split and not dataset.stand_in and dataset.sites is not None:
        warnings.append("FOLDS=sites tests each site in turn: the split that the data bring is not looked at")
    if settings.folds > 1 and dataset.official_test is not None and dataset.official_validation is not None:
        warnings.append(
            f"FOLDS={settings.folds}: the data's own split says all parts, so folds differ by seeds alone"
        )
    for line in warnings:
        display.say(f"warning: {line}")
    if settings.by_site:
        settings = replace(settings, folds=len(divide(dataset, 1, settings.splits)))
    settings = replace(settings, inner_folds=count_inner_folds(dataset, settings.splits))
    identity = identity_of(settings, dataset)
    candidates = candidate_digests(settings)
    folder, differences = run_directory.find(settings, identity, candidates)
    require_writable(settings.reports)
    journal = Journal(folder)
    is_new = not journal.events
    try:
        for text in journal.dropped:
            display.say(f"dropped from {folder}: {text}")
        state = State.replay(journal.events)
        ablations = ablation_digests(task)
        wrong = run_directory.verify_files(folder, state) | run_directory.outdated(state, ablations)
        for piece, reason in wrong.items():
            display.say(f"{piece} will be run again: {reason}")
            state.apply(journal.append("dropped", piece=piece, reason=reason))
        plan = Plan(settings, state)
        # The report speaks of what was asked for last.
        asked_again = state.sweep.get("plan") == _plan_record(settings)
        if not is_new and plan.finished() and asked_again:
            if journal.events[-1]["event"] not in ("ended", "shown"):  # killed after its last piece
                journal.append("ended", reason="finished")
            _show_again(settings, folder, journal, state, display)
            return 0 if plan.winners() else 1
        run_directory.clean(folder, state)
        digests = {"candidates": candidates, "ablations": ablations}
        display.say(f"{task.name} on {dataset.name}: {dataset.provenance}")
        if is_new:
            display.say(f"new run folder {folder}")
            for line in differences:
                display.say(f"  differs from the last run: {line}")
        else:
            display.say(f"going on in {folder}: {len(state.done)} pieces are done and will not be run again")
        return _sweep(
            settings, dataset, dataset_folder, warnings, identity, digests, folder, journal, state, display
        )
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        raise unwritable(error.filename or folder, error) from error
    finally:
        journal.close()


def _plan_record(settings: Settings) -> dict:
    return {
        "task": settings.task.reference,
        "title": settings.task.title,
        "candidates": [
            {"name": c.name, "architecture": c.architecture, "transfer": c.transfer}
            for c in settings.candidates
        ],
        "references": list(settings.task.references),
        "trials": settings.trials,
        "seeds": settings.seeds,
        "folds": settings.folds,
        "tuner": settings.tuner,
        "preset": settings.preset_name,
        "epochs": settings.preset.epochs,
        "metric": settings.task.metric,
        "ablations": settings.ablations,
    }


def _show_again(settings: Settings, folder: Path, journal: Journal, state: State, display: Display) -> None:
    """See to it that a finished sweep's report lies there, and that it is the latest, of which commands speak."""
    display.say(f"{folder} is finished: nothing is left to run. Raise TRIALS, SEEDS or FOLDS to go on.")
    path = settings.reports / f"{settings.task.name}.md"
    if run_directory.latest(settings.runs, settings.task.name) != folder:
        journal.append("shown")
    if not _is_reported(path, folder, state):
        path = write_report(settings.reports, folder)
    display.say(f"report: {path}")


def _is_reported(page: Path, folder: Path, state: State) -> bool:
    """Whether the report there is whole, and of this sweep as it is now: REPORTS may serve several RUNS."""
    files = [page.with_name(f"{page.stem}{suffix}") for suffix in (".md", ".csv", ".json")]
    overview = page.with_name("README.md")
    try:
        if min(file.stat().st_mtime for file in (*files, overview)) < (folder / FILE).stat().st_mtime:
            return False
        found = json.loads(files[-1].read_text(encoding="utf-8"))
        same_time = math.isclose(found["seconds"], state.seconds, rel_tol=1e-5)
        pictures = re.findall(r"(?m)^!\[.*\]\(([^()\s]+\.png)\)$", page.read_text(encoding="utf-8"))
        is_whole = all((page.parent / unquote(picture)).is_file() for picture in pictures)
        return same_time and is_whole and found["identity"] == state.sweep["identity"]
    except (OSError, ValueError, LookupError):
        return False


def _sweep(
    settings, dataset, dataset_folder, warnings, identity, digests, folder, journal, state, display
) -> int:
    from bench.measure import environment
    from bench.measure.cost import MeasuringProcess
    from bench.sweep.executors import open_workers
    from bench.sweep.scheduler import Sweep
    from tuning.runtime import import_tensorflow

    divide(dataset, settings.folds, settings.splits)  # too few subjects are said here, once
    # Both kinds of process import TensorFlow while others work: workers while this process does.
    with (
        closing(open_workers(settings.workers, settings.cluster)) as workers,
        closing(MeasuringProcess()) as measuring,
    ):
        import_tensorflow()
        require_fitting(settings, dataset)
        drop_damaged_checkpoints(folder, display)
        checked = check_notes(state, dataset)
        for line in checked:
            display.say(f"warning: {line}")
        record = journal.append(
            "sweep",
            identity=identity,
            **digests,
            plan=_plan_record(settings),
            dataset={
                **_dataset_record(dataset, dataset_folder, folder),
                "published": settings.task.published(dataset),
            },
            environment=environment.environment(),
            command=settings.command(),
            workers=workers.slots if settings.workers is None else settings.workers,
            budget_seconds=settings.budget_seconds,
            checked=checked,
            notes=[*warnings, *checked],
        )
        state.apply(record)
        started = time.monotonic()
        pretrains = any(candidate.source == "phantom" for candidate in settings.candidates)
        with display:
            sweep = Sweep(
                settings,
                folder.resolve(),
                dataset_folder.resolve(),
                pretraining(settings.task, settings.runs / "cache", say=display.say) if pretrains else None,
                journal,
                state,
                workers,
                display,
                measuring,
            )
            sweep.run()
        workers.close()
        if settings.measure and not sweep.interrupted:
            measure_inference(settings, dataset, folder, sweep.plan, journal, display, measuring)
    unfinished = sweep.unfinished
    journal.append("ended", reason=sweep.interrupted or unfinished or "finished")
    report = write_report(settings.reports, folder)
    display.say(f"{estimate.duration(time.monotonic() - started)}; report: {report}")
    if unfinished:
        display.say(f"not finished ({unfinished}); the same command goes on")
        return 0 if unfinished == "budget" else 130
    if state.deferred:
        display.say(
            f"{len(state.deferred)} pieces could not be done here (the report has the reasons); the same command "
            "tries them again"
        )
    return 0 if sweep.plan.winners() else 1


def _dataset_record(dataset: Dataset, dataset_folder: Path, folder: Path) -> dict:
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "provenance": dataset.provenance,
        "stand_in": dataset.stand_in,
        "classes": list(dataset.classes),
        "counts": np.bincount(dataset.y, minlength=len(dataset.classes)).tolist(),
        "samples": len(dataset.x),
        "subjects": len(np.unique(dataset.subjects)),
        "shape": list(dataset.x.shape[1:]),
        "details": dataset.details,
        "official_test": dataset.official_test is not None and bool(dataset.official_test.any()),
        "reading_version": READING_VERSION,
        "folder": _from_run_folder(dataset_folder, folder),
    }


def _from_run_folder(dataset_folder: Path, folder: Path) -> str:
    """Where a dataset lies as seen from a run folder, so that RUNS can be moved as a whole, links and all."""
    runs, place = folder.parent.absolute(), dataset_folder.absolute()
    if place.is_relative_to(runs):
        return os.path.join("..", place.relative_to(runs))
    return os.path.relpath(place.resolve(), folder.resolve())


def write_report(reports: Path, folder: Path) -> Path:
    """Write the report of a run folder; returns the markdown's path."""
    from bench import report

    require_writable(reports)
    try:
        return report.write(folder, reports)
    except OSError as error:
        raise UserError(f"{reports}: cannot write ({error.strerror}); expected a writable folder") from error
