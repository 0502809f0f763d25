"""How TensorFlow is set up in a process that trains."""

import contextlib
import ctypes
import functools
import os

# oneDNN's own allocator gives nothing back: what a process holds would be that of the largest network that it ever
# had. Where the system's keeps what is freed (below), trainings and answers are as fast.
SYSTEM_ALLOCATOR = {"TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1"}
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # mallopt(3), and malloc.h
_NEVER = 2**31 - 1
_MIB = 2**20


def configure(threads: int = 1) -> None:
    """Make this process train deterministically on a fixed number of threads. Call before any training.

    One thread a training is the rule of a sweep: sums are then taken in one order, so that a result does
    not depend on how many workers or cores there were; the cores are used by several trainings at a time.
    After TensorFlow has started, the threads stay as they are; the operations are deterministic all the same.
    """
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(threads))
    keep_freed_memory(1024)
    import_tensorflow()
    import keras
    import tensorflow as tf

    keras.config.set_floatx("float32")  # whatever `keras.json` in somebody's home says
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    tf.get_logger().setLevel("ERROR")
    tf.config.experimental.enable_op_determinism()
    _seed_tensorflow()
    with contextlib.suppress(RuntimeError):  # the process has started TensorFlow already
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        for gpu in tf.config.list_physical_devices("GPU")[:1]:  # one GPU a training, whatever is shown
            tf.config.set_visible_devices(gpu, "GPU")
            tf.config.experimental.set_memory_growth(gpu, True)


@functools.cache
def _seed_tensorflow() -> None:
    """Once, since it forgets how graphs were optimised: a layer of somebody's may draw from TensorFlow itself."""
    import tensorflow as tf

    tf.random.set_seed(0)


def keep_freed_memory(largest_mib: int = 128) -> None:
    """Let glibc keep freed blocks up to so many MiB for whoever asks next, and not hand them back to the system.

    Each step of a training, each volume that is read, asks for the same blocks again: to have the system map and
    clear them anew takes up to 4% of a step of a network on volumes, and a quarter of making features of them. Call
    `give_back_freed_memory` between pieces of work. Elsewhere than with glibc, the allocator does as it likes.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
        if not mallopt(_M_MMAP_THRESHOLD, largest_mib * _MIB):
            mallopt(_M_MMAP_THRESHOLD, 32 * _MIB)  # the most that an older glibc allows


def give_back_freed_memory() -> None:
    """Hand freed memory back to the system, so that it does not count as in use."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def device() -> str:
    """What this process trains on: the name of its GPU, or "processor"."""
    import tensorflow as tf

    for gpu in tf.config.get_visible_devices("GPU"):
        return str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))
    return "processor"


def import_tensorflow() -> None:
    """Import TensorFlow without what it says about its build while it loads; its errors are exceptions."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.update(SYSTEM_ALLOCATOR)
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # what native code writes to standard error
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
