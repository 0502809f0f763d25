"""Which GPUs there are and who trains on which: all workers on GPUs, or all on processors."""

import glob
import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from bench.errors import UserError

# Where Linux shows NVIDIA's GPUs, those of its small boards, AMD's, anybody's, and those of Windows below it.
_LINUX_DEVICES = ("/dev/nvidia*", "/dev/nvhost*", "/dev/kfd", "/dev/dri/render*", "/dev/dxg")


def gpus() -> list[str]:
    """The GPUs that TensorFlow sees here, as CUDA_VISIBLE_DEVICES names them; takes no memory on them.

    Where Linux has no device that could be one, TensorFlow, which takes seconds to import, is not asked.
    """
    if sys.platform == "linux" and not any(glob.glob(pattern) for pattern in _LINUX_DEVICES):
        return []
    from tuning import runtime

    runtime.import_tensorflow()
    import tensorflow as tf

    found = len(tf.config.list_physical_devices("GPU"))
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return named[:found] if named else [str(number) for number in range(found)]


def for_workers(asked: int | None, cores: int) -> list[str | None]:
    """What each worker process trains on: the name of a GPU, or None, a processor. Empty: this process alone works.

    One a GPU, or where there is none, one a core, unless another number is asked for: then they share the GPUs.
    None trains on a processor beside them, where it would compute other numbers: a result must not hang on who
    got it.
    """
    found = gpus()
    if not found:
        return [None] * (cores if asked is None else asked)
    return [found[slot % len(found)] for slot in range(len(found) if asked is None else asked)]


def hold(gpu: str) -> FileLock:
    """Keep other sweeps of this machine off a GPU until the lock is released, or this process ends.

    Raises UserError: another sweep has it.
    """
    lock = FileLock(Path(tempfile.gettempdir()) / f"scanbench-gpu-{gpu.replace('/', '-')}.lock")
    try:
        with suppress(PermissionError):  # another user's file; nobody can tell then
            lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"GPU {gpu}: found another sweep on it; expected it free, or others in CUDA_VISIBLE_DEVICES"
        ) from None
    return lock


def of_this_worker() -> tuple[str, str | None]:
    """Host and GPU of a worker of a cluster; None where it trains on a processor."""
    from tuning import runtime

    runtime.configure()
    return socket.gethostname(), next(iter(gpus()), None)


def assert_one_each(workers: Mapping[str, tuple[str, str | None]], cluster: str) -> None:
    """Refuse a cluster of which two workers train on one GPU, or some on GPUs and some on processors.

    `workers`: address of each worker to what `of_this_worker` says there.

    Raises UserError: names two such workers.
    """
    owners: dict[tuple[str, str], str] = {}
    without = [address for address, (_, gpu) in workers.items() if gpu is None]
    for address, (host, gpu) in workers.items():
        if gpu is None:
            continue
        other = owners.setdefault((host, gpu), address)
        if other != address:
            raise UserError(
                f"CLUSTER={cluster}: found workers {other} and {address} both on GPU {gpu} of {host}; expected one "
                "worker a GPU: start each with a CUDA_VISIBLE_DEVICES of its own"
            )
        if without:
            raise UserError(
                f"CLUSTER={cluster}: found worker {address} on a GPU and {without[0]} on a processor; expected "
                "all on either (CUDA_VISIBLE_DEVICES=-1 hides GPUs)"
            )
