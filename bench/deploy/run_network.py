"""The networks of a run folder, as its report ranks them: one refit of a candidate, or all that were kept."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import architectures
from bench.data.caches.cached_dataset import DamagedCacheError, open_headers
from bench.data.dataset import Dataset
from bench.data.sources.download import sha256_of
from bench.data.splits import Fold
from bench.deploy import familiarity
from bench.deploy.calibration import fit_temperature, log_loss, scaled
from bench.deploy.familiarity import Known
from bench.deploy.saved_network import Network, calibrated, load_keras
from bench.errors import UserError
from bench.evaluate import metrics
from bench.evaluate.predictions import Run
from bench.report import results, run_results
from bench.report.results import Content
from bench.report.statistics import Assessment
from bench.sweep.state import search_name
from bench.tasks import Task
from bench.worker import arrays

ENSEMBLE = "ensemble"
Data = tuple[Path, Dataset, Fold, np.ndarray]


@dataclass(frozen=True)
class Chosen:
    """A candidate of a run folder, and which of its networks."""

    content: Content
    assessment: Assessment
    ensemble: bool
    trial: int  # the winning one of the first fold
    files: list[Path]  # of the networks: of one seed, or of all seeds that were kept
    runs: list[Run]  # what these networks predicted on test

    @property
    def folder(self) -> Path:
        return self.content.source.folder

    @property
    def architecture(self) -> str:
        """Its name, or the path of its file."""
        entry = self.assessment.entry
        plan = next(c for c in entry.plan["candidates"] if c["name"] == entry.name)
        return str(plan["architecture"])


def choose(folder: Path, model: str | None) -> Chosen:
    """Find what MODEL names: nothing (the best network of the report), a candidate, `ensemble`, `NAME-ensemble`.

    Raises UserError: no such candidate, or its networks are not (or no longer) there.
    """
    content = results.build(folder)
    name, _, last = (model or "").rpartition("-")
    ensemble = last == ENSEMBLE
    name = name if ensemble else model or ""
    tested = {a.name: a for a in content.networks if a.test is not None}
    if name and name not in tested:
        known = ", ".join([*tested, ENSEMBLE, *(f"{one}-{ENSEMBLE}" for one in tested)]) or "none so far"
        raise UserError(
            f"MODEL={model}: found neither a folder nor a tested network of {folder}; expected one of {known}"
        )
    if not tested:
        raise UserError(f"{folder}: found no tested network; expected one: let make bench go on")
    found = tested[name] if name else next(iter(tested.values()))
    source = content.source
    trial = source.state.tested_trial(found.name, 0, metrics.sign(source.metric), found.entry.plan["trials"])
    refits = source.state.refits(found.name, 0, trial) if trial is not None else {}
    seeds = found.entry.seeds_planned
    kept = [(seed, result) for seed, result in refits.items() if seed <= seeds and "model" in result["files"]]
    kept = kept if ensemble else kept[:1]
    if trial is None or len(kept) < (2 if ensemble else 1):
        raise UserError(
            f"MODEL={model or found.name}: found {len(kept)} kept networks of {found.name} in {folder}; "
            f"expected {'two seeds or more: raise SEEDS' if ensemble else 'one'}"
        )
    files, runs = [], []
    for seed, result in kept:
        recorded = result["files"]["model"]
        path = folder / recorded["path"]
        run, _ = run_results.load_predictions(folder, result, 0, seed, [])
        if run is None or not path.is_file() or sha256_of(path) != recorded["sha256"]:
            raise UserError(
                f"{path}: found it or its predictions missing or changed; expected them as written: "
                "make bench mends them"
            )
        files.append(path)
        runs.append(run)
    return Chosen(content, found, ensemble, trial, files, runs)


def open_network(chosen: Chosen, task: Task, architecture: str = "") -> Network:
    """Load the networks of a candidate, calibrated by what its winning trial predicted on validation.

    `architecture` is where the file of its architecture lies by now, if it was moved.
    """
    source, entry = chosen.content.source, chosen.assessment.entry
    trial = source.state.done[f"trial/{search_name(entry.name, 0)}/{chosen.trial}"]
    calibration = _calibration(chosen, trial)
    identity, data = source.sweep["identity"], source.sweep["dataset"]
    facts = {
        "task": task.name,
        "architecture": architectures.file_of(chosen.architecture).stem,
        "title": entry.title + (f", ensemble of {len(chosen.files)} seeds" if chosen.ensemble else ""),
        "classes": source.classes,
        "preprocessing": identity["preprocessing"],
        "preprocessing_code": identity.get("code", {}).get("prepare"),
        "reading_version": data.get("reading_version"),
        "temperature": calibration["temperature"],
        "calibration": calibration,
        "candidate": entry.name,
        "run": chosen.folder.resolve().name,
        "trial": chosen.trial,
        "values": trial["values"],
        "seeds": [run.seed for run in chosen.runs],
        "data": {k: v for k, v in data.items() if k != "folder"},
    }
    own = (architecture or chosen.architecture,)
    networks = (load_keras(path, own) for path in chosen.files)
    models = tuple(calibrated(network, calibration["temperature"]) for network in networks)
    return Network(entry.name, models, facts, own)


def _calibration(chosen: Chosen, trial: dict[str, Any]) -> dict[str, Any]:
    """The temperature, and the log loss without and with it.

    It is fitted to the winning trial, whose validation subjects were not trained on. The refits have seen them;
    they are the same network with the same hyperparameters, trained on as much more as validation is.
    """
    validation = run_results.load_validation(chosen.folder, chosen.content.source.state, trial)
    if not validation:
        return {"temperature": 1.0, "subjects": 0}
    y, probabilities, subjects = (
        np.concatenate([getattr(run, name) for run in validation])
        for name in ("y", "probabilities", "subjects")
    )
    temperature = fit_temperature(y, probabilities, subjects)
    found: dict[str, Any] = {"temperature": temperature, "subjects": len(np.unique(subjects))}
    for part, runs in (("validation", [Run(y, probabilities, subjects, 0, 0)]), ("test", chosen.runs)):
        before = np.mean([run.probabilities for run in runs], axis=0)
        after = np.mean([scaled(run.probabilities, temperature) for run in runs], axis=0)
        y = runs[0].y
        found[part] = {"before": float(log_loss(y, before).mean()), "after": float(log_loss(y, after).mean())}
    return found


def learn(data: Data, network: Network) -> Known:
    """What a run's data were like; its test part is what no network has seen."""
    folder, dataset, fold, x = data
    training = np.sort(np.concatenate([fold.train, fold.validation]))
    return familiarity.learn(network, x, dataset.x, training, fold.test, open_headers(folder))


def open_data(chosen: Chosen, task: Task) -> Data | None:
    """The run's dataset: its folder, itself, the first fold, and samples as networks see them.

    None where it is no longer there.
    """
    source = chosen.content.source
    recorded, identity = source.sweep["dataset"], source.sweep["identity"]
    folder = Path(os.path.normpath(source.folder.resolve() / recorded["folder"]))
    description = {
        "dataset": str(folder),
        "task": task.reference,
        "fold": 0,
        "splits": identity["splits"],
        "preprocessing": identity["preprocessing"],
    }
    try:
        dataset, fold, x = arrays.open_inputs(description)
    except (DamagedCacheError, OSError):
        return None
    return (folder, dataset, fold, x) if dataset.fingerprint == recorded["fingerprint"] else None
