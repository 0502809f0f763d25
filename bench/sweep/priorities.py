"""Which piece a worker gets next: for whom most is left to do, within the budget."""

import math
import time
from collections import defaultdict
from collections.abc import Collection
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from bench.sweep import estimate
from bench.sweep.plan import Plan, WorkItem
from bench.sweep.settings import Settings
from bench.sweep.state import State, parse_key

_KIND_ORDER = {"space": 0, "reference": 1}


@dataclass
class Running:
    """A piece in somebody's hands."""

    piece: WorkItem
    future: Future
    started: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    note: dict[str, Any] = field(default_factory=dict)


class Priorities:
    """Chooses among the pieces that a plan says could be started."""

    def __init__(self, settings: Settings, state: State, plan: Plan) -> None:
        self.settings, self.state, self.plan = settings, state, plan
        self.traced: dict[int, set[str]] = defaultdict(set)  # structures that each worker has, by slot
        self.has_shared = False  # whether searches were closed for the budget's sake
        self.alone: set[str] = set()  # keys of pieces that are tried again with nothing else running
        self._seconds: dict[str, float] = defaultdict(float)  # by owner, in all sessions
        self._session_seconds: dict[str, float] = defaultdict(float)  # by owner, since `_began`
        self._began = time.monotonic()

    def account(self, owner: str, seconds: float, now: bool) -> None:
        """Note the time that a piece took, `now` or in an earlier session."""
        self._seconds[owner] += seconds
        if now:
            self._session_seconds[owner] += seconds

    def next_item(self, slot: int, running: Collection[Running]) -> WorkItem | None:
        """Choose for whom most is left to do, so that workers end together; of its pieces, one that is traced.

        What nobody can tell yet comes first. With a budget it is the one for whom the least time was spent
        so far: then not all will be done, and time is divided fairly.
        """
        keys = {each.piece.key for each in running}
        if keys & self.alone:
            return None
        busy: dict[str, float] = defaultdict(float)
        for each in running:
            busy[each.piece.owner] += time.monotonic() - each.started
        pieces = self.plan.ready(keys, self.alone | self.state.deferred)

        left: dict[str, float] = {}
        if self.settings.budget_seconds is None:
            for candidate in self.settings.candidates:
                seconds = estimate.candidate_seconds(self.plan, candidate.name)
                left[candidate.name] = math.inf if seconds is None else seconds

        def rank(piece: WorkItem) -> tuple:
            return (
                _KIND_ORDER.get(piece.kind, 2),
                -left.get(piece.owner, 0.0),
                self._seconds[piece.owner] + busy[piece.owner],
                self.tracing_needed(slot, piece.structure),
            )

        piece = min(pieces, key=rank, default=None)
        return piece if piece or keys else self._next_alone(slot)

    def _next_alone(self, slot: int) -> WorkItem | None:
        """What comes when nothing else can be done: pieces that are tried again alone.

        After them, searches that wait for a trial that cannot be done here go on without it, and in the end are
        closed with those that they have.
        """
        piece = next(self.plan.ready(set(), self.state.deferred), None)
        waiting = {parse_key(key)["candidate"] for key in self.state.deferred if key.startswith("stage/")}
        if piece or waiting <= self.plan.closed:
            return piece
        if waiting <= self.plan.unwaiting:
            self.plan.close(waiting)
        else:
            self.plan.go_on_without(waiting)
        return self.next_item(slot, ())

    def tracing_needed(self, slot: int, structure: str) -> int:
        """0: this worker has traced the structure; 1: nobody has; 2: another has, leave it to that one."""
        if structure in self.traced[slot]:
            return 0
        return 2 if any(structure in known for known in self.traced.values()) else 1

    def share_budget(self, slots: int, measuring: bool) -> bool:
        """Close searches whose architecture has used its share, so that there is time for its refits.

        Each call does something for every one first: refits that take more than a share would else end all calls.

        Returns whether the time is up; what is kept back for measuring counts only while `measuring`.
        """
        budget, candidates = self.settings.budget_seconds, self.settings.candidates
        if budget is None:
            return False
        kept = 10 + 2 * self.settings.preset.measure_seconds * len(candidates)
        available = budget if measuring else max(budget - kept, 0.5 * budget)
        share = available * slots / len(candidates)
        for candidate in candidates:
            refits = estimate.refits_seconds(self.plan, candidate.name)
            spent = self._session_seconds[candidate.name]
            if refits is not None and spent and spent + refits >= share:
                self.plan.close({candidate.name})
                self.has_shared = True
        return time.monotonic() - self._began > available
