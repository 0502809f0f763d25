"""Spaces of hyperparameters: the training ones as plain data, the structural ones as `build` asks for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Value = float | int | str | bool


@dataclass(frozen=True)
class Float:
    """A number between `low` and `high`, drawn uniformly, or uniformly in its logarithm."""

    name: str
    low: float
    high: float
    default: float
    log: bool = False

    def declare(self, hp: Any) -> None:
        """Register with a `keras_tuner.HyperParameters`."""
        sampling = "log" if self.log else "linear"
        hp.Float(self.name, self.low, self.high, default=self.default, sampling=sampling)


@dataclass(frozen=True)
class Choice:
    """One of a few values; the first is the default."""

    name: str
    values: tuple[Value, ...]

    @property
    def default(self) -> Value:
        return self.values[0]

    def declare(self, hp: Any) -> None:
        """Register with a `keras_tuner.HyperParameters`."""
        hp.Choice(self.name, list(self.values), default=self.default)


@dataclass(frozen=True)
class Fixed:
    """A value that is not searched, on record with the rest."""

    name: str
    value: Value

    @property
    def default(self) -> Value:
        return self.value

    def declare(self, hp: Any) -> None:
        """Register with a `keras_tuner.HyperParameters`."""
        hp.Fixed(self.name, self.value)


TrainingSpace = Sequence[Float | Choice | Fixed]


def describe(space: TrainingSpace) -> list[dict]:
    """Return the space as JSON-ready data, for settings that decide whether results can be continued."""
    return [{"kind": type(entry).__name__, **asdict(entry)} for entry in space]


def discover(
    build: Callable[[Any], Any],
    training: TrainingSpace,
    held: dict[str, Value] | None = None,
    fixed: Mapping[str, Value] | None = None,
) -> dict:
    """Find the whole space of an architecture: what its `build` asks for, then the training space.

    Parameters
    ----------
    build : builds the model from a `keras_tuner.HyperParameters`. It is called until every conditional
        scope has been active once.
    held : if not None, the structural hyperparameters are not searched: they keep these values, or else
        their defaults.
    fixed : values that hyperparameters, structural or of the training, keep instead of being searched. Structural
        ones that `build` does not ask for, asks for under a condition, or does not offer that value for are
        passed over.

    Returns the configuration for `keras_tuner.HyperParameters.from_config`, with "structural" beside it: the names
    that `build` asked for.
    """
    import keras_tuner

    fixed = fixed or {}
    hp = _explore(build, keras_tuner.HyperParameters())
    offered = {entry.name: entry for entry in hp.space if not entry.conditions}
    known = {
        name: value for name, value in fixed.items() if name in offered and value in offered[name].values
    }
    if known:
        hp = keras_tuner.HyperParameters()
        for name, value in known.items():
            hp.Fixed(name, value)
        hp = _explore(build, hp)
    if held is not None:
        hp = _hold(build, {**known, **held})
    structural = sorted({entry.name for entry in hp.space})
    for entry in training:
        if entry.name in structural:
            raise ValueError(f"hyperparameter {entry.name} is both structural and of the training")
        (Fixed(entry.name, fixed[entry.name]) if entry.name in fixed else entry).declare(hp)
    hp.values = {}
    fill_with_defaults(hp)
    return {"structural": structural, "space": hp.get_config()}


def _explore(build: Callable[[Any], Any], hp: Any) -> Any:
    """Build until every conditional scope has been active once; `hp` then knows all that was asked for."""
    seen: list = []
    while True:
        build(hp)
        seen += [scope for scope in hp.active_scopes if scope not in seen]
        waiting = [scope for scope in hp.inactive_scopes if scope not in seen]
        if not waiting:
            return hp
        hp.values = {}
        for condition in waiting[0]:
            hp.values[condition.name] = condition.values[0]
        fill_with_defaults(hp)


def _hold(build: Callable[[Any], Any], held: dict[str, Value]) -> Any:
    """Hyperparameters that `build` asks for, each fixed to its value in `held` or to its default."""
    import keras_tuner

    asked, fixed = keras_tuner.HyperParameters(), keras_tuner.HyperParameters()
    asked.values = dict(held)
    build(asked)
    for name, value in asked.values.items():
        fixed.Fixed(name, value)
    return fixed


def fill_with_defaults(hp: Any) -> None:
    """Give every active hyperparameter that has no value its default.

    KerasTuner's own `ensure_active_values` draws from an unseeded generator instead.
    """
    for entry in hp.space:
        if hp.is_active(entry) and entry.name not in hp.values:
            hp.values[entry.name] = entry.default


def defaults(training: TrainingSpace) -> dict[str, Value]:
    """Return the default of each training hyperparameter."""
    return {entry.name: entry.default for entry in training}
