"""What all tests share: the set-up of the numerical libraries, and the real data where they are."""

import os
import sys
from collections import Counter
from pathlib import Path

# Read when the libraries are imported, so set before any test module is.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest  # noqa: E402 - after the environment is set

import tuning  # noqa: E402, F401 - sets TensorFlow's operations up, which some test modules import first

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow modules first, of these the ones with fewest tests: a long one begun last leaves a core idle."""
    modules = [item.nodeid.split("::")[0] for item in items]
    slow = {module for module, item in zip(modules, items, strict=True) if item.get_closest_marker("slow")}
    sizes = Counter(modules)

    def place(item: pytest.Item) -> tuple[bool, int]:
        module = item.nodeid.split("::")[0]
        return module not in slow, sizes[module] if module in slow else 0

    items.sort(key=place)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Set TensorFlow up as a worker does, before any test starts it; not where no test needs it."""
    if "tensorflow" in sys.modules:
        from tuning import runtime

        runtime.configure(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real data: $BENCH_REAL_DATA, else `../shared/data` beside the repository."""
    named = os.environ.get("BENCH_REAL_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data: BENCH_REAL_DATA={named or ''}, and {folder} is no folder")
    return folder
