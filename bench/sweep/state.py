"""What has happened in a sweep so far: the journal's events, replayed."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

# Results of a search's trainings by trial, rung and inner fold; None for one that failed.
Stages = dict[int, dict[tuple[int, int], dict | None]]


@dataclass
class State:
    """The outcome of every piece of work, by its key (`trial/compact/0/3`)."""

    # The content of the last "sweep" event: identity, plan and how it was started.
    sweep: dict = field(default_factory=dict)
    done: dict[str, dict] = field(default_factory=dict)  # results of finished pieces
    failed: dict[str, str] = field(default_factory=dict)  # reasons of pieces that failed
    # Those of them that the environment kept from being done: each start of a sweep tries them again.
    deferred: set[str] = field(default_factory=set)
    values: dict[str, dict] = field(default_factory=dict)  # hyperparameters of trials that were ever started
    candidates: dict[str, str] = field(default_factory=dict)  # digests of architectures, over all sessions
    ablations: dict[str, str] = field(default_factory=dict)  # digests of their definitions, over all sessions
    # Keys of the trainings that a failed trial was judged by; None in journals of before.
    failed_stages: dict[str, list[str] | None] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)  # how often a worker died over a piece
    # Number of trials after which the space of a search (`compact/0`) had no more to offer.
    exhausted: dict[str, int] = field(default_factory=dict)
    # The plan that last named each candidate and reference; later sweeps may have left it out.
    plans: dict[str, dict] = field(default_factory=dict)
    seconds: float = 0.0  # wall-clock seconds that sweeps have spent here, ended sessions only
    worker_seconds: float = 0.0  # those of each of their workers
    stages: defaultdict[str, Stages] = field(default_factory=partial(defaultdict, dict))  # by search
    # By search: trials that were ever started, with the epochs that their oracle gives them (None: all).
    started: defaultdict[str, dict[int, int | None]] = field(default_factory=partial(defaultdict, dict))
    # By search: rises whenever its `stages` change; by `trial/` and search: whenever its trials do.
    changes: Counter = field(default_factory=Counter)
    _session: tuple[float, float] | None = None
    _groups: defaultdict[str, dict[int, dict | None]] = field(default_factory=partial(defaultdict, dict))

    @classmethod
    def replay(cls, events: Iterable[dict]) -> "State":
        """Rebuild the state from events in the order they were recorded."""
        state = cls()
        for event in events:
            state.apply(event)
        state._end_session()
        return state

    def apply(self, event: dict) -> None:
        """Take in one event; kinds that are not known are left to those who wrote them."""
        kind, key = event["event"], event.get("piece", "")
        now = event.get("clock", event.get("time", 0.0))
        if kind == "sweep":
            self._end_session()
            self._session = (now, now)
            for deferred in self.deferred:
                self.failed.pop(deferred, None)
            self.deferred.clear()
            self.sweep = event
            self.candidates.update(event.get("candidates", {}))
            self.ablations.update(event.get("ablations", {}))
            plan = event.get("plan", {})
            self.plans.update({candidate["name"]: plan for candidate in plan.get("candidates", [])})
            self.plans.update(dict.fromkeys(plan.get("references", []), plan))
        elif kind == "ended":
            # "finished" follows the last piece at once, or is said by a later call that found it missing.
            if self._session and event.get("reason") != "finished":
                self._session = (self._session[0], now)
            self._end_session()
        elif self._session and kind != "dropped":  # the next start says that, hours later perhaps
            self._session = (self._session[0], now)
        if kind == "started":
            if "values" in event:
                self.values[key] = event["values"]
                search, number = key.removeprefix("trial/").rsplit("/", 1)
                self.started[search][int(number)] = event.get("epochs")
        elif kind == "done":
            self.done[key] = event["result"]
            if key.startswith("trial/"):  # its start may have been damaged
                self.values.setdefault(key, event["result"]["values"])
            self._index(key, event["result"])
            self.failed.pop(key, None)
            self.deferred.discard(key)
        elif kind == "failed":
            self.failed[key] = event["reason"]
            self.lost.pop(key, None)
            if event.get("environment"):
                self.failed[key] += "; the next start tries it again"
                self.deferred.add(key)
            else:
                self.deferred.discard(key)
                self._index(key, None)
            if key.startswith("trial/"):  # it says what its training said
                self.failed_stages[key] = event.get("stages")
                stage = key.replace("trial/", "stage/", 1) + "/"
                self.failed = {k: reason for k, reason in self.failed.items() if not k.startswith(stage)}
                self.deferred = {k for k in self.deferred if not k.startswith(stage)}
        elif kind == "lost":
            self.lost[key] = self.lost.get(key, 0) + 1
        elif kind == "dropped":  # its files are damaged, or it has another meaning: as if it had not been
            self._drop(key)
        elif kind == "exhausted":
            self.exhausted[event["search"]] = event["trials"]

    def _drop(self, key: str) -> None:
        self.done.pop(key, None)
        self.failed.pop(key, None)
        self.deferred.discard(key)
        if key.startswith("stage/"):
            _, search, trial, place = split_stage(key)
            self.stages[search].get(trial, {}).pop(place, None)
            self.changes[search] += 1
            self._drop(f"trial/{search}/{trial}")
            return
        group, _, number = key.rpartition("/")
        self._groups[group].pop(int(number) if number.isdigit() else -1, None)
        self.changes[group] += 1

    def _end_session(self) -> None:
        if self._session:
            seconds = self._session[1] - self._session[0]
            self.seconds += seconds
            self.worker_seconds += seconds * (self.sweep.get("workers") or 1)
            self._session = None

    def _index(self, key: str, result: dict | None) -> None:
        """File a trial under its search, its stages by rung and inner fold, and a refit under its trial."""
        if key.startswith("stage/"):
            _, search, trial, place = split_stage(key)
            self.stages[search].setdefault(trial, {})[place] = result
            # Where the record of its start was damaged, the training shows that it was started.
            self.started[search].setdefault(trial, (result or {}).get("proposed_epochs"))
            self.changes[search] += 1
        if key.startswith(("trial/", "refit/")):
            group, number = key.rsplit("/", 1)
            self._groups[group][int(number)] = result
            self.changes[group] += 1

    def settled(self, key: str) -> bool:
        """Say whether a piece needs no more work, because it is done or has failed for good."""
        return key in self.done or (key in self.failed and key not in self.deferred)

    def trials(self, candidate: str, fold: int, first: int | None = None) -> dict[int, dict | None]:
        """Results of a search's settled trials by number, of all or of so many first; None for one that failed."""
        found = self._groups[f"trial/{search_name(candidate, fold)}"]
        return {number: found[number] for number in sorted(found) if first is None or number < first}

    def trial_values(self, candidate: str, fold: int, trial: int) -> dict[str, Any]:
        """Hyperparameters of a finished trial."""
        return self.done[f"trial/{search_name(candidate, fold)}/{trial}"]["values"]

    def best_trial(
        self, candidate: str, fold: int, sign: int = 1, among: Collection[int] | None = None
    ) -> int | None:
        """Number of the best trial: of those trained in full, if any is, that with the best score.

        Of equals it is that with the lower loss, then the first. `sign`: -1 where less of the score is better.
        `among`: numbers of those that count, or all; of a search that had more trials than are asked for now, the
        first count.
        """
        ranked = [
            (
                not result.get("complete", True),
                -sign * result["score"],
                result["metrics"].get("log_loss", 0.0),
                number,
            )
            for number, result in self.trials(candidate, fold).items()
            if result is not None and (among is None or number in among)
        ]
        return min(ranked)[3] if ranked else None

    def planned_trials(self, candidate: str, fold: int, trials: int) -> int:
        """How many trials a search will have: as many as asked for, or as its space has to offer."""
        return min(trials, self.exhausted.get(search_name(candidate, fold), trials))

    def tested_trial(self, candidate: str, fold: int, sign: int, trials: int) -> int | None:
        """Number of the best of the first `trials` that has refits; None if none has.

        It is the best of all but where more trials have been asked for since and one of those is better.
        """
        first = range(trials)
        best = self.best_trial(candidate, fold, sign, first)
        if best is None or self.refits(candidate, fold, best):
            return best
        prefix = f"refit/{candidate}/{fold}/"
        tested = {int(key.split("/")[3]) for key in self.done if key.startswith(prefix)} & {*first}
        return self.best_trial(candidate, fold, sign, tested)

    def refits(self, candidate: str, fold: int, trial: int) -> dict[int, dict]:
        """Results of the refits of one trial by seed."""
        group = self._groups[f"refit/{search_name(candidate, fold)}/{trial}"]
        return {seed: result for seed, result in sorted(group.items()) if result is not None}

    def training_seconds(self) -> float:
        """Seconds of workers that finished trainings, a trial with all of its stages, and their tests took."""
        kinds = ("trial/", "refit/", "ablation/", "reference/", "pretrain/")
        return sum(r.get("seconds", 0.0) for key, r in self.done.items() if key.startswith(kinds))

    def files(self) -> dict[str, tuple[str, str]]:
        """Files that the journal names: path in the run folder to (piece, sha256)."""
        return {
            entry["path"]: (key, entry["sha256"])
            for key, result in self.done.items()
            for entry in result.get("files", {}).values()
        }


def search_name(candidate: str, fold: int) -> str:
    """Name of the search of a candidate in a fold."""
    return f"{candidate}/{fold}"


def split_stage(key: str) -> tuple[str, str, int, tuple[int, int]]:
    """Kind, search, trial, and rung with inner fold of a stage's key."""
    kind, candidate, fold, trial, rung, inner = key.split("/")
    return kind, search_name(candidate, int(fold)), int(trial), (int(rung), int(inner))


def parse_key(key: str) -> dict[str, Any]:
    """Take a piece's key apart: kind, candidate, and fold, trial and seed where it has them."""
    kind, *rest = key.split("/")
    if kind == "ablation":  # its own name stands before the candidate's
        del rest[0]
    candidate, *numbers = rest
    names = {
        "trial": ("fold", "trial"),
        "stage": ("fold", "trial", "rung", "inner"),
        "refit": ("fold", "trial", "seed"),
        "ablation": ("fold", "trial", "seed"),
        "reference": ("fold",),
    }.get(kind, ())
    return {"kind": kind, "candidate": candidate, **dict(zip(names, map(int, numbers), strict=False))}
