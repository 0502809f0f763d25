"""Run folders made by hand: journals and predictions as a sweep would leave them, without any training."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.data.caches.cached_dataset import save_dataset
from bench.data.dataset import Dataset
from bench.evaluate import metrics

START = 1_750_000_000.0


@dataclass
class Sweep:
    """What a made sweep consists of; change it, then `write` it.

    `networks` and `references` give the share of right predictions of each. Times are in milliseconds.
    """

    networks: dict[str, float] = field(default_factory=lambda: {"small": 0.8, "large": 0.95})
    references: dict[str, float] = field(default_factory=lambda: {"rbf_svm": 0.7})
    classes: tuple[str, ...] = ("normal", "tumour")
    n_test: int = 100
    task: str = "toy"
    metric: str = "accuracy"
    trials: int = 3
    seeds: int = 2
    folds: int = 1
    epochs: int = 3
    preset: str = "quick"
    times: dict[str, float] = field(default_factory=dict)
    gflops: float | None = 200.0  # None: as in reports of before
    parameters: dict[str, int] = field(default_factory=dict)
    stand_in: bool = False
    notes: list[str] = field(default_factory=list)
    provenance: str = "made by a test"
    draw: int = 0  # another number, other predictions
    subject: str = "patient"
    published: list[dict] = field(default_factory=list)

    def events(self, folder: Path) -> list[dict]:
        """All events of a finished sweep; the predictions that they name are written."""
        found = [self.sweep()]
        for name in self.networks:
            found.append(
                self.done(f"space/{name}", {"title": f"The {name} one", "structural": [], "space": {}})
            )
            for fold in range(self.folds):
                for trial in range(self.trials):
                    found.append(self.done(f"trial/{name}/{fold}/{trial}", self.trial(name, fold, trial)))
                best = self.best(name, fold)
                for seed in range(1, self.seeds + 1):
                    key = f"refit/{name}/{fold}/{best}/{seed}"
                    found.append(self.done(key, self.refit(folder, key, self.networks[name], fold, seed)))
        for name, share in self.references.items():
            for fold in range(self.folds):
                key = f"reference/{name}/{fold}"
                found.append(self.done(key, {**self.refit(folder, key, share, fold, 0), **self.grid()}))
        return found + self.measurements()

    def measurements(self) -> list[dict]:
        """Timings and inference costs of all."""
        found, costs = [], {}
        for name in self.networks:
            trial = self.best(name, 0)
            found.append(self.done(f"timing/{name}/{trial}", _TIMING))
            costs[name] = {**self.cost(name), "trial": trial}
        for name in self.references:
            timing = {
                "training_seconds": 0.1,
                "inference_ms": self.ms(name),
                "inference_p95_ms": self.ms(name) * 2,
            }
            found.append(self.done(f"timing/{name}/abc", timing))
        if costs:
            found.append(self.done("latency/1", {"costs": costs}))
        return [*found, {"event": "ended", "reason": "finished"}]

    def ms(self, name: str) -> float:
        return self.times.get(name, 1.0 + 0.5 * [*self.networks, *self.references].index(name))

    def cost(self, name: str) -> dict:
        rounds = [self.ms(name) * (1 + 0.01 * i) for i in range(-5, 5)]
        timing = {
            "inference_ms": self.ms(name),
            "inference_p95_ms": self.ms(name) * 1.5,
            "throughput_32": 32000 / self.ms(name),
            "round_medians_ms": rounds,
            **({"reference_gflops": self.gflops} if self.gflops else {}),
        }
        runtime = {"status": "measured", "reason": None, "version": "1", "max_difference": 0.0}
        return {
            "status": "measured",
            "reason": None,
            "parameters": self.parameters.get(name, 1000),
            "trainable_parameters": self.parameters.get(name, 1000),
            "macs": 2000,
            "bytes_on_disk": 5000,
            "machine_drift": 1.02,
            "inference_ms": self.ms(name),
            "inference_p95_ms": self.ms(name) * 1.5,
            "throughput_32": 32000 / self.ms(name),
            "peak_memory_bytes": 3_000_000,
            "energy_1000_inferences_joules": 2.5,
            "energy_method": "estimate: by a test",
            "runtimes": {
                "keras": {**runtime, "threads": {"1": timing, "2": timing}},
                "litert": {**runtime, "status": "cannot convert", "reason": "no | such op", "threads": {}},
            },
        }

    def sweep(self, names: list[str] | None = None) -> dict:
        names = list(self.networks) if names is None else names
        return {
            "event": "sweep",
            "identity": {
                "protocol": 1,
                "task": self.task,
                "data": {"name": "made", "fingerprint": self.fingerprint},
                "splits": {"seed": 0},
                "preprocessing": {"crop": 8},
                "augmentation": ["shift"],
                "metric": self.metric,
                "preset": {"name": self.preset, "epochs": self.epochs},
                "tuner": "random",
                "versions": {"keras": "3.15"},
            },
            "candidates": dict.fromkeys(names, "digest"),
            "plan": {
                "candidates": [{"name": name, "architecture": name, "transfer": "scratch"} for name in names],
                "references": list(self.references),
                "trials": self.trials,
                "seeds": self.seeds,
                "folds": self.folds,
                "tuner": "random",
                "preset": self.preset,
                "epochs": self.epochs,
                "metric": self.metric,
            },
            "dataset": {
                "name": "made",
                "fingerprint": self.fingerprint,
                "provenance": self.provenance,
                "stand_in": self.stand_in,
                "classes": list(self.classes),
                "counts": [10] * len(self.classes),
                "samples": 10 * len(self.classes),
                "subjects": 10 * len(self.classes),
                "shape": [8, 8, 1],
                "details": {"voxel": "2 mm"},
                "folder": "../cache/made",
                "published": self.published,
            },
            "environment": {
                "scanbench": "0",
                "python": "3",
                "packages": {"keras": "3.15"},
                "system": "Linux",
                "processor": "A processor",
                "cores": 2,
                "threads": 2,
                "memory_bytes": 2**33,
                "gpus": [],
            },
            "command": f"make bench TASK={self.task}",
            "workers": 2,
            "notes": self.notes,
        }

    @property
    def fingerprint(self) -> str:
        return "0123456789abcdef"

    def done(self, key: str, result: dict) -> dict:
        return {"event": "done", "piece": key, "result": result}

    def score(self, name: str, fold: int, trial: int) -> float:
        """A validation score; the best of a search is neither its first nor, as a rule, its last."""
        return round(
            self.networks[name] - 0.1 + 0.05 * ((3 * trial + fold + 1) % self.trials) / self.trials, 6
        )

    def best(self, name: str, fold: int) -> int:
        return max(range(self.trials), key=lambda trial: self.score(name, fold, trial))

    def trial(self, name: str, fold: int, trial: int) -> dict:
        score = self.score(name, fold, trial)
        history = [
            {
                "epoch": e,
                "loss": 1 / e,
                "accuracy": score,
                "seconds": 0.1,
                "val_loss": 1.2 / e,
                "val_accuracy": score,
            }
            for e in range(1, self.epochs + 1)
        ]
        return {
            "score": score,
            "metrics": {self.metric: score, "log_loss": 0.5},
            "values": {"learning_rate": 0.001 * (trial + 1), "schedule": "cosine"},
            "epochs": self.epochs,
            "history": history,
            "seconds": 2.0,
            "parameters": self.parameters.get(name, 1000),
        }

    def grid(self) -> dict:
        return {
            "title": "RBF SVM",
            "score": 0.7,
            "values": {"C": 1},
            "grid": [{"values": {"C": 1}, "score": 0.7}],
        }

    def refit(self, folder: Path, key: str, share: float, fold: int, seed: int) -> dict:
        """The result of a test, with a predictions file."""
        y, probabilities, subjects, indices = self.predictions(key, share, fold)
        path = folder / "predictions" / f"{key.replace('/', '-')}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, y=y, probabilities=probabilities, subjects=subjects, indices=indices)
        return {
            "metrics": metrics.all_metrics(y, probabilities, [str(k) for k in range(len(self.classes))])
            if len(y) < 200
            else {"accuracy": share},
            "values": {"learning_rate": 0.001},
            "epochs": self.epochs,
            "seconds": 3.0,
            "parameters": 1000,
            "files": {"predictions": {"path": f"predictions/{path.name}", "sha256": "0", "bytes": 1}},
        }

    def predictions(self, key: str, share: float, fold: int):
        k = len(self.classes)
        y = np.random.default_rng(fold).integers(k, size=self.n_test)
        random = np.random.default_rng([self.draw, *key.encode()])
        told = np.where(
            random.random(self.n_test) < share, y, (y + 1 + random.integers(k - 1, size=self.n_test)) % k
        )
        probabilities = random.dirichlet(np.ones(k), size=self.n_test) * 0.4 + 0.6 * np.eye(k)[told]
        subjects = np.array([f"{self.subject}-{fold}-{i:04d}" for i in range(self.n_test)])
        return y, probabilities.astype(np.float32), subjects, np.arange(self.n_test) % (10 * k)

    def write(self, folder: Path, events: list[dict] | None = None, cache: bool = False) -> Path:
        """Write the journal (and, if asked for, the dataset's cache); returns the run folder."""
        folder.mkdir(parents=True, exist_ok=True)
        events = self.events(folder) if events is None else events
        lines = [json.dumps({"time": START + 7 * i, **event}) for i, event in enumerate(events)]
        (folder / "journal.jsonl").write_text("\n".join(lines) + "\n")
        if cache:
            save_dataset(self.dataset(), folder.parent / "cache" / "made")
        return folder

    def dataset(self) -> Dataset:
        n = 10 * len(self.classes)
        x = np.random.default_rng(0).random((n, 8, 8, 1), np.float32)
        return Dataset(
            name="made",
            x=x,
            y=np.arange(n) % len(self.classes),
            subjects=np.array([f"patient-{i}" for i in range(n)]),
            classes=self.classes,
            fingerprint=self.fingerprint,
            provenance=self.provenance,
        )


_TIMING = {
    "step_seconds": 0.001,
    "epoch_seconds": 0.05,
    "training_seconds": 0.15,
    "tracing_seconds": 0.5,
    "epochs": 3,
    "steps": 150,
    "batch_size": 32,
    "memory_bytes": 10**8,
}
