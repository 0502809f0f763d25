"""What is written about the machine, without TensorFlow."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from bench.measure.environment import environment, package_version, processor_name


def test_versions_and_machine():
    found = environment()
    assert found["python"] == platform.python_version()
    assert found["packages"]["numpy"] == numpy.__version__
    assert found["packages"]["tensorflow"]
    assert 1 <= found["threads"] <= os.cpu_count()
    assert found["memory_bytes"] > 0
    assert found["processor"]
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (
            "model name : AMD EPYC\ncpu family : 25\nmodel : 1\nflags : fma avx avx2",
            "AMD EPYC (family 25, model 1, AVX2)",
        ),
        (
            "cpu family : 25\nmodel : 17\nmodel name : AMD EPYC\nflags : avx avx2 avx512f\n\nmodel : 3",
            "AMD EPYC (family 25, model 17, AVX-512)",
        ),
        ("model name : Cortex\nBogoMIPS : 100", "Cortex"),
    ],
)
def test_processors_of_one_name_are_told_apart(monkeypatch, lines, name):
    monkeypatch.setattr(Path, "read_text", lambda self: lines)
    assert processor_name() == name


def test_a_package_that_is_not_installed_is_none():
    assert package_version("no-such-distribution-at-all") is None


def test_no_tensorflow_is_imported():
    code = (
        "import sys; from bench.measure.environment import environment; environment(); "
        "import bench.measure.cost; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
