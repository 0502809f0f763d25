"""What a report is made from: a run folder's journal and predictions, arranged by candidate and reference."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.errors import UserError
from bench.evaluate import metrics
from bench.evaluate.predictions import Run
from bench.report import frames
from bench.sweep import journal
from bench.sweep.state import State, parse_key
from bench.worker.references import REFERENCES


@dataclass
class Entry:
    """A row of the table: a candidate or a reference with all that has been recorded of it.

    Attributes
    ----------
    kind : "network" or "reference".
    plan : the plan that last named it.
    in_plan : whether that is the latest one.
    trainings, searches : frames with the columns `frames.TRAININGS` and `frames.SEARCHES`.
    cost : what `bench.measure.cost` found for the model of the first fold; empty where not measured.
    timing : what `bench.worker.timing` found; empty where not measured.
    failures : reasons of pieces that failed, with how many pieces gave each.
    blocked : why there can be no result at all, or None.
    """

    name: str
    title: str
    kind: str
    plan: dict[str, Any]
    in_plan: bool
    trainings: pd.DataFrame = field(default_factory=lambda: frames.frame([], frames.TRAININGS))
    searches: pd.DataFrame = field(default_factory=lambda: frames.frame([], frames.SEARCHES))
    cost: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, Any] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    refits_failed: int = 0
    blocked: str | None = None

    @cached_property
    def trials(self) -> pd.DataFrame:
        return self.trainings[self.trainings.stage == "trial"]

    @cached_property
    def refits(self) -> pd.DataFrame:
        return self.trainings[self.trainings.stage == "refit"]

    @property
    def tested(self) -> pd.DataFrame:
        """The refits whose predictions are there."""
        return self.refits[self.refits.run.notna()]

    @property
    def runs(self) -> list[Run]:
        return [*self.tested.run]

    @property
    def is_network(self) -> bool:
        return self.kind == "network"

    @property
    def inference(self) -> dict[str, Any]:
        """Where the inference times stand: a network's are of a fresh process, a reference's of the sweep."""
        return self.cost if self.is_network else self.timing

    @property
    def folds_planned(self) -> int:
        return int(self.plan["folds"])

    @property
    def seeds_planned(self) -> int:
        return int(self.plan["seeds"]) if self.is_network else 1


@dataclass(frozen=True)
class Source:
    """A run folder, read.

    Attributes
    ----------
    entries : networks, then references, in the order of the task.
    started, ended : moments of the first and the last event, seconds since 1970.
    dropped : what of the journal and the predictions could not be read.
    """

    folder: Path
    state: State
    entries: list[Entry]
    started: float
    ended: float
    dropped: list[str]

    @property
    def sweep(self) -> dict[str, Any]:
        return self.state.sweep

    @property
    def plan(self) -> dict[str, Any]:
        return self.sweep["plan"]

    @property
    def by_site(self) -> bool:
        """Whether each fold tests one site."""
        return self.sweep["identity"].get("splits", {}).get("by") == "site"

    @property
    def task(self) -> str:
        return self.sweep["identity"]["task"]

    @property
    def metric(self) -> str:
        return self.plan["metric"]

    @property
    def classes(self) -> list[str]:
        return self.sweep["dataset"]["classes"]


def read(folder: Path) -> Source:
    """Read a run folder without changing anything in it; a sweep may be going on there.

    Raises UserError: there is no journal, or no sweep in it.
    """
    events, _, dropped = journal.read(folder / journal.FILE)
    state = State.replay(events)
    if "plan" not in state.sweep:
        raise UserError(
            f"{folder}: found no sweep in {journal.FILE}; expected a run folder (make bench first)"
        )
    latest = state.sweep["plan"]
    names = [candidate["name"] for candidate in latest["candidates"]] + latest["references"]
    references = {name for plan in state.plans.values() for name in plan["references"]}
    everything = sorted(
        dict.fromkeys([*names, *state.plans]), key=lambda name: (name in references, name not in names)
    )
    entries = [
        (_reference if name in references else _network)(folder, state, name, name in names, dropped)
        for name in everything
    ]
    _add_costs(entries, state)
    times = [event["time"] for event in events if "time" in event and event["event"] != "shown"]
    return Source(folder, state, entries, min(times), max(times), dropped)


def _add_costs(entries: list[Entry], state: State) -> None:
    """Give each network its costs: of the measurement that has most of the latest plan's winners.

    Times of one process after the other cannot be compared as those of networks that took turns can.
    """
    firsts = {e.name: e.searches.trial.head(1).dropna() for e in entries if e.is_network}
    winners = {name: int(trial.iloc[0]) for name, trial in firsts.items() if len(trial)}
    latest = [entry.name for entry in entries if entry.name in winners and entry.in_plan]

    def of_winner(costs: dict[str, dict], name: str) -> bool:
        return name in costs and costs[name].get("trial") == winners[name]

    measured = [result["costs"] for key, result in state.done.items() if key.startswith("latency/")]
    for costs in sorted(measured, key=lambda costs: sum(of_winner(costs, name) for name in latest)):
        for entry in entries:
            if entry.name in winners and of_winner(costs, entry.name):
                entry.cost = costs[entry.name]


def _network(folder: Path, state: State, name: str, in_plan: bool, dropped: list[str]) -> Entry:
    plan = state.plans[name]
    sign = metrics.sign(plan["metric"])
    entry = Entry(name, _title(name, plan, state), "network", plan, in_plan)
    entry.blocked = state.failed.get(f"space/{name}") or state.failed.get(f"pretrain/{name}")
    searches, trainings = [], []
    for fold in range(plan["folds"]):
        planned = state.planned_trials(name, fold, plan["trials"])
        best = state.best_trial(name, fold, sign, range(planned))
        tested = state.tested_trial(name, fold, sign, planned)
        chosen = best if tested is None else tested
        trials = state.trials(name, fold, planned)
        searches.append(frames.search(name, fold, trials, planned, chosen, best))
        trainings += frames.trials(name, fold, trials, chosen)
        if chosen is not None:
            for seed, result in state.refits(name, fold, chosen).items():
                if seed <= plan["seeds"]:  # of more that were asked for before, whichever come first
                    trainings.append(_refit(folder, name, fold, chosen, seed, result, dropped))
    entry.searches = frames.frame(searches, frames.SEARCHES)
    entry.trainings = frames.frame(trainings, frames.TRAININGS)
    first = searches[0]["trial"]
    if first is not None:
        entry.timing = state.done.get(f"timing/{name}/{first}", {})
    reported = {(search["fold"], search["trial"]) for search in searches}
    for key, reason in state.failed.items():
        parts = parse_key(key)
        if parts["candidate"] != name or parts["kind"] not in ("space", "pretrain", "trial", "refit"):
            continue
        if parts.get("fold", 0) >= plan["folds"] or parts.get("seed", 1) > plan["seeds"]:
            continue
        if parts.get("trial", 0) >= state.planned_trials(name, parts.get("fold", 0), plan["trials"]):
            continue
        entry.failures[reason] += 1
        if parts["kind"] == "refit" and key not in state.deferred:
            entry.refits_failed += (parts["fold"], parts["trial"]) in reported
    if not entry.blocked and entry.failures and entry.trials.score.isna().all():
        entry.blocked = f"all trials failed: {entry.failures.most_common(1)[0][0]}"
    return entry


def _refit(
    folder: Path, name: str, fold: int, trial: int, seed: int, result: dict, dropped: list[str]
) -> dict[str, Any]:
    """A row of `frames.TRAININGS`, with the predictions; see `load_predictions`."""
    run, indices = load_predictions(folder, result, fold, seed, dropped)
    place = {"architecture": name, "stage": "refit", "fold": fold, "trial": trial, "seed": seed}
    return {**result, **place, "chosen": True, "run": run, "indices": indices}


def _title(name: str, plan: dict, state: State) -> str:
    """The architecture's title and where its weights come from; where it failed at once, a sibling knows it."""
    mine = next(c for c in plan["candidates"] if c["name"] == name)
    siblings = [c["name"] for c in plan["candidates"] if c["architecture"] == mine["architecture"]]
    spaces = (state.done.get(f"space/{sibling}") for sibling in (name, *siblings))
    title = next((space["title"] for space in spaces if space), None)
    if title is None:
        return name
    return title if mine["transfer"] == "scratch" else f"{title} ({mine['transfer']})"


