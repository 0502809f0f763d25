"""Fetching a file from a server that answers, breaks off, lies, refuses, or is not there."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from bench.data.sources import download
from bench.errors import UserError

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT at /file, in ranges where it is asked to and allowed to."""

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        if self.path != "/file":
            self.send_error(404)
            return
        start = int(asked.split("=")[1].rstrip("-")) if asked and server.knows_ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.breaks_after])

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server():
    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.ranges, found.breaks_after, found.knows_ranges = [], None, True
    found.url = f"http://127.0.0.1:{found.server_port}"
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def test_a_fresh_download(server, tmp_path):
    target = tmp_path / "data" / "file"
    assert download.fetch(f"{server.url}/file", target, SHA256) == f"{target}: downloaded, checksum verified"
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["file"]
    assert server.ranges == [None]


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    assert "already there" in download.fetch(f"{server.url}/file", tmp_path / "file", SHA256)
    assert server.ranges == []


def test_what_is_there_and_damaged_is_replaced(server, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT[:-1] + b"x")
    download.fetch(f"{server.url}/file", tmp_path / "file", SHA256)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_connection_that_breaks_off_is_taken_up_where_it_ended(server, tmp_path):
    server.breaks_after = 100_000
    target = tmp_path / "file"
    with pytest.raises(UserError, match="it ended after 100000 of 300000 bytes; run this again to go on"):
        download.fetch(f"{server.url}/file", target, SHA256)
    assert not target.exists()
    assert (tmp_path / "file.part").read_bytes() == CONTENT[:100_000]
    server.breaks_after = None
    download.fetch(f"{server.url}/file", target, SHA256)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.knows_ranges = False
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    download.fetch(f"{server.url}/file", tmp_path / "file", SHA256)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_everything_had_arrived_but_was_not_renamed(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    download.fetch(f"{server.url}/file", tmp_path / "file", SHA256)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_another_content_is_refused_and_not_kept(server, tmp_path):
    wrong = "0" * 64
    with pytest.raises(UserError, match=f"found content with sha256 {SHA256}; expected {wrong}"):
        download.fetch(f"{server.url}/file", tmp_path / "file", wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_server_does_not_have(server, tmp_path):
    with pytest.raises(UserError, match=r"/other: found HTTP status 404; expected the file"):
        download.fetch(f"{server.url}/other", tmp_path / "file", SHA256)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/file", "http://no-such-host.invalid/file"])
def test_no_network_says_what_to_do(url, tmp_path):
    with pytest.raises(UserError, match=f"no answer .* copy file from elsewhere to {tmp_path}") as caught:
        download.fetch(url, tmp_path / "file", SHA256)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["nowhere/file", "://file", ""])
def test_what_is_no_address_is_named(url, tmp_path):
    with pytest.raises(UserError, match="found no address"):
        download.fetch(url, tmp_path / "file", SHA256)


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match=r"cannot write \((Not a directory|File exists)\)"):
        download.fetch(f"{server.url}/file", Path(tmp_path / "taken" / "file"), SHA256)


def test_two_calls_at_once_fetch_one_file(server, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        targets = 2 * [tmp_path / "file"]
        lines = list(pool.map(lambda path: download.fetch(f"{server.url}/file", path, SHA256), targets))
    assert sorted(line.rpartition(": ")[2] for line in lines) == [
        "already there, checksum verified",
        "downloaded, checksum verified",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
