"""What a sweep shows while it runs: a bar on a terminal, elsewhere a line for each work item that has ended."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from bench.evaluate import metrics
from bench.sweep import estimate
from bench.sweep.executors import Workers
from bench.sweep.plan import Plan
from bench.sweep.state import parse_key
from bench.sweep.work_items import WorkItem


class Display:
    """Shows progress on standard error.

    On a terminal: a bar with the pieces done of all, the time left, and below it a line for each worker
    (architecture, trial of how many, epoch of how many, the best score so far). Elsewhere, in a log or in
    CI, only the lines that stay.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.live = self.console.is_terminal and not quiet
        self._quiet = quiet
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self.console,
            transient=True,
        )

    def __enter__(self) -> "Display":
        if self.live:
            self._task = self._progress.add_task("sweep", total=None, left="")
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self._progress.stop()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        if not self._quiet:
            self.console.print(Text(text))

    def update(self, done: int, total: int, left: str, workers: list[str]) -> None:
        """Show in the bar where the sweep stands: work items, the time left in words, a line for each worker."""
        description = "\n".join(workers) or "sweep"
        self._progress.update(self._task, completed=done, total=total, left=left, description=description)


class SweepProgress:
    """Puts into words what a sweep is doing and what came of each work item.

    The plan is read anew at every line; the number of workers decides how long the rest takes.
    """

    def __init__(self, display: Display, plan: Plan, workers: Workers) -> None:
        self.display, self._plan, self._workers = display, plan, workers

    def running(self, items: Iterable[tuple[WorkItem, dict[str, Any]]]) -> None:
        """Show what is running: work items, each with the last note of its worker."""
        if not self.display.live:
            return
        lines = []
        for item, note in items:
            epoch = f", epoch {note['epoch']}" if note.get("epoch") else ""
            best = self._best(item)
            lines.append(self._title(item) + epoch + (f", best {best:.4f}" if best is not None else ""))
        self.display.update(*estimate.counts(self._plan), self._left(), lines)

    def finished(self, item: WorkItem, result: dict[str, Any]) -> None:
        """Write a line for an item that is done: which, what came out, how long it took, how far the sweep is."""
        settings, parts = self._plan.settings, []
        metric = metrics.named(settings.task.metric, self._plan.state.sweep["dataset"]["classes"])
        if "score" in result:
            shown = f"{metric} {result['score']:.4f}"
            early = item.description.get("until", settings.preset.epochs) < settings.preset.epochs
            if early and settings.inner_folds > 1 and "auc" in result["metrics"]:
                shown += f" and auc {result['metrics']['auc']:.4f}"  # what it is judged by
            parts.append(f"{shown} on validation")
            best = self._best(item)
            parts += [f"best {best:.4f}"] if best is not None else []
        elif metric in result.get("metrics", {}):
            parts.append(f"{metric} {result['metrics'][metric]:.4f} on test")
        if "seconds" in result:
            parts.append(estimate.duration(result["seconds"]))
        self._line(item, ": " + ", ".join(parts) if parts else " is done")

    def failed(self, item: WorkItem, reason: str) -> None:
        """Write a line for an item that has failed for good; on a terminal too."""
        self._line(item, f" failed: {reason}", always=True)

    def _line(self, item: WorkItem, what: str, always: bool = False) -> None:
        if self.display.live and not always:
            return
        done, total = estimate.counts(self._plan)
        left = self._left()
        self.display.say(f"[{done}/{total}] {self._title(item)}{what}" + (f"; {left}" if left else ""))

    def _left(self) -> str:
        seconds = estimate.seconds_left(self._plan, self._workers.slots)
        return f"about {estimate.duration(seconds)} left" if seconds else ""

    def _title(self, item: WorkItem) -> str:
        parts, settings = parse_key(item.key), self._plan.settings
        owner, kind = parts["candidate"], parts["kind"]
        text = f"{owner}: {kind}"
        if kind == "stage":
            planned = self._plan.planned_trials(owner, parts["fold"])
            text = f"{owner}: trial {parts['trial'] + 1} of {planned} to {item.description['until']} epochs"
            if settings.inner_folds > 1 and item.description["until"] == settings.preset.epochs:
                text += f", inner fold {parts['inner'] + 1} of {settings.inner_folds}"
        elif kind == "ablation":
            text += f" {item.key.split('/')[1]}, seed {parts['seed']}"
        elif "seed" in parts:
            text += f" {parts['seed']} of {settings.seeds}"
        if settings.folds > 1 and "fold" in parts:
            text += f", fold {parts['fold'] + 1} of {settings.folds}"
        return text

    def _best(self, item: WorkItem) -> float | None:
        """The best score on validation of an item's search so far, of trials that were trained in full."""
        parts, state = parse_key(item.key), self._plan.state
        if parts["kind"] != "stage":
            return None
        search = parts["candidate"], parts["fold"]
        trials = state.trials(*search, self._plan.planned_trials(*search))
        best = state.best_trial(*search, self._plan.settings.sign, trials)
        result = trials[best] if best is not None else None
        return result["score"] if result and result.get("complete", True) else None
