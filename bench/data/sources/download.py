"""Fetching a public file: resumed, verified, renamed into place when whole."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from bench.errors import UserError

_BLOCK = 2**16
_TIMEOUT_SECONDS = 30


def sha256_of(path: Path) -> str:
    """Hash a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def fetch(url: str, target: Path, sha256: str) -> str:
    """Download `url` to `target` unless it is there with the right checksum.

    What has arrived is kept beside the target as `NAME.part`; the next call asks the server for the rest.

    Returns
    -------
    A line that says what was done.

    Raises
    ------
    UserError : no network, the server refused, or the content is not what was expected.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and sha256_of(target) == sha256:
            return f"{target}: already there, checksum verified"
        part = target.with_name(target.name + ".part")
        _download(url, part)
        found = sha256_of(part)
        if found != sha256:
            part.unlink()
            raise UserError(f"{url}: found content with sha256 {found}; expected {sha256}; nothing was kept")
        os.replace(part, target)
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
        if error.code == 416:  # everything had arrived already
            return
        raise
    with response, open(part, "ab" if response.status == 206 else "wb") as file:
        expected = response.headers.get("Content-Length")
        received = 0
        while block := response.read(_BLOCK):
            received += file.write(block)
    if expected is not None and received < int(expected):
        raise ConnectionError(f"it ended after {received} of {expected} bytes; run this again to go on")
