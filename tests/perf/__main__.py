"""`python -m tests.perf [PART ...]`: what the project promises about speed and disk, measured here and now.

Each part prints what it did and what came out. Where two things are compared, they run side by side in one
call, in turns, so that their ratio means something on a machine that is slow or busy.
"""

import argparse
import inspect
import os
import subprocess
import sys
import tempfile
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pandas as pd  # noqa: E402

from tests.perf import (  # noqa: E402
    against,
    disk,
    document,
    generators,
    memory,
    phantom,
    program,
    reading,
    resume,
    steps,
    workers,
)

PARTS = {
    "against": against.whole,
    "accuracy": against.accuracy,
    "refits": against.refits,
    "frozen": against.frozen,
    "steps": steps.measure,
    "reading": reading.measure,
    "program": program.measure,
    "resume": resume.measure,
    "workers": workers.measure,
    "disk": disk.measure,
    "memory": memory.measure,
    "generators": generators.measure,
    "phantom": phantom.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.perf", description=__doc__)
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)} (default: all)")
    add("--task", help="tasks, parted by commas (against, accuracy)")
    add("--preset", help="whose epochs, trials and seeds are taken (against, accuracy, refits, frozen)")
    add("--arch", help="candidates, parted by commas (against, accuracy, refits); networks (steps)")
    add(
        "--trials",
        type=int,
        help="trials of each search (against, accuracy, frozen), recorded trials (resume), trials run (disk, "
        "workers), volumes (memory, reading), images (generators; phantom: of each blur)",
    )
    add("--seeds", type=int, help="refits of each winner (against, accuracy, refits, frozen)")
    add("--folds", type=int, help="divisions of the subjects (against)")
    add("--rounds", type=int, help="how often in turns (against, refits, frozen, steps, reading)")
    add("--workers", type=int, help="of scanbench (against)")
    add("--data", help="DATA of both sides (against, accuracy, refits, frozen)")
    add("--weights", help="folder with the weights of keras.applications (frozen)")
    add("--reports", type=Path, default=Path("reports"), help="where performance.md is (default: reports)")
    options = vars(parser.parse_args())
    parts, reports = options.pop("parts"), options.pop("reports")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"found {', '.join(sorted(unknown))}; expected some of {', '.join(PARTS)}")
    sizes = {name: value for name, value in options.items() if value is not None}
    if len(parts) != 1:  # each in a process of its own: what one has loaded must not weigh on the next
        words = [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "tests.perf", "--reports", str(reports), *words]
        return max(subprocess.call([*command, part]) for part in parts or PARTS)
    (name,) = parts
    accepted = inspect.signature(PARTS[name]).parameters
    sizes = {key: value for key, value in sizes.items() if key in accepted}
    load = f"load before: {os.getloadavg()[0]:.1f}"
    print(f"## {name}\n\n{len(os.sched_getaffinity(0))} cores, {load}\n")
    found: list[str | pd.DataFrame] = [f"{load.capitalize()}."]
    with tempfile.TemporaryDirectory(prefix=f"perf-{name}-") as folder:
        for block in PARTS[name](Path(folder), **sizes):
            print(document.render(block) + "\n", flush=True)
            found.append(block)
    print()
    words = [f"--{key} {value}" for key, value in sizes.items()]
    # What was measured on one task does not take the place of another's.
    section = ": ".join([name, *filter(None, [sizes.get("task")])])
    document.write(
        section, " ".join(["python -m tests.perf", name, *words]), found, reports / "performance.md"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
