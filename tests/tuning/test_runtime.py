"""What the process keeps of memory that was freed."""

import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys
import numpy as np
from tuning import runtime

def faults(work):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def steps():
    for _ in range(50):
        blocks = [np.ones(size, np.uint8) for size in (3_000_000, 300_000) * 10]
        del blocks

if sys.argv[1] == "kept":
    runtime.keep_freed_memory()
steps()
print(faults(steps))
runtime.give_back_freed_memory()
print(faults(steps))
"""


def _faults(kept: str) -> list[int]:
    ran = subprocess.run([sys.executable, "-c", _FAULTS, kept], capture_output=True, text=True, check=True)
    return [int(line) for line in ran.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_what_a_step_freed_is_there_for_the_next_until_it_is_given_back():
    as_it_is, _ = _faults("no")
    kept, after_giving_back = _faults("kept")
    once = 33_000_000 // 4096  # pages; NumPy asks for larger ones from 4 MiB on
    assert kept < once / 10 < 25 * once < as_it_is  # else mapped anew in each of fifty steps
    assert once / 2 < after_giving_back < 2 * once  # mapped once again
