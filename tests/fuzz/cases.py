"""Which damaged inputs there are, and how they are answered."""

import resource
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from bench.errors import UserError
from tests.fuzz.damage import DAMAGES, inside
from tests.fuzz.samples import Sample, samples

_MEMORY_BYTES = 2**30


def cases(count: int, seed: int) -> Iterator[tuple[str, str, Sample, bytes]]:
    """Yield name of the reader, of the damage, the sample and the damaged content: readers and damages in turn."""
    found = samples()
    names = list(found)
    contents = [sample.files[sample.damaged] for sample in found.values()]
    for number in range(count):
        random = np.random.default_rng([seed, number])
        name = names[number % len(names)]
        content = found[name].files[found[name].damaged]
        kinds = [*DAMAGES, "foreign"]
        kind = kinds[(number // len(names) + number) % len(kinds)]
        if kind == "foreign":
            yield name, kind, found[name], contents[random.integers(len(contents))]
            continue
        damage = DAMAGES[kind]
        packed = content[:2] in (b"\x1f\x8b", b"PK")
        if packed and (kind in ("declare_more", "dimensions_of") or random.random() < 0.5):
            kind, damage = f"{kind}, inside", inside(damage)
        yield name, kind, found[name], damage(content, random)


def examine(sample: Sample, content: bytes, folder: Path) -> str:
    """Write the files and read them: `read`, a `line: ...`, or a `FAULT: ...`."""
    for name, whole in {**sample.files, sample.damaged: content}.items():
        (folder / name).write_bytes(whole)
    try:
        with warnings.catch_warnings(action="ignore"):
            sample.examine(folder / sample.path if sample.path else folder)
        return "read"
    except UserError as error:
        text = str(error)
        names_it = str(folder) in text
        clear = text.isprintable() and names_it and "expected" in text
        return f"line: {text}" if clear else f"FAULT: no clear line: {text}"
    except BaseException:
        return f"FAULT: {traceback.format_exc()}"


def work(connection: Connection, count: int, seed: int) -> None:
    """Answer the numbers of cases with what came out and the seconds it took; None ends it."""
    for name, _, sample, _ in cases(len(samples()), seed):  # imports, before memory is bounded
        with tempfile.TemporaryDirectory() as folder:
            outcome = examine(sample, sample.files[sample.damaged], Path(folder))
            assert outcome == "read", f"{name}: {outcome}"
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    every = list(cases(count, seed))
    connection.send("ready")
    while (number := connection.recv()) is not None:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            started = time.monotonic()
            outcome = examine(every[number][2], every[number][3], Path(folder))
            connection.send((outcome, time.monotonic() - started))
