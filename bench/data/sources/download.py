"""Fetching a public file: resumed, verified, renamed into place when whole."""

import hashlib
import http.client
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from filelock import FileLock

from bench.errors import UserError
from tuning import durable

_BLOCK = 2**16
_TIMEOUT_SECONDS = 30


def sha256_of(path: Path) -> str:
    """Hash a file."""
    return _digest(path, "sha256")


def _digest(path: Path, algorithm: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def fetch(url: str, target: Path, checksum: str) -> str:
    """Download `url` to `target` unless it is there with the right checksum, SHA-256 or MD5 in hex.

    What has arrived is kept beside the target as `NAME.part`; the next call asks the server for the rest.

    Returns a line that says what was done.

    Raises UserError: no network, the server refused, or the content is not what was expected.
    """
    algorithm = "md5" if len(checksum) == 32 else "sha256"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = target.with_name(f".{target.name}.lock")
        with FileLock(lock), ExitStack() as stack:  # another call may be fetching it
            stack.callback(lock.unlink, missing_ok=True)
            if target.exists() and _digest(target, algorithm) == checksum:
                return f"{target}: already there, checksum verified"
            part = target.with_name(target.name + ".part")
            _download(url, part)
            found = _digest(part, algorithm)
            if found != checksum:
                part.unlink()
                raise UserError(
                    f"{url}: found content with {algorithm} {found}; expected {checksum}; nothing was kept"
                )
            durable.replace(part, target)
    except urllib.error.HTTPError as error:
        raise UserError(f"{url}: found HTTP status {error.code}; expected the file") from error
    except ValueError as error:
        raise UserError(f"{url}: found no address; expected one such as https://host/folder/") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"{url}: no answer ({reason}); expected a network. Without one, copy {target.name} from "
            f"elsewhere to {target.parent}"
        ) from error
    except OSError as error:
        raise UserError(f"{target}: cannot write ({error.strerror}); expected a writable folder") from error
    return f"{target}: downloaded, checksum verified"


def _download(url: str, part: Path) -> None:
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:  # everything had arrived already
            return
        raise
    with response, open(part, "ab" if response.status == 206 else "wb") as file:
        expected = response.headers.get("Content-Length", "")
        received = 0
        while block := response.read(_BLOCK):
            received += file.write(block)
    if expected.isdigit() and received < int(expected):
        raise ConnectionError(f"it ended after {received} of {expected} bytes; run this again to go on")
