"""What a sweep shows while it runs: a bar on a terminal, lines now and then elsewhere."""

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

_LINE_EVERY_SECONDS = 10.0


def duration(seconds: float | None) -> str:
    """Write seconds as `45 s`, `3 min 20 s` or `2 h 5 min`."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Display:
    """Shows progress on standard error.

    On a terminal: a bar with the pieces done of all, the time left, and below it a line for each worker
    (architecture, trial of how many, epoch of how many, the best score so far). Elsewhere, in a log or in
    CI: a line for what is finished, at most one in ten seconds.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._live = self.console.is_terminal and not quiet
        self._quiet = quiet
        self._last_line = 0.0
        self._progress: Progress | None = None
        self._task: Any = None

    def __enter__(self) -> "Display":
        if self._live:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                console=self.console,
                transient=True,
            )
            self._task = self._progress.add_task("sweep", total=None, left="")
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress:
            self._progress.stop()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        if not self._quiet:
            self.console.print(Text(text))

    def update(self, done: int, total: int, seconds_left: float | None, workers: list[str]) -> None:
        """Show where the sweep stands.

        Parameters
        ----------
        done, total : pieces of work.
        seconds_left : estimate, or None while there is none.
        workers : a line for each running piece.
        """
        left = f"about {duration(seconds_left)} left" if seconds_left is not None else ""
        if self._progress:
            description = "\n".join(workers) or "sweep"
            self._progress.update(self._task, completed=done, total=total, left=left, description=description)
        elif not self._quiet and time.monotonic() - self._last_line >= _LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            parts = [f"[{done}/{total}]", *([left] if left else []), *workers]
            print(" | ".join(parts), file=sys.stderr, flush=True)
