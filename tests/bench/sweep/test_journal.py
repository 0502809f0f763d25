"""The journal under kills, damage, a second sweep and a full disk."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.errors import UserError
from bench.sweep import journal
from bench.sweep.journal import Journal

EVENTS = [
    {"event": "sweep", "plan": {"trials": 2}},
    {"event": "started", "piece": "trial/compact/0/0", "values": {"learning_rate": 0.1 + 0.2}},
    {"event": "done", "piece": "trial/compact/0/0", "result": {"score": 0.5, "title": "größer"}},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder with three records."""
    found = tmp_path / "run"
    written = Journal(found)
    for event in EVENTS:
        written.append(**event)
    written.close()
    return found


def contents(events: list[dict]) -> list[dict]:
    return [
        {name: value for name, value in event.items() if name not in ("time", "clock")} for event in events
    ]


def test_what_is_appended_is_read_again(folder):
    events, good_bytes, dropped = journal.read(folder / journal.FILE)
    assert contents(events) == EVENTS
    assert good_bytes == (folder / journal.FILE).stat().st_size
    assert dropped == []
    assert all(abs(event["time"] - time.time()) < 60 for event in events)


def test_a_record_is_synced_before_append_returns(tmp_path, monkeypatch):
    synced = []
    original = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda number: synced.append(os.fstat(number).st_size) or original(number)
    )
    opened = Journal(tmp_path)
    opened.append("sweep")
    opened.append("ended", reason="finished")
    sizes = [len(line) + 1 for line in (tmp_path / journal.FILE).read_bytes().splitlines()]
    assert synced[-2:] == [sizes[0], sum(sizes)]
    opened.close()


def test_cut_at_every_byte_of_the_last_record(folder):
    whole = (folder / journal.FILE).read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    for end in range(start, len(whole)):
        (folder / journal.FILE).write_bytes(whole[:end])
        opened = Journal(folder)
        assert contents(opened.events) == EVENTS[:2]
        assert len(opened.dropped) == (0 if end == start else 1)
        opened.append(**EVENTS[2])
        opened.close()
        events, _, dropped = journal.read(folder / journal.FILE)
        assert contents(events) == EVENTS
        assert dropped == []


@pytest.mark.parametrize("zeros", [1, 100, 4096])
def test_a_tail_of_zeros_is_dropped(folder, zeros):
    with open(folder / journal.FILE, "ab") as file:
        file.write(b"\0" * zeros)
    opened = Journal(folder)
    assert contents(opened.events) == EVENTS
    assert opened.dropped == [f"{journal.FILE} line 4: torn, {zeros} bytes"]
    opened.append("ended")
    opened.close()
    assert len(journal.read(folder / journal.FILE)[0]) == 4


@pytest.mark.parametrize("keep_newlines", [False, True])
def test_the_last_record_filled_with_zeros_is_dropped(folder, keep_newlines):
    whole = (folder / journal.FILE).read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    tail = b"\0" * (len(whole) - start - keep_newlines) + b"\n" * keep_newlines
    (folder / journal.FILE).write_bytes(whole[:start] + tail)
    opened = Journal(folder)
    assert contents(opened.events) == EVENTS[:2]
    assert len(opened.dropped) == 1
    opened.append(**EVENTS[2])
    opened.close()
    assert contents(journal.read(folder / journal.FILE)[0]) == EVENTS


def test_a_file_of_zeros_is_an_empty_journal(folder):
    size = (folder / journal.FILE).stat().st_size
    (folder / journal.FILE).write_bytes(b"\0" * size)
    opened = Journal(folder)
    assert opened.events == []
    assert opened.dropped == [f"{journal.FILE} line 1: torn, {size} bytes"]
    opened.append(**EVENTS[0])
    opened.close()
    assert contents(journal.read(folder / journal.FILE)[0]) == EVENTS[:1]


def test_damage_in_the_middle_costs_that_record_alone(folder):
    lines = (folder / journal.FILE).read_bytes().splitlines(keepends=True)
    lines[1] = b"\xff\xfe" + lines[1][2:]
    (folder / journal.FILE).write_bytes(b"".join(lines))
    events, _, dropped = journal.read(folder / journal.FILE)
    assert contents(events) == [EVENTS[0], EVENTS[2]]
    assert dropped == [f"{journal.FILE} line 2: damaged, {len(lines[1]) - 1} bytes"]


@pytest.mark.parametrize("line", [b"[1, 2]", b"3", b'{"piece": "no event"}', b'{"event": "done"'])
def test_lines_that_are_no_events_are_damaged(folder, line):
    with open(folder / journal.FILE, "ab") as file:
        file.write(line + b"\n")
    events, _, dropped = journal.read(folder / journal.FILE)
    assert len(events) == 3
    assert len(dropped) == 1


def test_no_flipped_bit_is_believed(folder):
    """Digits and keys: a record is as it was written, or it is dropped and said so."""
    path = folder / journal.FILE
    whole = path.read_bytes()
    # But for the first checksum: without it, that (whole) record is one of an older version.
    checksum = {*range(whole.index(b',"crc32'), whole.index(b"\n"))}
    for place in {*range(len(whole))} - checksum:
        for bit in (0, 3, 5):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            events, _, dropped = journal.read(path)
            assert all(event in EVENTS for event in contents(events))
            assert len(events) < len(EVENTS)
            assert dropped


