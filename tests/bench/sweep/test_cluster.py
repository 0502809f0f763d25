"""A sweep on a real Dask cluster: a scheduler and two worker processes, killed, gone, and over TLS."""

import datetime
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

from bench.errors import UserError
from bench.sweep.cluster import Cluster
from tests.torture.sweep import Sweep

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
SIZE = {"trials": 2, "seeds": 1}


def environment(**more: str) -> dict[str, str]:
    """The environment of every process here."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **one, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **more}


@contextmanager
def started(folder: Path, *words: str, **more: str) -> Iterator[subprocess.Popen]:
    """A process of the cluster, ended with its children when the test ends."""
    with open(folder / "dask.txt", "a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=folder, env=environment(**more), stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            for each in [*children, process]:
                with_suppressed(each.kill)
            process.wait()


def with_suppressed(function) -> None:
    """Call what may find its process gone."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        function()


@contextmanager
def cluster(folder: Path, workers: int = 2, protocol: str = "tcp", **more: str):
    """A scheduler and its workers on this machine.

    Yields
    ------
    address, the scheduler's process, the workers' nannies, by whose children the work is done.
    """
    with ExitStack() as stack:
        file = folder / "scheduler.json"
        scheduler = stack.enter_context(
            started(
                folder, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
                "--protocol", protocol, "--no-dashboard", "--dashboard-address", ":0",
                "--scheduler-file", str(file), **more,
            )
        )  # fmt: skip
        wait_for(file.exists, scheduler)
        address = json.loads(file.read_text())["address"]
        nannies = [
            stack.enter_context(
                started(
                    folder, "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard",
                    "--local-directory", str(folder / f"worker{number}"), **more,
                )
            )
            for number in range(workers)
        ]  # fmt: skip
        yield address, scheduler, nannies


def wait_for(condition, process: subprocess.Popen, seconds: float = 900.0) -> None:
    """Wait until something holds; the process must live until then."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "ended too early"
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def run(sweep: Sweep, **more: str) -> subprocess.Popen:
    """Start a sweep's command."""
    with open(sweep.log, "a") as log:
        return subprocess.Popen(sweep.command(), cwd=ROOT, env=environment(**more), stdout=log, stderr=log)


def begun(sweep: Sweep, kind: str) -> list[dict]:
    """What workers have said about pieces of a kind: the notes of progress."""
    folder = sweep.run_folder()
    notes = []
    for path in (folder / "work").glob(f"{kind}-*.progress") if folder else []:
        try:
            notes.append(json.loads(path.read_text()))
        except (OSError, ValueError):
            continue
    return notes


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> dict:
    """What a sweep in one process comes to."""
    sweep = Sweep(tmp_path_factory.mktemp("inline"), **SIZE)
    assert run(sweep).wait(1200) == 0, sweep.last_words()
    return sweep.outcome()


def test_a_worker_killed_in_a_trial_changes_nothing(tmp_path, expected):
    with cluster(tmp_path) as (address, _, _):
        sweep = Sweep(tmp_path / "sweep", extra=("--cluster", address), **SIZE)
        process = run(sweep)
        wait_for(lambda: begun(sweep, "stage"), process)
        victim = begun(sweep, "stage")[0]["pid"]
        os.kill(victim, signal.SIGKILL)
        assert process.wait(1200) == 0, sweep.last_words()
        sweep.check()
        sweep.compare(expected)
        assert sweep.finished()


def test_a_cluster_that_goes_away_is_one_line_and_the_sweep_goes_on_on_another(tmp_path, expected):
    with cluster(tmp_path, workers=1) as (address, scheduler, _):
        sweep = Sweep(tmp_path / "sweep", extra=("--cluster", address), **SIZE)
        process = run(sweep)
        wait_for(lambda: begun(sweep, "stage"), process)
        scheduler.kill()
        assert process.wait(1200) == 2, sweep.last_words()
        said = sweep.log.read_text()
        assert f"scanbench: CLUSTER={address}: lost the scheduler" in said
        assert "Traceback" not in said
        assert not [event for event in sweep.events() if event["event"] in ("lost", "failed")]
    sweep.check()
    sweep.extra = ()
    assert run(sweep).wait(1200) == 0, sweep.last_words()
    sweep.check()
    sweep.compare(expected)


def test_a_cluster_without_workers_left_ends_with_its_budget(tmp_path, expected):
    with cluster(tmp_path, workers=1) as (address, _, [worker]):
        sweep = Sweep(tmp_path / "sweep", extra=("--cluster", address), **SIZE)
        process = run(sweep)
        wait_for(lambda: begun(sweep, "stage"), process)
        worker.terminate()
        wait_for(lambda: "the cluster has no workers" in sweep.log.read_text(), process)
        process.terminate()
        process.wait(60)
        assert not [event for event in sweep.events() if event["event"] in ("lost", "failed")]


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "tcp://127.0.0.1"])
def test_another_address_is_one_line(address):
    with pytest.raises(UserError, match="found another address; expected tcp://host:port"):
        Cluster(address)


def test_no_scheduler_is_one_line(tmp_path):
    sweep = Sweep(tmp_path, extra=("--cluster", "tcp://127.0.0.1:9"), **SIZE)
    assert run(sweep, DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="2s").wait(300) == 2
    assert "scanbench: CLUSTER=tcp://127.0.0.1:9: found no scheduler" in sweep.log.read_text()


def test_tls_settings_pass_through_from_dasks_configuration(tmp_path, expected):
    pytest.importorskip("cryptography", reason="needed to make a certificate")
    certificate, key = self_signed(tmp_path)
    settings = {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True"}
    settings["DASK_DISTRIBUTED__COMM__TLS__CA_FILE"] = str(certificate)
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        settings[f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT"] = str(certificate)
        settings[f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY"] = str(key)
    with cluster(tmp_path, workers=1, protocol="tls", **settings) as (address, _, _):
        assert address.startswith("tls://")
        sweep = Sweep(tmp_path / "sweep", extra=("--cluster", address), **SIZE)
        assert run(sweep, **settings).wait(1200) == 0, sweep.last_words()
        sweep.compare(expected)
        stranger = Sweep(tmp_path / "stranger", extra=("--cluster", address), **SIZE)
        assert run(stranger, DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="3s").wait(300) == 2
        assert "scanbench: CLUSTER=" in stranger.log.read_text()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate that vouches for itself; returns its file and that of its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "scanbench test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return paths
