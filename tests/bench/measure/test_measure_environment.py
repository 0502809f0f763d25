"""What is written about the machine, without TensorFlow."""

import json
import os
import platform
import subprocess
import sys

import numpy

from bench.measure.environment import available_threads, environment, package_version


def test_versions_and_machine():
    found = environment()
    assert found["python"] == platform.python_version()
    assert found["packages"]["numpy"] == numpy.__version__
    assert found["packages"]["tensorflow"]
    assert 1 <= found["threads"] <= os.cpu_count()
    assert found["memory_bytes"] > 0
    assert found["processor"]
    assert json.loads(json.dumps(found)) == found


def test_a_package_that_is_not_installed_is_none():
    assert package_version("no-such-distribution-at-all") is None


def test_no_tensorflow_is_imported():
    code = (
        "import sys; from bench.measure.environment import environment; environment(); "
        "import bench.measure.cost; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_threads_are_those_of_the_process(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3}, raising=False)
    assert available_threads() == 2
