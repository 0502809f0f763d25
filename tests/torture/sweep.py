"""One sweep under torture: its command, what its journal says, and what must hold after every kill."""

import csv
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.sweep import journal

ACCURACY_COLUMNS = ("architecture", "validation", "test", "test_low", "test_high", "accuracy")


class Broken(AssertionError):
    """A promise that a sweep did not keep."""


@dataclass
class Sweep:
    """A sweep of the builtin digits in a folder of its own.

    Attributes
    ----------
    folder : holds `runs`, `reports`, the log of every call, and `ran.txt`, the pieces that were begun.
    done : pieces that were done when `check` looked last.
    """

    folder: Path
    tuner: str = "random"
    workers: int = 0
    trials: int = 4
    seeds: int = 2
    extra: tuple[str, ...] = ()
    done: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def log(self) -> Path:
        """What the calls have printed."""
        return self.folder / "log.txt"

    @property
    def ran(self) -> Path:
        """A line for each piece that a call in this process began."""
        return self.folder / "ran.txt"

    def arguments(self) -> list[str]:
        """The command's words after `python -m bench`."""
        text = (
            f"bench digits --data builtin --preset smoke --arch compact --no-measure --no-ablations "
            f"--trials {self.trials} --seeds {self.seeds} --tuner {self.tuner} --workers {self.workers} "
            f"--runs {self.folder / 'runs'} --reports {self.folder / 'reports'}"
        )
        return [*text.split(), *self.extra]

    def command(self) -> list[str]:
        """The whole command, for a process of its own."""
        return [sys.executable, "-m", "bench", *self.arguments()]

    def run_folder(self) -> Path | None:
        """Where the journal is; None before there is one."""
        found = sorted((self.folder / "runs").glob("digits-*"))
        if len(found) > 1:
            raise Broken(f"{self.folder}: {len(found)} run folders; expected one")
        return found[0] if found else None

    def events(self) -> list[dict[str, Any]]:
        """Everything recorded so far; a torn last line left out."""
        folder = self.run_folder()
        return journal.read(folder / journal.FILE)[0] if folder else []

    def check(self) -> None:
        """Assert what must hold after a kill, and remember what is done.

        Raises
        ------
        Broken : a piece that was done is lost, was done twice, or was begun again.
        """
        counts = Counter(event["piece"] for event in self.events() if event["event"] == "done")
        twice = [piece for piece, count in counts.items() if count > 1]
        if twice:
            raise Broken(f"{self.folder}: recorded twice as done: {', '.join(twice)}")
        lost = self.done - set(counts)
        if lost:
            raise Broken(f"{self.folder}: finished, then lost: {', '.join(sorted(lost))}")
        if self.ran.exists():
            again = self.done & set(self.ran.read_text().split())
            if again:
                raise Broken(f"{self.folder}: finished, then run again: {', '.join(sorted(again))}")
            self.ran.unlink()
        self.done = set(counts)

    def unsettled_losses(self) -> int:
        """The most workers that one piece which is not done yet has cost."""
        events = self.events()
        settled = {event["piece"] for event in events if event["event"] in ("done", "failed")}
        losses = Counter(event["piece"] for event in events if event["event"] == "lost")
        return max((count for piece, count in losses.items() if piece not in settled), default=0)

    def finished(self) -> bool:
        """Say whether the last recorded session ended by itself."""
        events = self.events()
        return bool(events) and events[-1]["event"] == "ended" and events[-1]["reason"] == "finished"

    def outcome(self) -> dict[str, Any]:
        """What must not depend on how the sweep ran: numbers of every piece, the report's accuracies."""
        kept = ("score", "metrics", "values", "epochs", "grid")
        pieces: dict[str, Any] = {}
        for event in self.events():
            if event["event"] == "failed":
                raise Broken(f"{self.folder}: {event['piece']} failed: {event['reason']}")
            if event["event"] == "done":
                pieces[event["piece"]] = {k: v for k, v in event["result"].items() if k in kept}
        table = self.folder / "reports" / "digits.csv"
        rows = []
        if table.exists():
            with open(table, newline="", encoding="utf-8") as file:
                rows = [{name: row[name] for name in ACCURACY_COLUMNS} for row in csv.DictReader(file)]
        return {"pieces": dict(sorted(pieces.items())), "table": rows}

    def compare(self, expected: dict[str, Any]) -> None:
        """Assert that the finished sweep came to what an uninterrupted one did, to the last bit.

        Raises
        ------
        Broken : the first piece or row that differs.
        """
        found = self.outcome()
        if json.dumps(found, sort_keys=True) == json.dumps(expected, sort_keys=True):
            return
        for piece in sorted(set(found["pieces"]) | set(expected["pieces"])):
            ours, theirs = found["pieces"].get(piece), expected["pieces"].get(piece)
            if ours != theirs:
                raise Broken(f"{self.folder}: {piece}: {_short(ours)} instead of {_short(theirs)}")
        raise Broken(f"{self.folder}: table: {_short(found['table'])} instead of {_short(expected['table'])}")

    def last_words(self) -> str:
        """The end of the log, for a message."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return re.sub(r"\n+", "\n", text)[-1500:]


def _short(value: Any) -> str:
    return json.dumps(value)[:300]
