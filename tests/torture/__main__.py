"""`python -m tests.torture [--short]`: kill sweeps at random moments and at every write, compare what comes out."""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tests.torture import damage, disk, fork, parts  # noqa: E402
from tests.torture.sweep import Broken, Sweep  # noqa: E402

TUNERS = ("random", "bayesian", "hyperband", "grid")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.torture", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few of each, for CI (a minute)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--folder", type=Path, help="where to work; kept (default: a temporary folder)")
    parser.add_argument("--tuners", default=",".join(TUNERS))
    parser.add_argument("--parts", default="damage,disk,random,writes,workers,parent")
    options = parser.parse_args()
    root = options.folder or Path(tempfile.mkdtemp(prefix="torture-"))
    started, rows, broken = time.monotonic(), [], []
    fork.warm_up()
    try:
        for row in _rows(options, root):
            rows.append(row)
            print(
                f"{row.part}, {row.tuner}: {row.kills} kills, {row.seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    except Broken as error:
        broken.append(str(error))
    print(_summary(rows, broken, time.monotonic() - started, options))
    if not options.folder and not broken:
        shutil.rmtree(root, ignore_errors=True)
    return 1 if broken else 0


def _rows(options: argparse.Namespace, root: Path):
    """Do what was asked for, a row of the summary at a time."""
    short = options.short
    chosen = options.parts.split(",")
    tuners = options.tuners.split(",")
    for tuner in tuners:
        first = tuner == tuners[0]
        size: dict[str, Any] = {"trials": 2, "seeds": 1} if short else {"trials": 4, "seeds": 2}
        if tuner == "bayesian":
            size["trials"] = 10  # its process is asked from the ninth on
        rng = random.Random(f"{options.seed} {tuner}")
        expected, span = parts.uninterrupted(Sweep(root / f"{tuner}-whole", tuner, **size))
        if "damage" in chosen and first:
            cases = damage.CASES[1:10:4] if short else damage.CASES
            yield damage.damaged_files(root, tuner, expected, cases, **size)
        if "disk" in chosen and first:
            yield disk.second_sweep(root, tuner, expected, **size)
            yield from _disks(root, tuner, expected, short, size)
        if "random" in chosen:
            yield parts.random_moments(root, tuner, 1 if short else 25, expected, span, rng, **size)
        if "writes" in chosen and (first or not short):
            # Oracles differ in how the journal is replayed; all other files are the same for all four.
            allowed = "" if tuner == TUNERS[0] else "^journal"
            yield parts.every_write(root, tuner, expected, allowed, 16 if short else 1, **size)
        if "workers" in chosen and (first or not short):
            yield parts.workers(root, tuner, 1 if short else 5, expected, rng, **size)
        if "parent" in chosen and not short:
            yield parts.whole_sweep_with_workers(root, tuner, 3, expected, rng, **size)


def _disks(root: Path, tuner: str, expected: dict[str, Any], short: bool, size: dict[str, Any]):
    """Parts that mount a small disk; skipped, with the reason, where that is not permitted."""
    try:
        yield disk.full_disk(root, tuner, expected, (0, 4) if short else disk.ROOM, **size)
        yield disk.read_only(root, tuner, expected, **size)
        if not short:
            yield disk.full_from_the_start(root, tuner, expected, **size)
    except PermissionError as error:
        yield parts.Row("full and read-only disks", tuner, 0, 0, 0.0, f"skipped: {error}")


def _summary(rows: list[parts.Row], broken: list[str], seconds: float, options: argparse.Namespace) -> str:
    lines = [
        f"## Torture{' (short)' if options.short else ''}, seed {options.seed}: "
        + ("BROKEN" if broken else "every promise kept"),
        "",
        "| what was killed | tuner | kills | sweeps | seconds | |",
        "| --- | --- | ---: | ---: | ---: | --- |",
        *(f"| {r.part} | {r.tuner} | {r.kills} | {r.sweeps} | {r.seconds:.0f} | {r.remark} |" for r in rows),
        "",
        f"{sum(row.kills for row in rows)} kills in {seconds:.0f} s. After each: nothing finished was lost, "
        "recorded twice or begun again. At each end: every score, metric and set of hyperparameters, and the "
        "accuracy columns of the report, identical to those of an uninterrupted sweep.",
        *(f"\n**Broken:** {text}" for text in broken),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
