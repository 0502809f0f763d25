"""What the figures were measured with and on. Imports no TensorFlow."""

import contextlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path

import psutil

import bench
from bench.data.processes import cores

PACKAGES = (
    "tensorflow",
    "keras",
    "keras-tuner",
    "numpy",
    "scipy",
    "scikit-learn",
    "ai-edge-litert",
    "onnxruntime",
    "tf2onnx",
    "onnx",
)
# TensorFlow for processors only is another distribution of the same package.
_ALTERNATIVES = {"tensorflow": ("tensorflow-cpu", "tensorflow-intel", "tensorflow-macos")}

_PROCESSOR_FACTS = {"family": "cpu family", "model": "model"}
_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX"}  # the widest first


def environment() -> dict[str, object]:
    """Describe versions and machine, JSON-ready; None for what is not installed or not known."""
    return {
        "scanbench": bench.__version__,
        "python": platform.python_version(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "system": platform.platform(),
        "processor": processor_name(),
        "cores": psutil.cpu_count(logical=False),  # physical ones
        "threads": cores(),
        "memory_bytes": psutil.virtual_memory().total,
        # NVIDIA's; none where the driver's tool is missing
        "gpus": _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]).splitlines(),
    }


def package_version(name: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    for candidate in (name, *_ALTERNATIVES.get(name, ())):
        try:
            return importlib.metadata.version(candidate)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def processor_name() -> str:
    """Return the processor's name as its maker gives it, where the system tells.

    In virtual machines that is a family of products ("AMD EPYC"), of which one may compute several times as fast
    as another; so its family and model, and how wide its vectors are, are added.
    """
    facts: dict[str, str] = {}
    with contextlib.suppress(OSError):
        first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
        parted = (line.partition(":") for line in first.splitlines())
        facts = {name.strip(): value.strip() for name, _, value in parted}
    if "model name" in facts:
        details = [f"{name} {facts[key]}" for name, key in _PROCESSOR_FACTS.items() if key in facts]
        flags = facts.get("flags", "").split()
        details += [vectors for flag, vectors in _VECTORS.items() if flag in flags][:1]
        return facts["model name"] + (f" ({', '.join(details)})" if details else "")
    if platform.system() == "Darwin":
        return _output(["sysctl", "-n", "machdep.cpu.brand_string"]) or platform.processor()
    return platform.processor() or platform.machine()


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
