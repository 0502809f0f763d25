"""Workers that train nothing: what comes back, and what dies, is the test's to say."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from bench.measure.cost import MeasuringProcess
from bench.sweep.journal import Journal
from bench.sweep.progress import Display
from bench.sweep.scheduler import Sweep
from bench.sweep.settings import Settings
from bench.sweep.state import State
from bench.tasks import Candidate
from bench.tasks.digits import Digits
from tuning.space import discover

Answer = Callable[[dict], Any]


class TinyDigits(Digits):
    """The digits with one reference only, and trials that are trained in one go."""

    references = ("nearest_neighbours",)
    presets: ClassVar = {**Digits.presets, "smoke": replace(Digits.presets["smoke"], judged_at=())}


def settings_for(root: Path, **changed: Any) -> Settings:
    """A smoke sweep of one network: two trials, one refit, nothing measured."""
    settings = Settings(
        task=TinyDigits(),
        candidates=(Candidate("compact"),),
        preset_name="smoke",
        tuner="random",
        trials=2,
        seeds=1,
        folds=1,
        workers=0,
        runs=root / "runs",
        reports=root / "reports",
        data_folder=root / "data",
        measure=False,
    )
    return replace(settings, **changed)


def good(description: dict, seconds: float = 1.0) -> dict:
    """What a worker hands back for a piece that went well; the score hangs on the learning rate."""
    kind, values = description["kind"], description.get("values", {})
    if kind == "space":
        space = discover(lambda hp: hp.Choice("units", [32, 64]), Digits.training_space)
        return {"result": {**space, "title": "Compact"}}
    result: dict[str, Any] = {"values": values, "seconds": seconds, "metrics": {"log_loss": 0.5}, "files": {}}
    if kind == "stage":
        result |= {"score": values["learning_rate"], "history": [], "epochs": description["until"]}
    return {"result": result}


class Rungs(TinyDigits):
    """Three rungs: 2, 6 and 18 epochs."""

    presets: ClassVar = {"smoke": replace(TinyDigits.presets["smoke"], epochs=18, judged_at=(2, 6))}


class FakeWorkers:
    """Ends every piece at once with what `answer` says: an outcome, an exception, or None for never."""

    queues = False

    def __init__(self, answer: Answer = good, slots: int = 1) -> None:
        self.slots = slots
        self.answer = answer
        self.descriptions: list[dict] = []
        self.killed: list[int] = []

    @property
    def keys(self) -> list[str]:
        return [description["piece"] for description in self.descriptions]

    def submit(self, slot: int, function: Callable, description: dict) -> Future:
        self.descriptions.append(description)
        outcome, future = self.answer(description), Future()
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        elif outcome is not None:
            future.set_result(outcome)
        return future

    def kill(self, slot: int, worker: str | None = None) -> None:
        self.killed.append(slot)

    def is_anybody_there(self) -> bool:
        return True

    def wait_until_started(self) -> None: ...

    def close(self) -> None: ...


def sweep_with(workers: FakeWorkers, settings: Settings, run: bool = True, measuring=None) -> Sweep:
    """Open the run folder `run`, replay what is in it, and sweep."""
    folder = settings.runs / "run"
    journal = Journal(folder)
    sweep = Sweep(
        settings=settings,
        folder=folder,
        dataset_folder=folder,
        pretraining_folder=None,
        journal=journal,
        state=State.replay([{"event": "sweep", "dataset": {"classes": "0123456789"}}, *journal.events]),
        workers=workers,
        display=Display(quiet=True),
        measuring=measuring or MeasuringProcess(),  # nothing is measured: none is ever started
    )
    if run:
        try:
            sweep.run()
        finally:
            journal.close()
    return sweep
