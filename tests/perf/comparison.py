"""A plain KerasTuner script (a) and scanbench (b) on one task: what they took and what they found."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

import numpy as np
import psutil

import architectures
from bench import tasks
from bench.commands.load_dataset import load_dataset
from bench.data.caches.cached_dataset import open_cached
from bench.data.processes import cores
from bench.data.splits import divide
from bench.evaluate import metrics
from bench.evaluate.comparisons import holm, paired_difference
from bench.evaluate.predictions import Run
from bench.report.json_report import load
from bench.report.packed_predictions import pack, unpack
from bench.sweep import journal, run_directory
from bench.sweep.state import State
from bench.tasks import Task
from bench.worker import arrays, programs
from tuning import space

SPLITS = {"seed": 0}
FROZEN = "-imagenet-frozen"  # a candidate whose backbone never learns
_LOOK_SECONDS = 0.2


@dataclass
class Sizes:
    """What both sides are asked for; None where the preset decides."""

    task: str
    preset: str = "quick"
    arch: str | None = None
    trials: int | None = None
    seeds: int | None = None
    folds: int = 1
    rounds: int = 3
    workers: int | None = None
    data: str | None = None
    weights: str | None = None


@dataclass
class Side:
    """What one side took and found, over all rounds.

    Attributes
    ----------
    wall, cpu : seconds of each round, the whole command with all of its processes.
    inside : share of the workers' time that trainings and evaluations took, of each round.
    runs : architecture to the test predictions of the last round.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)
    runs: dict[str, list[Run]] = field(default_factory=dict)


