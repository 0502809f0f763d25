"""What PREPROCESS may change: choices of a task's preprocessing, each with its default and what it accepts."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Choices = dict[str, Any]  # of preprocessing, by name; JSON-ready


@dataclass(frozen=True)
class Option:
    """One choice."""

    default: Any  # its value where nobody chooses, JSON-ready
    parse: Callable[[str], Any]  # from text to a value; raises ValueError
    expected: str  # what is accepted, for a message
    accepts: Callable[[Any], bool] = lambda value: True  # whether a parsed value is one of these
    separator: str = "x"  # between the numbers of a list

    def spell(self, value: Any) -> str:
        """A value as `parse` reads it."""
        if isinstance(value, bool):
            return "on" if value else "off"
        return self.separator.join(map(str, value)) if isinstance(value, list) else str(value)

    def takes(self, value: Any) -> bool:
        """Whether a value out of a file, of whatever kind, is one that `parse` could have given."""
        if value is None:
            return self.default is None
        try:
            return self.parse(self.spell(value)) == value and bool(self.accepts(value))
        except (TypeError, ValueError):
            return False


def one_of(default: str, accepted: Sequence[str]) -> Option:
    """One of a few words."""
    return Option(default, str, f"one of {', '.join(accepted)}", lambda word: word in accepted)


def switch(default: bool) -> Option:
    """`on` or `off`."""
    return Option(default, lambda text: ("off", "on").index(text) == 1, "on or off")


def positive(default: float) -> Option:
    """A number above 0."""
    return Option(default, float, "a number above 0", lambda number: 0 < number < math.inf)


def fraction(default: float) -> Option:
    """A share: a number above 0, at most 1."""
    return Option(default, float, "a number above 0, at most 1", lambda number: 0 < number <= 1)


def lengths(default: Sequence[int], least: int, most: int) -> Option:
    """As many whole numbers as the default has, such as `14x64x64`."""
    form = "x".join(map(str, default))
    return Option(
        list(default),
        lambda text: [int(part) for part in text.split("x")],
        f"numbers from {least} to {most}, as in {form}",
        lambda numbers: len(numbers) == len(default) and least <= min(numbers) <= max(numbers) <= most,
    )


def span() -> Option:
    """A range of slices such as `30-42`: the first, from 0 on, and the last; by default found in the image."""
    return Option(
        None,
        lambda text: [int(part) for part in text.split("-")],
        "the first and the last slice, counted from below, from 0, as in 30-42",
        lambda numbers: len(numbers) == 2 and 0 <= numbers[0] <= numbers[1],
        "-",
    )
