"""The plan of a sweep: which pieces of work could be started now, given what has happened."""

import hashlib
import json
from collections.abc import Collection, Iterator
from typing import Any

from bench.sweep.search_plan import SearchPlan
from bench.sweep.state import search_name, split_stage
from bench.sweep.work_items import WorkItem
from bench.tasks import Ablation, Candidate
from tuning.seeds import seed_of
from tuning.space import defaults

# Of all networks that are kept in a run folder, the first seed's of each candidate apart.
_KEPT_BYTES = 2**30


class Plan(SearchPlan):
    """What a sweep consists of: see `SearchPlan` for its parameters and for what is planned of the searches."""

    def ready(self, running: set[str], left_out: Collection[str] = ()) -> Iterator[WorkItem]:
        """Yield every piece that could be started now and is neither running, nor settled, nor `left_out`.

        Where a search was closed early, its refits wait for the trials that still run: one of them may win.
        """
        searching = {split_stage(key)[1] for key in running if key.startswith("stage/")}
        for piece in self._pieces():
            search = search_name(piece.owner, piece.description["fold"])
            waits = piece.kind in ("refit", "ablation") and search in searching
            if not (waits or piece.key in running or piece.key in left_out or self.state.settled(piece.key)):
                yield piece

    def _pieces(self) -> Iterator[WorkItem]:
        for candidate in self.settings.candidates:
            before = self._preparation(candidate)
            if before is not None:
                yield before
            elif not self.hopeless(candidate.name):
                for fold in range(self.settings.folds):
                    if self.searched(candidate.name, fold):
                        yield from self._refits(candidate, fold)
                    else:
                        yield from self._trials(candidate, fold)
        for reference in self.settings.task.references:
            for fold in range(self.settings.folds):
                key = f"reference/{reference}/{fold}"
                yield WorkItem(key, reference, self._make.describe(key, reference, fold))
        yield from self.ablations()

    def hopeless(self, candidate: str) -> bool:
        """Say whether a candidate cannot be trained at all: no space, or no weights to start from."""
        return any(f"{kind}/{candidate}" in self.state.failed for kind in ("space", "pretrain"))

    def _preparation(self, candidate: Candidate) -> WorkItem | None:
        """What has to be done before a candidate's trials: find its space, pretrain its network."""
        key, pretrain = f"space/{candidate.name}", f"pretrain/{candidate.name}"
        if not self.state.settled(key):
            preset = self.settings.preset
            structure = {"fixed": dict(preset.fixed), "searches_structure": preset.searches_structure}
            return self._make.piece(key, candidate, fold=0, **structure)
        if candidate.source != "phantom" or self.state.settled(pretrain) or key in self.state.failed:
            return None
        return self._pretraining(pretrain, candidate, {}, self.settings.preprocessing)

    def _pretraining(
        self, key: str, candidate: Candidate, changed: dict[str, Any], preprocessing: dict[str, Any]
    ) -> WorkItem:
        """Training on generated images of a candidate's one structure, or of that with values changed."""
        space = self.state.done[f"space/{candidate.name}"]
        entries = [entry["config"] for entry in space["space"]["space"] if entry["class_name"] == "Fixed"]
        held = {entry["name"]: entry["value"] for entry in entries if entry["name"] in space["structural"]}
        task, preset = self.settings.task, self.settings.preset
        return self._make.piece(
            key,
            candidate,
            fold=0,
            values={**defaults(task.training_space), **task.pretraining_values, **held, **changed},
            preprocessing=preprocessing,
            epochs=preset.pretraining_epochs,
            seed=seed_of(task.name, candidate.name, "pretrain"),
        )

    def best_candidate(self) -> Candidate | None:
        """The candidate whose winners have the best mean score on validation; None while there are searches."""
        ranked = []
        for place, candidate in enumerate(self.settings.candidates):
            if self.hopeless(candidate.name):
                continue
            if self._preparation(candidate):  # again: its record was damaged
                return None
            scores = []
            for fold in range(self.settings.folds):
                trial = self.winner(candidate.name, fold)
                result = self.state.trials(candidate.name, fold).get(trial) if trial is not None else None
                if not self.searched(candidate.name, fold):
                    return None
                scores.append(-self.settings.sign * result["score"] if result else float("inf"))
            ranked.append((sum(scores) / len(scores), place))
        return self.settings.candidates[min(ranked)[1]] if ranked and min(ranked)[0] < float("inf") else None

    @property
    def ablation_seeds(self) -> int:
        """Refits of each ablation in each fold."""
        limit, seeds = self.settings.preset.ablation_seeds, self.settings.seeds
        return seeds if limit is None else min(limit, seeds)

    def ablations(self) -> Iterator[WorkItem]:
        """The refits of the best candidate with one thing changed, once every search has ended."""
        task = self.settings.task
        candidate = self.best_candidate() if task.ablations and self.settings.ablations else None
        if candidate is None:
            return
        pieces: dict[str, WorkItem] = {}  # folds share what is pretrained
        for fold in range(self.settings.folds):
            trial = self.winner(candidate.name, fold)
            if trial is not None:
                for ablation in task.ablations:
                    pieces |= {piece.key: piece for piece in self._ablation(ablation, candidate, fold, trial)}
        yield from pieces.values()

    def _ablation(
        self, ablation: Ablation, candidate: Candidate, fold: int, trial: int
    ) -> Iterator[WorkItem]:
        """Refits with one thing changed, none where it changes nothing or the preset leaves it out.

        Where a pretrained network's structure or what it sees is changed, the changed one is pretrained before
        them: what is compared is then the change alone.
        """
        values = {"transfer": candidate.transfer, **self.state.trial_values(candidate.name, fold, trial)}
        if not self.ablation_seeds or not ablation.applies(self.settings.preprocessing, values):
            return
        changed = {k: v for k, v in ablation.values.items() if k in values}
        values |= changed
        content: dict[str, Any] = {"preprocessing": {**self.settings.preprocessing, **ablation.preprocessing}}
        structural = self.state.done[f"space/{candidate.name}"]["structural"]
        restructured = {k: v for k, v in changed.items() if k in structural}
        pretrained_otherwise = restructured or content["preprocessing"] != self.settings.preprocessing
        if pretrained_otherwise and Candidate(candidate.architecture, values["transfer"]).source == "phantom":
            if not self.settings.preset.pretrains_ablations:
                return
            key = f"pretrain/{candidate.name}/{ablation.name}"
            if not self.state.settled(key):
                yield self._pretraining(key, candidate, restructured, content["preprocessing"])
            if key not in self.state.done:
                return
            content["start"] = self.state.done[key]["files"]["weights"]["path"]
        for seed in range(1, self.ablation_seeds + 1):
            yield self._refit(
                f"ablation/{ablation.name}/{candidate.name}/{fold}/{trial}/{seed}",
                candidate,
                fold,
                seed,
                values,
                ablation={"title": ablation.title, "learning": ablation.learning, "effect": ablation.effect},
                **content,
            )

    def measurements(self) -> list[WorkItem]:
        """Timings that are still missing, to be run one at a time with nothing else running."""
        pieces = []
        for candidate in self.settings.candidates:
            trial = self.winner(candidate.name, 0)
            if trial is not None and self.state.refits(candidate.name, 0, trial):
                values = self.state.trial_values(candidate.name, 0, trial)
                key = f"timing/{candidate.name}/{trial}"
                pieces.append(self._make.piece(key, candidate, fold=0, values=values, reference=False))
        for reference in self.settings.task.references:
            done = self.state.done.get(f"reference/{reference}/0")
            if done:
                key = f"timing/{reference}/{hashlib.sha256(json.dumps(done['values']).encode()).hexdigest()[:8]}"
                description = self._make.describe(key, reference, 0)
                description.update(values=done["values"], reference=True)
                pieces.append(WorkItem(key, reference, description))
        return [piece for piece in pieces if not self.state.settled(piece.key)]

    def winners(self) -> dict[str, tuple[int, dict]]:
        """Candidate to its winning trial in the first fold and the refit whose model was kept."""
        found = {}
        for candidate in self.settings.candidates:
            trial = self.winner(candidate.name, 0)
            refits = self.state.refits(candidate.name, 0, trial) if trial is not None else {}
            kept = [result for result in refits.values() if "model" in result["files"]]
            if trial is not None and kept:
                found[candidate.name] = (trial, kept[0])
        return found

    def latency_key(self) -> str:
        """Name of the measurement of all winners together; another winner, another measurement."""
        winners = {name: result["files"]["model"]["sha256"] for name, (_, result) in self.winners().items()}
        return "latency/" + hashlib.sha256(json.dumps(winners, sort_keys=True).encode()).hexdigest()[:12]

    def searches_are_done(self) -> bool:
        """Say whether no candidate needs more trials."""
        return all(
            self.hopeless(candidate.name) or self.searched(candidate.name, fold)
            for candidate in self.settings.candidates
            for fold in range(self.settings.folds)
        )

    def finished(self) -> bool:
        """Say whether nothing is left to do; asks no oracle, imports no TensorFlow."""
        if not self.searches_are_done() or next(self.ready(set()), None) is not None:
            return False
        if not self.settings.measure:
            return True
        return not self.measurements() and (not self.winners() or self.state.settled(self.latency_key()))

    def _refits(self, candidate: Candidate, fold: int) -> Iterator[WorkItem]:
        trial = self.winner(candidate.name, fold)
        if trial is None:
            return
        values = self.state.trial_values(candidate.name, fold, trial)
        kept = self._kept_networks(candidate, trial) if fold == 0 else 0
        for seed in range(1, self.settings.seeds + 1):
            key = f"refit/{candidate.name}/{fold}/{trial}/{seed}"
            yield self._refit(key, candidate, fold, seed, values, model=seed <= kept)

    def _kept_networks(self, candidate: Candidate, trial: int) -> int:
        """How many seeds' networks of a winner are kept, for prediction by all of them together."""
        result = self.state.done[f"trial/{search_name(candidate.name, 0)}/{trial}"]
        share = _KEPT_BYTES // len(self.settings.candidates)
        return max(1, share // (4 * result.get("parameters", 1)))

    def _refit(
        self, key: str, candidate: Candidate, fold: int, seed: int, values: dict[str, Any], **content: Any
    ) -> WorkItem:
        values = dict(values)
        transfer = values.pop("transfer", candidate.transfer)
        name = self.settings.task.name
        return self._make.piece(
            key,
            candidate,
            fold,
            values=values,
            transfer=transfer,
            # The same for ablations: where what is switched off changes nothing, neither do the results.
            seed=seed_of(name, candidate.name, fold, "refit", seed),
            **content,
        )
