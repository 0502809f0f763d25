"""Pieces of work, and the descriptions of them that workers are sent."""

import json
import math
from dataclasses import dataclass, field
from typing import Any

from bench.sweep.settings import Settings
from bench.sweep.state import State
from bench.tasks import FROZEN, Candidate
from tuning.seeds import seed_of
from tuning.tuners import HYPERBAND_FACTOR


@dataclass(frozen=True)
class WorkItem:
    """A unit of work: what a worker is sent, and what is recorded once it is done."""

    key: str  # `trial/compact/0/3`; the kind first, then the candidate or reference
    owner: str  # candidate or reference, whose time it costs
    description: dict[str, Any] = field(hash=False, compare=False)  # what a worker needs, JSON-ready
    structure: str = ""  # pieces of equal structure can use the same program

    @property
    def kind(self) -> str:
        """First part of the key."""
        return self.key.split("/")[0]


class WorkItemFactory:
    """Makes the pieces of one sweep; the state, whence come spaces and weights, is read anew for each."""

    def __init__(self, settings: Settings, state: State) -> None:
        self.settings, self.state = settings, state

    @property
    def stable(self) -> float:
        """Share of a training before its learning rate falls: up to where trials are judged for the last time."""
        preset = self.settings.preset
        if self.settings.tuner == "hyperband":
            return min(math.ceil(preset.epochs / HYPERBAND_FACTOR), preset.epochs - 1) / preset.epochs
        return preset.judged_at[-1] / preset.epochs if preset.judged_at else 0.0

    def piece(self, key: str, candidate: Candidate, fold: int, **content: Any) -> WorkItem:
        """A piece for a candidate: whatever `content` names replaces or joins the description."""
        description = self.describe(key, candidate.name, fold)
        space = self.state.done.get(f"space/{candidate.name}", {})
        pretrained = self.state.done.get(f"pretrain/{candidate.name}")
        description.update(
            architecture=candidate.architecture,
            digest=self.state.candidates.get(candidate.name),
            transfer=candidate.transfer,
            structural=space.get("structural", []),
            start=pretrained["files"]["weights"]["path"] if pretrained else None,
            weights=str(self.settings.weights.resolve()) if self.settings.weights else None,
            # One program for the networks of an architecture, from whatever weights they start.
            freezable=any(
                each.architecture == candidate.architecture and each.transfer != "scratch"
                for each in self.settings.candidates
            ),
        )
        description.update(content)
        values = description.get("values", {})
        network = candidate.name if candidate.transfer.endswith(FROZEN) else candidate.architecture
        structure = json.dumps([network, {n: values.get(n) for n in description["structural"]}])
        return WorkItem(key, candidate.name, description, structure)

    def describe(self, key: str, owner: str, fold: int) -> dict[str, Any]:
        """What every description says, of candidates and references alike."""
        task, kind = self.settings.task, key.split("/")[0]
        return {
            "piece": key,
            "kind": kind,
            "task": task.reference,
            "task_digest": task.file_digest,
            "candidate": owner,
            "fold": fold,
            "splits": self.settings.splits,
            "metric": task.metric,
            "preprocessing": self.settings.preprocessing,
            "augmentation": list(task.augmentation),
            "epochs": self.settings.preset.epochs,
            "stable": self.stable,
            "precision": self.settings.precision,
            "seed": seed_of(task.name, owner, fold, kind),
            "measure_seconds": self.settings.preset.measure_seconds,
        }
