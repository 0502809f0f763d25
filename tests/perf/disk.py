"""Disk that a sweep of a network of 15 million parameters uses, and what of it grows with the trials."""

import time
from collections.abc import Iterator
from pathlib import Path

from bench.sweep.run_directory import disk_bytes
from tests.perf.watch import peak
from tests.torture import fork
from tests.torture.sweep import Sweep

_MIB = 2**20
_ARCHITECTURE = '''
"""Fifteen million parameters, two hidden layers."""

import keras


class Huge:
    name = title = "huge"
    input = "vector"

    def build(self, hp, input_shape, n_classes):
        x = inputs = keras.Input(input_shape)
        for _ in range(2):
            x = keras.layers.Dense(3750, activation="relu")(x)
        return keras.Model(inputs, keras.layers.Dense(n_classes)(x))


architecture = Huge()
'''


def measure(folder: Path, trials: int = 200) -> Iterator[str]:
    """Run a whole smoke-sized sweep of such a network, and look at the run folder all the while."""
    fork.warm_up()
    added = folder / "architectures"
    added.mkdir()
    (added / "huge.py").write_text(_ARCHITECTURE)
    sweep = Sweep(folder / "sweep", trials=trials)
    arguments = sweep.arguments()
    arguments[arguments.index("--arch") + 1] = "huge"
    sweep.arguments = lambda: arguments  # type: ignore[method-assign]

    def prepare() -> None:
        import architectures

        architectures.FOLDER = added
        architectures.__path__.append(str(added))

    started = time.monotonic()
    child = fork.start(sweep, prepare)
    with peak(lambda: disk_bytes(sweep.folder / "runs"), 0.2) as largest:
        status = fork.wait(sweep, child)
    run_folder = sweep.run_folder()
    if status or run_folder is None:
        raise RuntimeError(f"status {status}; last words:\n{sweep.last_words()}")
    results = [event for event in sweep.events() if event["event"] == "done"]
    parameters = max(event["result"].get("parameters", 0) for event in results)
    record = (run_folder / "journal.jsonl").stat().st_size
    count = sum(event["piece"].startswith("trial/") for event in results)
    kept = disk_bytes(run_folder)
    yield f"{parameters} parameters, {count} trials, {time.monotonic() - started:.0f} s, in this process"
    yield f"kept at the end: {kept / _MIB:.1f} MiB; at most at any moment: {largest[0] / _MIB:.1f} MiB"
    yield (
        f"the journal, {record / 1024:.0f} KiB, is all that grows: {record / count / 1024:.1f} KiB a trial; "
        "kept besides is one model an architecture; at the peak, two checkpoints (weights and Adam's) a worker"
    )
