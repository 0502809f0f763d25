"""What the user asked for, checked: the variables of the Makefile, the options of the command line."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import architectures
from bench import tasks
from bench.errors import UserError
from bench.evaluate import metrics
from bench.tasks import Candidate, Preset, Task
from bench.tasks.contract.plug_ins import load_file
from bench.worker.references import REFERENCES

PRECISIONS = ("float32", "mixed")
FOLDS_SEED = 0
BY_SITE = "sites"  # as a value of FOLDS
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Settings:
    """One sweep's settings, all of them valid."""

    task: Task
    candidates: tuple[Candidate, ...]
    preset_name: str
    tuner: str
    trials: int
    seeds: int
    folds: int
    # Worker processes; 0 means in this process, None one for each GPU, or else for each core.
    workers: int | None
    data: str | None = None
    data_folder: Path = Path("data")
    cluster: str | None = None
    budget_seconds: float | None = None  # wall-clock time for this call, or None
    runs: Path = Path("runs")
    reports: Path = Path("reports")
    stall_seconds: float = 1800.0  # a piece that shows no progress for so long has lost its worker
    measure: bool = True  # whether training and inference are timed once the searches are done
    ablations: bool = True  # whether the best network is trained again with one thing changed at a time
    weights: Path | None = None  # folder with the files of `keras.applications`
    # Whether each fold tests one site and trains on the others; `folds` is then the number of sites,
    # known once the dataset is open.
    by_site: bool = False
    # Into how many parts training and validation subjects are divided to score a trial; 1: the one
    # validation part. Known once the dataset is open.
    inner_folds: int = 1
    preprocess: dict[str, Any] = field(default_factory=dict)  # choices that differ from the task's own
    # "float32", or "mixed": bfloat16 inside networks, float32 for weights, losses and what is kept.
    precision: str = "float32"

    @property
    def preprocessing(self) -> dict[str, Any]:
        """The choices of preprocessing that this sweep makes."""
        return {**self.task.preprocessing, **self.preprocess}

    @property
    def splits(self) -> dict[str, Any]:
        """How the subjects are divided, for `bench.data.splits.divide`."""
        by_site = {"by": "site"} if self.by_site else {}
        inner = {"inner": self.inner_folds} if self.inner_folds > 1 else {}
        return {"seed": FOLDS_SEED, **by_site, **inner}

    @property
    def sign(self) -> int:
        """1 where more of the task's metric is better, -1 where less is."""
        return metrics.sign(self.task.metric)

    @property
    def preset(self) -> Preset:
        """The preset's numbers."""
        return self.task.presets[self.preset_name]

    def command(self) -> str:
        """The `make` line that repeats this sweep."""
        words = [f"make bench TASK={self.task.reference} PRESET={self.preset_name}"]
        if self.data:
            words.append(f"DATA={self.data if tasks.is_builtin(self.data) else Path(self.data).name}")
        if self.candidates != tuple(self.task.candidates):
            words.append("ARCH=" + ",".join(candidate.reference for candidate in self.candidates))
        if self.preprocess:
            options = self.task.preprocessing_options
            spelt = (f"{name}={options[name].spell(value)}" for name, value in self.preprocess.items())
            words.append("PREPROCESS=" + ",".join(spelt))
        words += [
            f"{name}={value}"
            for name, value, usual in (
                ("TUNER", self.tuner, "random"),
                ("PRECISION", self.precision, "float32"),
                ("TRIALS", self.trials, self.preset.trials),
                ("SEEDS", self.seeds, self.preset.seeds),
                ("FOLDS", BY_SITE if self.by_site else self.folds, self.preset.folds),
            )
            if value != usual
        ]
        return " ".join(words)


def find_task(name: str | None) -> Task:
    """Find a task by name, or by the path of its file; a UserError where there is none, or it cannot be used."""
    if name and architectures.is_path(name):
        task = load_file("TASK", name, tasks.load, tasks.names())
        if unknown := [reference for reference in task.references if reference not in REFERENCES]:
            expected = f"some of {', '.join(REFERENCES)}"
            raise UserError(f"TASK={name}: found the reference {unknown[0]!r}; expected {expected}")
        return task
    if not name or name not in tasks.names():
        raise UserError(
            f"TASK={name or ''}: found {_said(name)}; expected one of {', '.join(tasks.names())}, "
            "or a path to a file"
        )
    return tasks.load(name)


def find_preprocessing(text: str | None, task: Task) -> dict[str, Any]:
    """Parse PREPROCESS, such as `normalisation=white,shape=20x64x64`; what equals its default is left out.

    Raises UserError: a choice that the task does not have, or a value that it does not accept.
    """
    options = task.preprocessing_options
    changes: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in (text or "").split(","))):
        name, _, value = part.partition("=")
        if name not in options:
            known = ", ".join(options) or "nothing: this task has no choices"
            raise UserError(f"PREPROCESS={text}: found {name!r}; expected {known}")
        option = options[name]
        try:
            found = option.parse(value.strip())
            accepted = option.accepts(found)
        except ValueError:
            accepted = False
        if not accepted:
            raise UserError(f"PREPROCESS={text}: found {name} {value!r}; expected {option.expected}")
        changes[name] = found
    return {name: value for name, value in changes.items() if value != options[name].default}


def choice(variable: str, value: str | None, accepted: tuple[str, ...], default: str) -> str:
    """Parse one of a few words."""
    if value is None or value == "":
        return default
    if value not in accepted:
        raise UserError(f"{variable}={value}: found {value!r}; expected one of {', '.join(accepted)}")
    return value


def whole_number(
    variable: str,
    value: str | int | None,
    default: int,
    least: int,
    most: int = 10**6,
    word: str | None = None,
) -> int:
    """Parse a whole number in a range; `word` is what the caller accepts beside it."""
    if value is None or value == "":
        return default
    try:
        number = int(str(value)) if "_" not in str(value) else None
    except ValueError:
        number = None
    if number is None or not least <= number <= most:
        raise UserError(
            f"{variable}={value}: found {_said(value)}; expected a whole number from {least} to {most}"
            + (f", or {word}" if word else "")
        )
    return number


def duration(variable: str, value: str | None) -> float | None:
    """Parse `90s`, `30m`, `2h`, `1h30m`, `1d` into seconds."""
    if value is None or value == "":
        return None
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", value.strip().lower())
    if not parts or "".join(number + unit for number, unit in parts) != value.strip().lower():
        raise UserError(f"{variable}={value}: found {value!r}; expected a time such as 90s, 30m, 2h or 1h30m")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < seconds < math.inf:
        raise UserError(f"{variable}={value[:40]}: found no time at all, or no end; expected more than 0s")
    return seconds


def _said(value: object) -> str:
    return "nothing" if value in (None, "") else repr(str(value))