class Comparison:
    """One task's data, opened once; then rounds of either side, each from nothing but the cached data."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self.folder, self.sizes = folder, sizes
        self.task: Task = tasks.load(sizes.task)
        self.preset = self.task.presets[sizes.preset]
        self.trials, self.seeds = sizes.trials or self.preset.trials, sizes.seeds or self.preset.seeds
        chosen = sizes.arch.split(",") if sizes.arch else None
        self.names = chosen or [c.name for c in self.task.candidates if c.transfer == "scratch"]
        self.cached = load_dataset(self.task, sizes.data, Path("data") / sizes.task, folder / "data")
        self.dataset = open_cached(self.cached)
        self.folds = divide(self.dataset, sizes.folds, SPLITS)
        self.a, self.b = Side(), Side()

    def run(self) -> None:
        """Both sides, in turns that change places."""
        for round_ in range(self.sizes.rounds):
            for side in (self.plain, self.scanbench)[:: 1 if round_ % 2 == 0 else -1]:
                side(round_)

    def plain(self, round_: int) -> None:
        """(a): what networks see and the folds are handed over ready; the clock runs for the script alone."""
        job, given, found = (
            self.folder / f"plain-{round_}{end}" for end in (".json", "-arrays.npz", "-found.npz")
        )
        frozen = all(name.endswith(FROZEN) for name in self.names)
        x = arrays.prepared(
            str(self.cached), self.task.name, json.dumps(self.task.preprocessing, sort_keys=True)
        )
        content = {
            "task": self.sizes.task,
            "architectures": [name.removesuffix(FROZEN) for name in self.names],
            "frozen": frozen,
            "weights": self.sizes.weights,
            "trials": self.trials,
            "seeds": self.seeds,
            "folds": len(self.folds),
            "epochs": self.preset.epochs,
            "fixed": {name.removesuffix(FROZEN): self._fixed(name, x.shape[1:]) for name in self.names},
            "seed": round_ + 1,
            "jit_compile": False if x.ndim == 5 else "auto",
        }
        job.write_text(json.dumps(content))
        parts = {
            f"{part}{k}": getattr(fold, part)
            for k, fold in enumerate(self.folds)
            for part in ("train", "validation", "test")
        }
        np.savez(given, x=x, y=self.dataset.y, **parts)
        self._time(self.a, ["tests.perf.plain_search", str(job), str(given), str(found)])
        y, subjects = self.dataset.y, self.dataset.subjects.astype(str)
        runs: dict[str, list[Run]] = {}
        with np.load(found) as file:
            for key in file.files:
                name, fold, seed = key.split("/")
                test = self.folds[int(fold)].test
                run = Run(y[test], file[key], subjects[test], int(fold), int(seed))
                runs.setdefault(name + (FROZEN if frozen else ""), []).append(run)
        # Subjects by their hashes, as a report has them.
        self.a.runs = unpack(pack(runs, self.task.metric), len(self.dataset.classes))

    def _fixed(self, name: str, sample_shape: tuple[int, ...]) -> dict[str, space.Value]:
        """Structure of an architecture that the preset does not search, with its values."""
        architecture = architectures.load(name.removesuffix(FROZEN))
        shape = programs.model_shape(architecture, sample_shape)
        n_classes = len(self.dataset.classes)
        held = None if self.preset.searches_structure else {}
        found = space.discover(
            lambda hp: architecture.build(hp, shape, n_classes), (), held=held, fixed=self.preset.fixed
        )
        entries = [e["config"] for e in found["space"]["space"] if e["class_name"] == "Fixed"]
        return {entry["name"]: entry["value"] for entry in entries}

    def scanbench(self, round_: int) -> None:
        """(b): the whole command, from a cache that holds the dataset as it was read and no more."""
        home = self.folder / f"scanbench-{round_}"
        shutil.copytree(self.cached, home / "runs" / "cache" / self.cached.name, copy_function=os.link)
        sizes = self.sizes
        words = ["bench", "bench", sizes.task, "--no-ablations", "--preset", sizes.preset]
        options = {
            "runs": home / "runs",
            "reports": home / "reports",
            "arch": ",".join(self.names),
            "trials": self.trials,
            "seeds": self.seeds,
            "folds": sizes.folds,
            "workers": sizes.workers,
            "data": sizes.data,
            "weights": sizes.weights,
        }
        for name, value in options.items():
            words += [f"--{name}", str(value)] if value is not None else []
        wall = self._time(self.b, words)
        report = load(home / "reports" / f"{self.task.name}.json")
        found = unpack(report["predictions"], len(report["data"]["classes"]))
        self.b.runs = {name: found[name] for name in self.names if name in found}
        run_folder = run_directory.latest(home / "runs", self.task.name)
        assert run_folder is not None
        events, _, _ = journal.read(run_folder / journal.FILE)
        inside = State.replay(events).training_seconds()
        self.b.inside.append(inside / (wall * (sizes.workers or cores())))

    def _time(self, side: Side, words: list[str]) -> float:
        """Run a module; returns the seconds it took."""
        ours = ("_NUM_THREADS", "TF_ENABLE_ONEDNN_OPTS")  # each side sets itself up, as for its user
        environment = {k: v for k, v in os.environ.items() if not k.endswith(ours)}
        log = self.folder / "log.txt"
        started = time.monotonic()
        with open(log, "w") as file:
            child = subprocess.Popen(
                [sys.executable, "-m", *words], stdout=file, stderr=subprocess.STDOUT, env=environment
            )
            cpu = _cpu_until_it_ends(child)
        if child.returncode:
            raise RuntimeError(
                f"{' '.join(words)}: status {child.returncode}; last words:\n{log.read_text()[-3000:]}"
            )
        side.wall.append(time.monotonic() - started)
        side.cpu.append(cpu)
        return side.wall[-1]

    def row(self) -> dict[str, object]:
        """Times of both sides: medians over the rounds."""
        ratios = [a / b for a, b in zip(self.a.wall, self.b.wall, strict=True)]
        return {
            "task": self.sizes.task,
            "candidates": ", ".join(self.names),
            "trials": self.trials,
            "seeds": self.seeds,
            "epochs": self.preset.epochs,
            "folds": len(self.folds),
            "rounds": len(ratios),
            "(a) s": f"{median(self.a.wall):.0f}",
            "(b) s": f"{median(self.b.wall):.0f}",
            "wall (a)/(b)": _span(ratios),
            "(a) CPU s": f"{median(self.a.cpu):.0f}",
            "(b) CPU s": f"{median(self.b.cpu):.0f}",
            "CPU (a)/(b)": _span([a / b for a, b in zip(self.a.cpu, self.b.cpu, strict=True)]),
            "(b) inside training": f"{median(self.b.inside):.0%}",
        }

    def accuracy_rows(self) -> list[dict[str, object]]:
        """The task's metric on test, of the last round, (a) against (b), with a test of the difference."""
        metric = self.task.metric
        names = [name for name in self.names if name in self.a.runs and name in self.b.runs]
        differences = [paired_difference(self.b.runs[name], self.a.runs[name], metric) for name in names]
        rows = []
        for name, found, p in zip(names, differences, holm([d.p for d in differences]), strict=True):
            both = [
                mean(metrics.score(metric, run.y, np.asarray(run.probabilities)) for run in side.runs[name])
                for side in (self.a, self.b)
            ]
            rows.append(
                {
                    "task": self.sizes.task,
                    "candidate": name,
                    "metric": metric,
                    "seeds": self.seeds,
                    "(a)": f"{both[0]:.4f}",
                    "(b)": f"{both[1]:.4f}",
                    "(b) - (a) [95%]": f"{found.estimate:+.4f} [{found.low:+.4f}, {found.high:+.4f}]",
                    "p (Holm)": f"{p:.3f}",
                }
            )
        return rows


def _span(ratios: list[float]) -> str:
    return f"{median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"


def _cpu_until_it_ends(child: subprocess.Popen) -> float:
    """CPU seconds of a process and all that it started, whether it waited for them or not."""
    seconds: dict[tuple[int, float], float] = {}
    parent = psutil.Process(child.pid)
    while child.poll() is None:
        with suppress(psutil.NoSuchProcess):
            for process in (parent, *parent.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    times = process.cpu_times()
                    seconds[process.pid, process.create_time()] = times.user + times.system
        time.sleep(_LOOK_SECONDS)
    return sum(seconds.values())
