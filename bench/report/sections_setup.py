"""How a report was made: command, data, parts, seeds, environment, duration."""

import contextlib
import math

import numpy as np
import pandas as pd

from bench.data.splits import divide
from bench.errors import UserError
from bench.evaluate import metrics
from bench.evaluate.predictions import by_fold
from bench.report import formatting
from bench.report.markdown import code, escape, facts, prose, table, without_paths
from bench.report.results import Content
from bench.report.run_results import Source
from bench.report.statistics import Assessment

_ROUNDING = 1e-9


def blocks(content: Content) -> list[str]:
    """The section "How this was made"."""
    return ["## How this was made", _sweep(content), *_data(content), _environment(content)]


def _sweep(content: Content) -> str:
    source = content.source
    plan, identity, workers = source.plan, source.sweep["identity"], source.sweep.get("workers")
    busy = f"{workers} worker processes" if workers else "in one process"
    fixed = identity.get("preset", {}).get("fixed", {})
    varied = [name for name in identity.get("augmentation", []) if fixed.get(name) != 0]
    prepared = [f"{name}: {value}" for name, value in identity.get("preprocessing", {}).items()]
    found = [
        ("Command", code(without_paths(source.sweep["command"]))),
        ("Time", f"{formatting.date(source.started)} to {formatting.date(source.ended)}"),
        ("Sweeps took", f"{formatting.duration(source.state.seconds)}, {busy}"),
        ("Task", f"{code(source.task)}, primary metric {escape(content.metric_title)}"),
        ("Preset", f"{code(plan['preset'])}, {plan['epochs']} epochs"),
        (
            "Search",
            f"{code(plan['tuner'])}, {plan['trials']} trials a search, a search for each of {_folds(source)}",
        ),
        ("Refits", f"seeds 1 to {plan['seeds']}" if plan["seeds"] > 1 else "one seed"),
        ("Preprocessing", escape(", ".join(prepared) or "none")),
        ("Augmentation", escape(", ".join(varied) or "none")),
    ]
    return facts("Sweep", found)


def _folds(source: Source) -> str:
    n_folds = source.plan["folds"]
    if source.by_site:
        return f"{n_folds} folds, each of which leaves one site out and tests it"
    return "1 fold (a hold-out)" if n_folds == 1 else f"{n_folds} folds"


def _data(content: Content) -> list[str]:
    data = content.source.sweep["dataset"]
    shape = " x ".join(map(str, data["shape"]))
    described = [
        ("Name", f"{escape(data['name'])}{', **a stand-in**' if data['stand_in'] else ''}"),
        ("Fingerprint", code(data["fingerprint"])),
        ("Where from", prose(data["provenance"])),
        ("Samples", f"{data['samples']:,} of {data['subjects']:,} subjects, each {shape}"),
    ]
    described += [(escape(name), prose(text)) for name, text in data.get("details", {}).items()]
    counts = {"Class": [*map(escape, data["classes"])], "Samples": [f"{count:,}" for count in data["counts"]]}
    return [facts("Data", described), table(pd.DataFrame(counts)), *_parts(content)]


def _parts(content: Content) -> list[str]:
    """What is in the parts of each fold, and the best's result; test parts alone where the dataset is gone."""
    splits = content.source.sweep["identity"].get("splits", {})
    found, images = [], content.images
    if images is not None and "seed" in splits:
        with contextlib.suppress(UserError):
            found = divide(images.dataset, content.source.plan["folds"], splits)
    if images is not None and found:
        subjects = images.dataset.subjects
        columns = {"Fold": [escape(fold.name) for fold in found]}
        for part in ("train", "validation", "test"):
            columns[part.capitalize()] = [_counted(subjects[getattr(fold, part)]) for fold in found]
        note, best = _parts_note(content.source, splits), content.answer.best
        if len(found) > 1 and best and best.test:
            title = f"{best.entry.title}, test {content.metric_title}"
            scores = _by_fold(content, best, len(found))
            columns[escape(title)] = [formatting.value(content.metric, score) for score in scores]
            known = [score for score in scores if math.isfinite(score)]
            if known and not min(known) - _ROUNDING <= best.test.estimate <= max(known) + _ROUNDING:
                note += (
                    " The result of all folds, whose samples are counted together, lies outside those of the "
                    "single ones, as it may where the shares of the classes differ between them."
                )
        return [table(pd.DataFrame(columns)), note]
    tested = content.trainings[content.trainings.run.notna()].drop_duplicates("fold").sort_values("fold")
    if tested.empty:
        return []
    numbers = [f"{len(run.y):,}" for run in tested.run]
    return [table(pd.DataFrame({"Fold": tested.fold.map(str), "Test samples": numbers}))]


def _counted(subjects: np.ndarray) -> str:
    """A number of samples, and of their subjects where that is another."""
    count = len(np.unique(subjects))
    return f"{len(subjects):,}" + (f" of {count:,} subjects" if count != len(subjects) else "")


def _by_fold(content: Content, best: Assessment, folds: int) -> list[float]:
    """What the best has in each fold, mean over its seeds; nan where it has not been tested or it is undefined."""
    scores = {
        fold: float(np.mean([metrics.score(content.metric, run.y, run.probabilities) for run in members]))
        for fold, members in by_fold(best.entry.runs).items()
    }
    return [scores.get(fold, math.nan) for fold in range(folds)]


def _parts_note(source: Source, splits: dict) -> str:
    note = (
        f"Samples; no subject is in two parts of a fold. Seed of the folds: {splits['seed']}. What is tested has "
        "been trained on train and validation together."
    )
    if inner := splits.get("inner"):
        note += (
            f" A trial that is trained to its end is scored on {inner} inner folds of what is not tested, train "
            "and validation together: each validates a network that has been trained on the others."
        )
    if source.by_site:
        note += (
            " Intervals are about subjects of these sites: how much another site's would differ, the "
            "results of the folds show."
        )
    return note


def _environment(content: Content) -> str:
    found = content.source.sweep.get("environment", {})
    packages = ", ".join(
        f"{name} {version}" for name, version in found.get("packages", {}).items() if version
    )
    gpus = ", ".join(found.get("gpus") or []) or "none"
    cores = f"{found.get('cores') or '?'} cores, {found.get('threads')} threads usable"
    trained_on = sorted(content.trainings.device.dropna().unique())
    differs = ", whose numbers differ a little" if len(trained_on) > 1 else ""
    shown = [
        (
            "Processor",
            f"{escape(found.get('processor'))}, {cores}, {formatting.size(found.get('memory_bytes'))} of memory",
        ),
        ("GPUs", escape(gpus)),
        ("Networks trained on", escape(" and ".join(trained_on) + differs)),
        ("System", escape(f"{found.get('system')}, Python {found.get('python')}")),
        ("Packages", escape(f"scanbench {found.get('scanbench')}, {packages}")),
    ]
    return facts("Environment", [(name, text) for name, text in shown if text])
