"""RAPL read from a made-up sysfs folder, and the estimate where there is none."""

import time
from pathlib import Path

import pytest

from bench.measure import energy
from bench.measure.energy import EnergyMeter, RaplCounter

RANGE = 1_000_000


def domain(folder: Path, path: str, name: str, microjoules: int) -> Path:
    place = folder / path
    place.mkdir(parents=True)
    (place / "name").write_text(f"{name}\n")
    (place / "max_energy_range_uj").write_text(f"{RANGE}\n")
    (place / "energy_uj").write_text(f"{microjoules}\n")
    return place / "energy_uj"


@pytest.fixture(autouse=True)
def made_up(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(energy, "_gpu_counter", lambda: None)


def test_packages_and_memory_are_added_but_not_their_parts_or_the_whole(tmp_path):
    package = domain(tmp_path, "intel-rapl:0", "package-0", 100)
    core = domain(tmp_path, "intel-rapl:0:0", "core", 100)
    memory = domain(tmp_path, "intel-rapl:0:1", "dram", 100)
    whole = domain(tmp_path, "intel-rapl:1", "psys", 100)
    counter = RaplCounter(tmp_path)
    for file, value in ((package, 300_100), (core, 200_100), (memory, 50_100), (whole, 900_100)):
        file.write_text(str(value))
    assert counter.joules() == pytest.approx(0.35)


def test_a_counter_that_ran_over_goes_on(tmp_path):
    file = domain(tmp_path, "intel-rapl:0", "package-0", RANGE - 1000)
    counter = RaplCounter(tmp_path)
    file.write_text("999")
    assert counter.joules() == pytest.approx(0.002)
    file.write_text("100999")
    assert counter.joules() == pytest.approx(0.102)


def test_meter_measures_where_there_is_rapl(tmp_path, no_gpu):
    file = domain(tmp_path, "intel-rapl:0", "package-0", 0)
    with EnergyMeter() as meter:
        file.write_text("250000")
    assert meter.joules == pytest.approx(0.25)
    assert meter.method.startswith("measured: RAPL")


def test_meter_estimates_where_there_is_none_and_says_so(tmp_path, no_gpu):
    with EnergyMeter() as busy:
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
    assert busy.method.startswith("estimate: ")
    assert busy.joules >= 2.4  # twelve watts for 0.2 seconds of a core, and what came before and after


def test_unreadable_counters_are_as_good_as_none(tmp_path, no_gpu, monkeypatch):
    domain(tmp_path, "intel-rapl:0", "package-0", 0)

    def refuse(self):
        raise PermissionError("energy_uj")

    monkeypatch.setattr(RaplCounter, "_read", refuse)
    with EnergyMeter() as meter:
        pass
    assert meter.method.startswith("estimate: ")


def test_gpu_energy_is_added(tmp_path, monkeypatch):
    readings = iter([100.0, 130.0])
    monkeypatch.setattr(energy, "_gpu_counter", lambda: lambda: next(readings))
    with EnergyMeter() as meter:
        pass
    assert meter.joules == pytest.approx(30.0, abs=0.5)
    assert meter.method.endswith("measured: NVML, all GPUs")
