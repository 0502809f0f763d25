"""What a report is made from: a run folder's journal and predictions, arranged by candidate and reference."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import UserError
from bench.evaluate import metrics
from bench.evaluate.predictions import Run
from bench.sweep import journal
from bench.sweep.state import State, parse_key


@dataclass(frozen=True)
class Search:
    """The search of a candidate in a fold.

    Attributes
    ----------
    trials : results by number; None for a failed trial.
    planned : how many trials there will be.
    chosen : the trial that is reported: the best, of those that have been tested if there are any.
    best : the best of all; differs from `chosen` where its refits are still to come.
    """

    fold: int
    trials: dict[int, dict | None]
    planned: int
    chosen: int | None
    best: int | None

    @property
    def done(self) -> int:
        return min(len(self.trials), self.planned)

    @property
    def failed(self) -> int:
        return sum(result is None for result in self.trials.values())


@dataclass(frozen=True)
class Refit:
    """A tested training: of a network with one seed, or of a reference (seed 0).

    Attributes
    ----------
    run : its predictions on the test part; None where their file is missing or damaged.
    indices : int `[n]`, which samples of the dataset these are; None where not recorded.
    """

    fold: int
    trial: int
    seed: int
    result: dict[str, Any]
    run: Run | None
    indices: np.ndarray | None = None


@dataclass
class Entry:
    """A row of the table: a candidate or a reference with all that has been recorded of it.

    Attributes
    ----------
    kind : "network" or "reference".
    plan : the plan that last named it.
    in_plan : whether that is the latest one.
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
    searches: list[Search] = field(default_factory=list)
    refits: list[Refit] = field(default_factory=list)
    cost: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, Any] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    refits_failed: int = 0
    blocked: str | None = None

    @property
    def runs(self) -> list[Run]:
        return [refit.run for refit in self.refits if refit.run is not None]

    @property
    def is_network(self) -> bool:
        return self.kind == "network"

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

    Raises
    ------
    UserError : there is no journal, or no sweep in it.
    """
    events, _, dropped = journal.read(folder / journal.FILE)
    state = State.replay(events)
    if "plan" not in state.sweep:
        raise UserError(
            f"{folder}: found no sweep in {journal.FILE}; expected a run folder (make bench first)"
        )
    latest = state.sweep["plan"]
    direction = metrics.direction(latest["metric"])
    names = [candidate["name"] for candidate in latest["candidates"]] + latest["references"]
    references = {name for plan in state.plans.values() for name in plan["references"]}
    everything = sorted(
        dict.fromkeys([*names, *state.plans]), key=lambda name: (name in references, name not in names)
    )
    entries = []
    for name in everything:
        plan = state.plans[name]
        if name in references:
            entries.append(_reference(folder, state, name, plan, name in names, dropped))
        else:
            entries.append(_network(folder, state, name, plan, name in names, direction, dropped))
    times = [event["time"] for event in events if "time" in event]
    return Source(folder, state, entries, min(times), max(times), dropped)


def _network(
    folder: Path, state: State, name: str, plan: dict, in_plan: bool, direction: str, dropped: list[str]
) -> Entry:
    entry = Entry(name, _title(name, plan, state), "network", plan, in_plan)
    entry.blocked = state.failed.get(f"space/{name}") or state.failed.get(f"pretrain/{name}")
    for fold in range(plan["folds"]):
        best, tested = state.best_trial(name, fold, direction), state.tested_trial(name, fold, direction)
        search = Search(
            fold,
            state.trials(name, fold),
            state.planned_trials(name, fold, plan["trials"]),
            best if tested is None else tested,
            best,
        )
        entry.searches.append(search)
        if search.chosen is None:
            continue
        refits = list(state.refits(name, fold, search.chosen).items())[: plan["seeds"]]
        for seed, result in refits:
            predictions = load_predictions(folder, result, fold, seed, dropped)
            entry.refits.append(Refit(fold, search.chosen, seed, result, *predictions))
    first = entry.searches[0].chosen
    if first is not None:
        entry.timing = state.done.get(f"timing/{name}/{first}", {})
        entry.cost = _latest_cost(state, name, first)
    chosen = {(search.fold, search.chosen) for search in entry.searches}
    for key, reason in state.failed.items():
        parts = parse_key(key)
        if parts["candidate"] != name:
            continue
        if (
            parts["kind"] == "refit"
            and key not in state.deferred
            and (parts["fold"], parts["trial"]) in chosen
        ):
            entry.refits_failed += 1
        if parts["kind"] in ("space", "pretrain", "trial", "refit"):
            entry.failures[reason] += 1
    settled = [result for search in entry.searches for result in search.trials.values()]
    if not entry.blocked and entry.failures and all(result is None for result in settled):
        entry.blocked = f"all trials failed: {entry.failures.most_common(1)[0][0]}"
    return entry


def _title(name: str, plan: dict, state: State) -> str:
    """The architecture's title and where its weights come from; where it failed at once, a sibling knows it."""
    mine = next(c for c in plan["candidates"] if c["name"] == name)
    siblings = [c["name"] for c in plan["candidates"] if c["architecture"] == mine["architecture"]]
    spaces = (state.done.get(f"space/{sibling}") for sibling in (name, *siblings))
    title = next((space["title"] for space in spaces if space), None)
    if title is None:
        return name
    return title if mine["transfer"] == "scratch" else f"{title} ({mine['transfer']})"


def _reference(folder: Path, state: State, name: str, plan: dict, in_plan: bool, dropped: list[str]) -> Entry:
    entry = Entry(name, name.replace("_", " ").capitalize(), "reference", plan, in_plan)
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
        entry.searches.append(Search(fold, grid, len(grid), best, best))
        predictions = load_predictions(folder, result, fold, 0, dropped)
        entry.refits.append(Refit(fold, best or 0, 0, result, *predictions))
    if sum(entry.failures.values()) == plan["folds"]:
        entry.blocked = entry.failures.most_common(1)[0][0]
    for key, result in state.done.items():
        if key.startswith(f"timing/{name}/"):
            entry.timing = result
    return entry


def _latest_cost(state: State, name: str, trial: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, result in state.done.items():
        if key.startswith("latency/") and result["costs"].get(name, {}).get("trial") == trial:
            found = result["costs"][name]
    return found


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
