"""What PREPROCESS may change: choices of a task's preprocessing, each with its default and what it accepts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import UserError


@dataclass(frozen=True)
class Option:
    """One choice.

    Attributes
    ----------
    default : its value where nobody chooses, JSON-ready.
    parse : from text to a value; raises ValueError.
    expected : what is accepted, for a message.
    separator : between the numbers of a list.
    """

    default: Any
    parse: Callable[[str], Any]
    expected: str
    separator: str = "x"

    def spell(self, value: Any) -> str:
        """A value as `parse` reads it."""
        if isinstance(value, bool):
            return "on" if value else "off"
        return self.separator.join(map(str, value)) if isinstance(value, list) else str(value)


def one_of(default: str, accepted: Sequence[str]) -> Option:
    """One of a few words."""

    def parse(text: str) -> str:
        if text not in accepted:
            raise ValueError(text)
        return text

    return Option(default, parse, f"one of {', '.join(accepted)}")


def switch(default: bool) -> Option:
    """`on` or `off`."""
    return Option(default, lambda text: ("off", "on").index(text) == 1, "on or off")


def positive(default: float) -> Option:
    """A number above 0."""

    def parse(text: str) -> float:
        number = float(text)
        if not 0 < number < float("inf"):
            raise ValueError(text)
        return number

    return Option(default, parse, "a number above 0")


def fraction(default: float) -> Option:
    """A share: a number above 0, at most 1."""

    def parse(text: str) -> float:
        number = float(text)
        if not 0 < number <= 1:
            raise ValueError(text)
        return number

    return Option(default, parse, "a number above 0, at most 1")


def lengths(default: Sequence[int], least: int, most: int) -> Option:
    """As many whole numbers as the default has, such as `14x64x64`."""

    def parse(text: str) -> list[int]:
        numbers = [int(part) for part in text.split("x")]
        if len(numbers) != len(default) or not all(least <= number <= most for number in numbers):
            raise ValueError(text)
        return numbers

    form = "x".join(map(str, default))
    return Option(list(default), parse, f"numbers from {least} to {most}, as in {form}")


def span() -> Option:
    """A range of slices such as `30-42`: the first, from 0 on, and the last; by default found in the image."""

    def parse(text: str) -> list[int]:
        first, last = (int(part) for part in text.split("-"))
        if not 0 <= first <= last:
            raise ValueError(text)
        return [first, last]

    return Option(None, parse, "the first and the last slice, counted from 0, as in 30-42", "-")


def parse_changes(variable: str, text: str | None, options: Mapping[str, Option]) -> dict[str, Any]:
    """Parse `normalisation=white,shape=20x64x64`; what equals its default is left out.

    Raises
    ------
    UserError : a choice that does not exist, or a value that it does not accept.
    """
    changes: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in (text or "").split(","))):
        name, _, value = part.partition("=")
        if name not in options:
            known = ", ".join(options) or "nothing: this task has no choices"
            raise UserError(f"{variable}={text}: found {name!r}; expected {known}")
        option = options[name]
        try:
            found = option.parse(value.strip())
        except ValueError:
            raise UserError(
                f"{variable}={text}: found {name} {value!r}; expected {option.expected}"
            ) from None
        if found != option.default:
            changes[name] = found
        else:
            changes.pop(name, None)
    return changes
