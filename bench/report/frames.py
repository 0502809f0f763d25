"""The tidy frames that a report is made from: a row for each training, and a row for each search."""

from typing import Any

import pandas as pd

# Columns and types of a frame with a row for each trial and each test, of networks and references; of a failed
# trial there is only which one it was. `stage`: "trial" or "refit". `chosen`: whether it is of the trial that is
# reported. `score`: on validation. `metrics`: on test. `run`: the predictions (None: missing or damaged),
# `indices`: of which samples of the dataset (None: not recorded). `device`: what it was trained on, see
# `tuning.runtime.device`.
TRAININGS: dict[str, Any] = {
    "architecture": object,
    "stage": object,
    **dict.fromkeys(("fold", "trial", "seed"), "Int64"),
    "chosen": bool,
    "score": float,
    "metrics": object,
    "values": object,
    "epochs": "Int64",
    "seconds": float,
    "parameters": "Int64",
    **dict.fromkeys(("history", "run", "indices", "device"), object),
}

# The same of a frame with a row for each search: of an architecture in a fold. `trial`: the one that is
# reported, with its score and values: the best, of those that have been tested if there are any. `best`: of
# all; differs where its refits are still to come.
SEARCHES: dict[str, Any] = {
    "architecture": object,
    **dict.fromkeys(("fold", "trials_done", "trials_planned", "trials_failed", "trial", "best"), "Int64"),
    "validation": float,
    "hyperparameters": object,
}


def frame(rows: list[dict[str, Any]], columns: dict[str, Any]) -> pd.DataFrame:
    """Make a frame of `TRAININGS` or of `SEARCHES`; what else is in the rows is left out."""
    return pd.DataFrame(rows, columns=list(columns), dtype=object).astype(columns)


def search(
    name: str, fold: int, trials: dict[int, dict | None], planned: int, chosen: int | None, best: int | None
) -> dict[str, Any]:
    """A row of `SEARCHES`; `trials` are results by number, None for one that failed."""
    reported = (trials[chosen] if chosen is not None else None) or {}
    return {
        "architecture": name,
        "fold": fold,
        "trials_done": min(len(trials), planned),
        "trials_planned": planned,
        "trials_failed": sum(result is None for result in trials.values()),
        "trial": chosen,
        "best": best,
        "validation": reported.get("score"),
        "hyperparameters": reported.get("values"),
    }


def trials(name: str, fold: int, trials: dict[int, dict | None], chosen: int | None) -> list[dict[str, Any]]:
    """Rows of `TRAININGS`; `trials` as in `search`."""
    place = {"architecture": name, "stage": "trial", "fold": fold}
    return [
        {**(result or {}), **place, "trial": number, "chosen": number == chosen}
        for number, result in trials.items()
    ]
