"""One sweep: ask the plan, hand out pieces, record what comes back, until nothing is left.

Only this loop asks the oracles and records what comes of work. What runs elsewhere may die at any moment.
"""

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.measure.cost import MeasuringProcess
from bench.sweep.executors import Workers, run_work_item
from bench.sweep.journal import Journal
from bench.sweep.plan import Plan, WorkItem
from bench.sweep.priorities import Priorities, Running
from bench.sweep.progress import Display, SweepProgress
from bench.sweep.settings import Settings
from bench.sweep.state import State, parse_key, split_stage
from bench.sweep.trial_results import bound_checkpoints, trial_result

MOST_LOSSES = 2  # a piece is tried again so often after its worker died
_TICK_SECONDS = 0.5
# By name, because Dask, which is optional, has its own.
_DEATHS = {"BrokenProcessPool", "CancelledError", "FutureCancelledError", "KilledWorker"}


class Sweep:
    """Runs what a plan says is left.

    Parameters
    ----------
    folder : the run folder, whose journal is open.
    dataset_folder : where workers find the arrays.
    pretraining_folder : where they find generated ones to pretrain with, if any candidate needs them.
    measuring : the process that measures inference once the sweep is done; it is started while the last refits
        run.

    `interrupted`: name of the signal that asked for an end ("SIGINT", "SIGTERM"), or "budget", or None.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        dataset_folder: Path,
        pretraining_folder: Path | None,
        journal: Journal,
        state: State,
        workers: Workers,
        display: Display,
        measuring: MeasuringProcess,
    ) -> None:
        self.settings, self.folder, self.journal, self.state = settings, folder, journal, state
        self.workers, self.display, self._measuring_process = workers, display, measuring
        self.plan = Plan(settings, state, self._record_exhausted, self._judge_trials)
        self.progress = SweepProgress(display, self.plan, workers)
        self.interrupted: str | None = None
        self._dataset_folder, self._pretraining_folder = dataset_folder, pretraining_folder
        self._stop = folder / "stop"
        self._running: dict[int, Running] = {}
        self._priorities = Priorities(settings, state, self.plan)
        self._measuring = self._was_alone = False
        for key, result in state.done.items():
            self._account(key, result)

    def run(self) -> None:
        """Work until nothing is left or an end is asked for.

        Raises UserError: the disk is full or not writable; everything recorded so far is safe.
        """
        self._judge_trials()
        with self._signals():
            self._loop(self._next_item)
            if self.settings.measure and not self.interrupted:
                self._measuring = True
                self.workers.wait_until_started()
                self._measuring_process.wait_until_idle()
                self._loop(self._next_measurement)

    @property
    def unfinished(self) -> str | None:
        """Why there is something left to do for the same command: what ended this call, or a budget's share."""
        reason = self.interrupted or ("budget" if self._priorities.has_shared else None)
        return None if Plan(self.settings, self.state).finished() else reason

    def _next_item(self, slot: int) -> WorkItem | None:
        self._share_budget()
        return self._priorities.next_item(slot, self._running.values())

    def _next_measurement(self, slot: int) -> WorkItem | None:
        """Training steps are timed one piece at a time, nothing else running, where their graph was traced."""
        missing = [piece for piece in self.plan.measurements() if piece.key not in self.state.deferred]
        tracing = {piece.key: self._priorities.tracing_needed(slot, piece.structure) for piece in missing}
        piece = min(missing, key=lambda piece: tracing[piece.key], default=None)
        is_anothers = piece is not None and tracing[piece.key] == 2 and slot < self.workers.slots - 1
        return None if self._running or is_anothers else piece

    def _share_budget(self) -> None:
        if self._priorities.share_budget(self.workers.slots, self._measuring):
            self._ask_to_stop("budget")

    def _loop(self, next_piece) -> None:
        while True:
            if not self.interrupted:
                for slot in range(self.workers.slots):
                    if slot not in self._running and (piece := next_piece(slot)):
                        self._start(slot, piece)
                is_due = self.settings.measure and not self._measuring
                if is_due and self._running and self.plan.searches_are_done():
                    self._measuring_process.start()
            if not self._running:
                return
            self._watch()
            futures = {running.future: slot for slot, running in self._running.items()}
            done, _ = wait(futures, timeout=_TICK_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                self._finish(futures[future], future)

    def _start(self, slot: int, piece: WorkItem) -> None:
        work = self.folder / "work" / piece.key.replace("/", "-")
        Path(f"{work}.progress").unlink(missing_ok=True)
        description = {
            **piece.description,
            "folder": str(self.folder),
            "dataset": str(self._pretraining_folder if piece.kind == "pretrain" else self._dataset_folder),
            "work": str(work),
            "checkpoint": str(work.with_name(piece.description.get("checkpoint", work.name) + ".npz")),
            "stop": str(self._stop),
        }
        if piece.kind == "stage":
            _, search, number, _ = split_stage(piece.key)
            if (trial := f"trial/{search}/{number}") not in self.state.values:
                values, epochs = piece.description["values"], piece.description["proposed_epochs"]
                self._record("started", piece=trial, values=values, **({"epochs": epochs} if epochs else {}))
        else:
            self._record("started", piece=piece.key)
        self._priorities.traced[slot].add(piece.structure)
        self._running[slot] = Running(piece, self.workers.submit(slot, run_work_item, description))

    def _watch(self) -> None:
        """Hear how far the pieces are; take back what shows no progress for too long."""
        self._share_budget()
        is_alone = not self.workers.is_anybody_there()
        if is_alone and not self._was_alone:
            self.display.say("the cluster has no workers: waiting for some")
        self._was_alone = is_alone
        for slot, running in list(self._running.items()):
            path = self.folder / "work" / (running.piece.key.replace("/", "-") + ".progress")
            try:
                note = json.loads(path.read_text())
            except (OSError, ValueError):
                note = running.note
            if note != running.note or (not note and self.workers.queues):
                running.note, running.heard = note, time.monotonic()
            if self.interrupted and self.workers.queues and (is_alone or not note):  # nobody is at it
                self.workers.kill(slot)
                del self._running[slot]
                continue
            if time.monotonic() - running.heard > self.settings.stall_seconds:
                self.workers.kill(slot, note.get("worker"))
                self._priorities.traced.pop(slot, None)
                del self._running[slot]
                self._lose(running.piece, f"no progress for {self.settings.stall_seconds:g} s")
        self.progress.running((running.piece, running.note) for running in self._running.values())

    def _finish(self, slot: int, future: Future) -> None:
        running = self._running.pop(slot, None)
        if running is None or running.future is not future:
            return
        piece = running.piece
        try:
            outcome = future.result()
        except (Exception, CancelledError) as error:
            if isinstance(error, ImportError):  # before any of our code has run there
                raise UserError(f"a worker: {error}; expected what the sweep itself has installed") from error
            if type(error).__name__ not in _DEATHS:
                raise
            self.workers.kill(slot)
            self._priorities.traced.pop(slot, None)
            self._lose(piece, "its worker died (killed, or out of memory)")
            return
        if "fatal" in outcome:
            self._ask_to_stop("fatal")
            raise UserError(f"{outcome['fatal']}; expected a writable folder with free space")
        if "failed" in outcome:
            end = self._defer if outcome.get("environment") else self._fail
            end(piece, outcome["failed"], outcome.get("traceback"))
        elif "result" in outcome:
            self._record("done", piece=piece.key, result=outcome["result"])
            self._account(piece.key, outcome["result"], now=True)
            self._forget_work(piece)
        self._judge_trials()
        if "result" in outcome:
            self.progress.finished(piece, outcome["result"])

    def _lose(self, piece: WorkItem, reason: str) -> None:
        """Put a piece back into the queue, unless it has cost too many workers already."""
        if self.interrupted:
            return
        losses = self.state.lost.get(piece.key, 0)
        self._record("lost", piece=piece.key, reason=reason)
        if losses >= MOST_LOSSES:
            self._defer(piece, f"{reason}, {losses + 1} times")
        else:
            self.display.say(f"{piece.key}: {reason}; it goes back into the queue")

    def _defer(self, piece: WorkItem, reason: str, trace: str | None = None) -> None:
        """Try once more what the environment caused, with nothing else running; then leave it to the next start."""
        if self.workers.slots > 1 and not self._measuring and piece.key not in self._priorities.alone:
            self._priorities.alone.add(piece.key)
            self.display.say(f"{piece.key}: {reason}; it is tried again when nothing else is left to do")
        else:
            self._fail(piece, reason, trace, environment=True)

    def _fail(
        self, piece: WorkItem, reason: str, trace: str | None = None, environment: bool = False
    ) -> None:
        content = {"traceback": trace} if trace else {}
        self._record("failed", piece=piece.key, reason=reason, environment=environment, **content)
        if not environment:
            self._forget_work(piece)
        self.progress.failed(piece, self.state.failed[piece.key])

    def _forget_work(self, piece: WorkItem) -> None:
        stem = piece.key.replace("/", "-")
        for suffix in (".npz", ".progress"):
            (self.folder / "work" / (stem + suffix)).unlink(missing_ok=True)

    def _judge_trials(self) -> None:
        """Record the trials that have come to an end; their checkpoints are not needed any more."""
        for key, standing in list(self.plan.verdicts()):
            try:
                result = trial_result(self.folder, self.state, standing, self.settings.task.metric)
                self._record("done", piece=key, result=result)
            except ArithmeticError as error:
                self._record("failed", piece=key, reason=str(error), stages=standing.stages)
        under_way = {f"{each.piece.description.get('checkpoint')}.npz" for each in self._running.values()}
        bound_checkpoints(self.folder, self.plan, under_way, self.workers.slots)

    def _record(self, event: str, **content: Any) -> None:
        self.state.apply(self.journal.append(event, **content))

    def _record_exhausted(self, search: str, trials: int) -> None:
        self._record("exhausted", search=search, trials=trials)

    def _account(self, key: str, result: dict, now: bool = False) -> None:
        if key.startswith("trial/"):  # the sum of its stages
            return
        seconds = float(result.get("seconds", 0.0))
        self._priorities.account(parse_key(key)["candidate"], seconds, now)

    def _ask_to_stop(self, reason: str) -> None:
        if not self.interrupted:
            self.interrupted = reason
            with suppress(OSError):  # a full disk: workers are then ended without being asked
                self._stop.touch()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """End in order on SIGINT and SIGTERM: epochs under way are finished. A second one ends at once."""

        def handle(number: int, _: object) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self._ask_to_stop(signal.Signals(number).name)
            self.display.say("ending after the epochs under way; press Ctrl-C again to end at once")

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            with suppress(OSError):  # must not hide why the sweep ends; the next start removes it too
                self._stop.unlink(missing_ok=True)
