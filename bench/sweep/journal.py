"""The record of a sweep: JSON lines, each with its checksum, appended, synced, replayed. It is the only truth."""

import contextlib
import fcntl
import json
import os
import re
import socket
import time
import zlib
from pathlib import Path
from typing import IO, Any

from bench.errors import UserError
from tuning import durable

FILE = "journal.jsonl"
_TAIL_BYTES = 2**20  # in which the last record is found
# The last entry of each record: the CRC-32 of all bytes of the line before it.
_CHECKSUM = re.compile(rb',"crc32":"([0-9a-f]{8})"}$')


def read(path: Path) -> tuple[list[dict], int, list[str]]:
    """Read a journal without changing it.

    Returns the events that could be read, in order; where a torn tail begins (the file's size, if there is
    none); and what was left out, a line of text each.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], 0, []
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror}); expected a sweep's journal") from error
    events, dropped, position, signed = [], [], 0, False
    for number, line in enumerate(content.split(b"\n"), 1):
        end = position + len(line) + 1
        if end > len(content):  # no newline: never finished
            if line:
                dropped.append(f"{path.name} line {number}: torn, {len(line)} bytes")
            break
        event = _decode(line, signed)
        signed = signed or _CHECKSUM.search(line) is not None
        if event is not None:
            events.append(event)
        elif line:
            dropped.append(f"{path.name} line {number}: damaged, {len(line)} bytes")
        position = end
    return events, position, dropped


def last_time(path: Path) -> float:
    """When something was recorded last, in seconds since 1970: copies of a journal have other times of change."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
        events = [event for line in file.read().split(b"\n") if (event := _decode(line, False))]
    return events[-1].get("time", 0.0) if events else path.stat().st_mtime


def _decode(line: bytes, signed: bool) -> dict | None:
    """An event, or None; without a checksum only where none came before it, as older versions wrote it."""
    checksum = _CHECKSUM.search(line)
    content = line[: checksum.start()] if checksum else line
    if int(checksum[1], 16) != zlib.crc32(content) if checksum else signed:
        return None
    try:
        event = json.loads(content + b"}" if checksum else content)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _hold(folder: Path) -> IO[str]:
    """Hold a run folder for one sweep, until the file is closed. The kernel frees it when its holder dies."""
    with contextlib.ExitStack() as undone:
        file = undone.enter_context(open(folder / "lock", "a+"))
        for _ in range(6):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:  # or by who asks for the holder, for an instant
                time.sleep(0.1)
        else:
            file.seek(0)
            holder = file.read().strip() or "another sweep"
            raise UserError(f"{folder}: in use by {holder}; expected no other sweep: wait for it, or stop it")
        file.truncate(0)
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {started}")
        file.flush()
        undone.pop_all()
    return file


class Journal:
    """The journal of one run folder, which is made if it is not there, open for appending.

    `events` is everything recorded so far, `append`ed events included; `dropped` texts about records that
    could not be read. A torn tail has been cut off the file.

    Raises UserError: the folder cannot be written, or another sweep holds it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        try:
            durable.make_folder(folder)
            self._lock = _hold(folder)
        except OSError as error:
            raise unwritable(folder, error) from error
        try:
            self.events, good, self.dropped = read(self.path)
            # Without a buffer: what could not be written must not reach the file later, behind our back.
            self._file = open(self.path, "ab", buffering=0)
            durable.sync(folder)
            if self._file.tell() > good:  # else left alone: its time of change tells what a report has seen
                self._file.truncate(good)
            self._size = good
        except OSError as error:
            self._lock.close()
            raise unwritable(folder, error) from error

    def append(self, event: str, **content: Any) -> dict:
        """Record an event; when this returns it is on the disk.

        Raises UserError: the disk is full or not writable. What was recorded before stays readable.
        """
        # `clock` counts on where somebody sets the time; only differences within a session mean anything.
        now = {"time": round(time.time(), 3), "clock": round(time.monotonic(), 3)}
        record = {"event": event, **now, **content}
        text = json.dumps(record, allow_nan=False, separators=(",", ":")).encode()[:-1]
        line = text + b',"crc32":"%08x"}\n' % zlib.crc32(text)
        rest = memoryview(line)
        if not self._is_in_place():
            raise UserError(
                f"{self.path}: found it moved or deleted while the sweep ran; expected it to stay: the same "
                "command goes on from where it lies"
            )
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            # Half a line is taken off again, as far as the disk allows it; the next start would do it too.
            with contextlib.suppress(OSError):
                self._file.truncate(self._size)
            raise unwritable(self.path, error) from error
        self._size += len(line)
        self.events.append(record)
        return record

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return False
        except OSError:  # a file system that is away for a moment
            return True

    def close(self) -> None:
        """Release the run folder."""
        try:
            self._file.close()
        finally:
            self._lock.close()


def unwritable(path: str | Path, error: OSError) -> UserError:
    """What is said where a folder, or the disk, takes nothing more."""
    return UserError(
        f"{path}: cannot write ({os.strerror(error.errno or 0)}); expected a writable folder with free space"
    )