def test_records_without_a_checksum_are_read_where_an_older_version_wrote_them(folder):
    old = b'{"event":"sweep","time":1.0}\n'
    whole = (folder / journal.FILE).read_bytes()
    (folder / journal.FILE).write_bytes(old + whole)
    assert len(journal.read(folder / journal.FILE)[0]) == 4
    (folder / journal.FILE).write_bytes(whole + old)
    events, _, dropped = journal.read(folder / journal.FILE)
    assert contents(events) == EVENTS
    assert len(dropped) == 1


def test_a_second_holder_is_told_of_the_first(folder):
    first = Journal(folder)
    with pytest.raises(UserError, match=f"in use by process {os.getpid()} on .* since 20") as refused:
        Journal(folder)
    assert "\n" not in str(refused.value)
    first.append("ended")
    first.close()
    second = Journal(folder)
    assert len(second.events) == 4
    second.close()


def test_the_kernel_frees_the_lock_of_a_killed_holder(folder):
    code = "import sys, time; from bench.sweep.journal import Journal; from pathlib import Path\n"
    code += "j = Journal(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdout=subprocess.PIPE,
        cwd=Path(journal.__file__).parents[2],
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match=f"process {holder.pid} "):
            Journal(folder)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    Journal(folder).close()


def test_asking_who_holds_a_folder_does_not_keep_a_sweep_out(folder):
    """`make status` holds the lock for an instant; a sweep that starts just then waits for it."""
    import fcntl
    import threading

    asker = open(folder / "lock")
    fcntl.flock(asker, fcntl.LOCK_SH)
    threading.Timer(0.15, asker.close).start()
    Journal(folder).close()


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def check_nothing_is_damaged(folder: Path, opened: Journal) -> None:
    events, _, dropped = journal.read(folder / journal.FILE)
    assert contents(events) == EVENTS
    assert dropped == []
    assert contents(opened.events) == EVENTS


def test_a_sync_that_fails_leaves_nothing_behind(folder, monkeypatch):
    opened = Journal(folder)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(UserError, match=r"cannot write \(No space left on device\)"):
            opened.append("done", piece="x", result={})
    check_nothing_is_damaged(folder, opened)
    opened.append("ended", reason="finished")
    opened.close()
    events, _, dropped = journal.read(folder / journal.FILE)
    assert contents(events) == [*EVENTS, {"event": "ended", "reason": "finished"}]
    assert dropped == []


class HalfFull:
    """A file on a disk that takes the first bytes of a record and no more."""

    def __init__(self, file) -> None:
        self._file, self._left = file, 10

    def write(self, data) -> int:
        if not self._left:
            full()
        written = self._file.write(bytes(data[: self._left]))
        self._left -= written
        return written

    def __getattr__(self, name: str):
        return getattr(self._file, name)


def test_half_a_record_on_a_full_disk_is_taken_off_again(folder):
    opened = Journal(folder)
    file = opened._file
    opened._file = HalfFull(file)
    with pytest.raises(UserError, match="No space left"):
        opened.append("done", piece="x", result={"text": "long " * 20})
    check_nothing_is_damaged(folder, opened)
    opened._file = file
    opened.append("ended")
    opened.close()
    assert journal.read(folder / journal.FILE)[2] == []
    assert len(journal.read(folder / journal.FILE)[0]) == 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_closing_after_a_full_disk_raises_nothing(tmp_path):
    (tmp_path / journal.FILE).symlink_to("/dev/full")
    file = open("/dev/full", "ab", buffering=0)
    (tmp_path / journal.FILE).unlink()
    opened = Journal(tmp_path)
    opened._file.close()
    opened._file = file
    opened._is_in_place = lambda: True
    with pytest.raises(UserError, match="No space left"):
        opened.append("sweep")
    opened.close()


def test_a_folder_that_is_moved_away_ends_the_sweep_at_its_next_record(tmp_path):
    opened = Journal(tmp_path / "run")
    opened.append("sweep")
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="found it moved or deleted while the sweep ran"):
        opened.append("done")
    opened.close()
    assert len(journal.read(tmp_path / "elsewhere" / journal.FILE)[0]) == 1


def test_a_number_that_json_does_not_know_is_refused_before_anything_is_written(folder):
    opened = Journal(folder)
    with pytest.raises(ValueError, match="JSON"):
        opened.append("done", result={"score": float("nan")})
    check_nothing_is_damaged(folder, opened)
    opened.close()


def test_a_folder_that_cannot_be_made_is_the_users(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write \(Not a directory\); expected a writable folder"):
        Journal(tmp_path / "file" / "run")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_the_users(folder):
    folder.chmod(0o500)
    (folder / "lock").chmod(0o400)
    try:
        with pytest.raises(UserError, match="Permission denied"):
            Journal(folder)
    finally:
        folder.chmod(0o700)


def test_a_journal_that_cannot_be_opened_lets_the_folder_go(folder, monkeypatch):
    def unreadable(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(journal, "read", unreadable)
        with pytest.raises(UserError, match="Permission denied"):
            Journal(folder)
    Journal(folder).close()


def test_ten_thousand_records_are_read(tmp_path):
    record = {
        "event": "done",
        "time": 1.0,
        "piece": "trial/compact/0/0",
        "result": {"history": [{"loss": 0.1}] * 25},
    }
    (tmp_path / journal.FILE).write_text((json.dumps(record) + "\n") * 10_000)
    assert len(journal.read(tmp_path / journal.FILE)[0]) == 10_000
