"""`python -m tests.perf [PART ...]`: what the project promises about speed and disk, measured here and now.

Each part prints what it did and what came out. Where two things are compared, they run side by side in one
call, in turns, so that their ratio means something on a machine that is slow or busy.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tests.perf import disk, generators, memory, phantom, program, resume, workers  # noqa: E402

PARTS = {
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
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)} (default: all)")
    parser.add_argument(
        "--trials",
        type=int,
        help="recorded trials (resume), trials run (disk, workers), volumes (memory), images (generators; "
        "phantom: of each blur)",
    )
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"found {', '.join(sorted(unknown))}; expected some of {', '.join(PARTS)}")
    chosen = options.parts or list(PARTS)
    if len(chosen) > 1:  # each in a process of its own: what one has loaded must not weigh on the next
        size = ["--trials", str(options.trials)] if options.trials else []
        return max(subprocess.call([sys.executable, "-m", "tests.perf", part, *size]) for part in chosen)
    (name,) = chosen
    print(f"## {name}\n\n{len(os.sched_getaffinity(0))} cores, load before: {os.getloadavg()[0]:.1f}\n")
    with tempfile.TemporaryDirectory(prefix=f"perf-{name}-") as folder:
        more = {"trials": options.trials} if options.trials and name != "program" else {}
        for line in PARTS[name](Path(folder), **more):
            print(line, flush=True)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
