"""`python -m tests.fuzz [--count 300]`: damaged inputs of every reader, each answered with a line or read.

They are read in a process that may take 1 GiB more than it has at the beginning, each within a time limit.
"""

import argparse
import multiprocessing
import sys
from collections import Counter
from multiprocessing.connection import Connection

from tests.fuzz.cases import cases, work

_SECONDS = 10


def _start(count: int, seed: int) -> tuple[multiprocessing.Process, Connection]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=work, args=(there, count, seed), daemon=True)
    process.start()
    there.close()
    assert here.recv() == "ready"
    return process, here


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="damaged inputs (default: 300)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="print every answer")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    by_reader: dict[str, Counter[str]] = {}
    slowest = 0.0
    process, connection = _start(options.count, options.seed)
    for number, (name, kind, _, _) in enumerate(cases(options.count, options.seed)):
        connection.send(number)
        try:
            outcome, seconds = (
                connection.recv() if connection.poll(_SECONDS) else ("FAULT: no answer", _SECONDS)
            )
        except EOFError:
            outcome, seconds = "FAULT: the process died", 0.0
        slowest = max(slowest, seconds)
        result = outcome.split(":")[0]
        counts[result] += 1
        by_reader.setdefault(name, Counter())[result] += 1
        if options.verbose or result == "FAULT":
            print(f"{number} {name}, {kind}: {outcome}", flush=True)
        if "no answer" in outcome or "died" in outcome:
            process.kill()
            process, connection = _start(options.count, options.seed)
    connection.send(None)
    for name, found in by_reader.items():
        print(f"{name:22}" + "  ".join(f"{found[result]:3} {result}" for result in ("line", "read", "FAULT")))
    print(
        f"{options.count} damaged inputs: {counts['line']} clear lines, {counts['read']} reads, "
        f"{counts['FAULT']} faults; slowest {slowest:.2f} s"
    )
    return 1 if counts["FAULT"] else 0


if __name__ == "__main__":
    sys.exit(main())