def _reference(folder: Path, state: State, name: str, in_plan: bool, dropped: list[str]) -> Entry:
    plan = state.plans[name]
    known = REFERENCES.get(name)
    entry = Entry(
        name, known.title if known else name.replace("_", " ").capitalize(), "reference", plan, in_plan
    )
    searches, trainings = [], []
    for fold in range(plan["folds"]):
        key = f"reference/{name}/{fold}"
        if key in state.failed:
            entry.failures[state.failed[key]] += 1
            entry.refits_failed += key not in state.deferred
        result = state.done.get(key)
        if result is None:
            continue
        entry.title = result.get("title", entry.title)
        grid = dict(enumerate(result.get("grid", [])))
        best = next((i for i, tried in grid.items() if tried["values"] == result["values"]), None)
        searches.append(frames.search(name, fold, grid, len(grid), best, best))
        trainings += frames.trials(name, fold, grid, best)
        trainings.append(_refit(folder, name, fold, best or 0, 0, result, dropped))
    entry.searches = frames.frame(searches, frames.SEARCHES)
    entry.trainings = frames.frame(trainings, frames.TRAININGS)
    if sum(entry.failures.values()) == plan["folds"]:
        entry.blocked = entry.failures.most_common(1)[0][0]
    for key, result in state.done.items():
        if key.startswith(f"timing/{name}/"):
            entry.timing = result
    return entry


def load_validation(folder: Path, state: State, trial: dict) -> list[Run]:
    """What a fully trained trial predicted of validation subjects, by inner fold; empty where any of it is gone."""
    parts = [state.done.get(key, {}) for key in trial.get("stages", ())] or [trial]
    found = [load_predictions(folder, part, inner, 0, [])[0] for inner, part in enumerate(parts)]
    runs = [run for run in found if run is not None]
    return runs if len(runs) == len(found) else []


def load_predictions(
    folder: Path, result: dict, fold: int, seed: int, dropped: list[str]
) -> tuple[Run | None, np.ndarray | None]:
    """Load what a piece predicted, and for which samples; what cannot be read is noted in `dropped`."""
    relative = result.get("files", {}).get("predictions", {}).get("path", "")
    try:
        with np.load(folder / relative, allow_pickle=False) as stored:
            run = Run(stored["y"], stored["probabilities"], stored["subjects"], fold, seed)
            return run, stored.get("indices")
    except Exception as error:  # whatever a damaged archive raises; the rest of the report still stands
        dropped.append(f"{relative or 'predictions'}: not readable ({type(error).__name__})")
        return None, None
