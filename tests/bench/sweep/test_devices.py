"""Who trains on which GPU, on a machine that has none: the listing is simulated, the workers are real."""

import os

import pytest

from bench.errors import UserError
from bench.sweep import devices
from bench.sweep.executors import open_workers
from tuning import runtime


def shown(_: dict) -> dict:
    return {"gpu": os.environ.get("CUDA_VISIBLE_DEVICES")}


@pytest.fixture(autouse=True)
def _own_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))


@pytest.fixture
def two_gpus(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(devices, "_LINUX_DEVICES", ("/dev/null",))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] * 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_gpus_are_named_as_the_environment_names_them(two_gpus, monkeypatch):
    assert devices.gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-5ab,7")  # TensorFlow sees two of these
    assert devices.gpus() == ["3", "GPU-5ab"]


def test_tensorflow_is_not_asked_where_no_device_could_be_a_gpu(two_gpus, monkeypatch):
    monkeypatch.setattr(devices, "_LINUX_DEVICES", ("/dev/no-such-device*",))
    monkeypatch.setattr(devices.sys, "platform", "linux")
    assert devices.gpus() == []
    monkeypatch.setattr(devices.sys, "platform", "darwin")
    assert len(devices.gpus()) == 2


def test_a_worker_for_each_gpu_or_each_core(two_gpus, monkeypatch):
    assert devices.for_workers(None, 16) == ["0", "1"]
    assert devices.for_workers(1, 16) == ["0"]
    assert devices.for_workers(0, 16) == []
    monkeypatch.setattr(devices, "gpus", lambda: [])
    assert devices.for_workers(None, 16) == [None] * 16
    assert devices.for_workers(3, 16) == [None] * 3


def test_workers_share_gpus_where_more_are_asked_for(two_gpus):
    assert devices.for_workers(5, 16) == ["0", "1", "0", "1", "0"]
    workers = open_workers(3, None)  # whose two share a GPU and its one lock
    assert workers.slots == 3
    workers.close()


def test_another_sweep_on_the_same_gpu_is_told(two_gpus, monkeypatch):
    monkeypatch.setattr(runtime, "configure", lambda: None)  # of GPUs that are not there
    first = open_workers(1, None)
    with pytest.raises(UserError, match=r"^GPU 0: found another sweep on it; expected it free"):
        open_workers(2, None)
    first.close()
    inline = open_workers(0, None)
    with pytest.raises(UserError, match=r"^GPU 0: found another sweep on it"):
        open_workers(1, None)
    inline.close()
    open_workers(2, None).close()


@pytest.mark.slow
def test_each_worker_sees_one_gpu_and_no_other(two_gpus):
    workers = open_workers(None, None)
    try:
        assert workers.slots == 2
        futures = [workers.submit(slot, shown, {}) for slot in range(2)]
        assert [future.result()["gpu"] for future in futures] == ["0", "1"]
    finally:
        workers.close()


def test_a_cluster_has_one_worker_a_gpu_or_none_on_any():
    devices.assert_one_each({"a:1": ("host", "0"), "a:2": ("host", "1"), "b:1": ("other", "0")}, "tcp://s")
    devices.assert_one_each({"a:1": ("host", None), "a:2": ("host", None)}, "tcp://s")
    with pytest.raises(
        UserError, match=r"^CLUSTER=tcp://s: found workers a:1 and a:2 both on GPU 0 of host; expected"
    ):
        devices.assert_one_each({"a:1": ("host", "0"), "a:2": ("host", "0")}, "tcp://s")
    with pytest.raises(UserError, match="found worker a:1 on a GPU and a:2 on a processor; expected all on"):
        devices.assert_one_each({"a:1": ("host", "0"), "a:2": ("host", None)}, "tcp://s")
