"""How soon the next trial starts when a long search goes on, and whether it is the right one."""

import json
import math
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench.sweep import journal
from bench.sweep.journal import Journal
from bench.tasks.digits import task
from tests.torture.sweep import Sweep

TUNERS = ("random", "bayesian", "hyperband", "grid")
_EPOCHS = 3  # of the smoke preset


def measure(folder: Path, trials: int = 300) -> Iterator[str]:
    """For each tuner: record a search by asking its oracle, go on with it by the command, compare."""
    for tuner in TUNERS:
        sweep = Sweep(folder / tuner, tuner, trials=1, seeds=1)
        with open(sweep.log, "a") as log:
            subprocess.run(sweep.command(), stdout=log, stderr=log, check=True)
        expected, asking = _record(sweep, trials)
        sweep.trials = trials + 1
        seconds, ready, found = _next_trial(sweep, f"trial/compact/0/{trials}")
        same = "the one that the uninterrupted oracle proposes" if found == expected else "ANOTHER ONE"
        yield (
            f"{tuner}: {trials} trials recorded (asking for them took {asking:.0f} s); the next started "
            f"{seconds:.1f} s after the command, {seconds - ready:.1f} s after its start-up, and is {same}"
        )


def _score(values: dict) -> float:
    """A made-up score, so that the oracles have something to learn: best at a rate of 0.003."""
    return 0.9 - 0.1 * abs(math.log10(values["learning_rate"] / 3e-3)) - 0.05 * values["dropout"]


def _record(sweep: Sweep, trials: int) -> tuple[dict, float]:
    """Append a search to a sweep's journal; returns what its oracle proposes next, and the seconds it took."""
    from tuning.search import Search
    from tuning.seeds import seed_of

    folder = sweep.run_folder()
    assert folder is not None
    results = {event["piece"]: event["result"] for event in sweep.events() if event["event"] == "done"}
    space = results["space/compact"]["space"]
    # As one that was trained in one go: of the others there are no trainings.
    pattern = {name: value for name, value in results["trial/compact/0/0"].items() if name != "stages"}
    seed, planned = seed_of("digits", "compact", 0, "oracle"), task.presets["smoke"].trials
    search = Search(sweep.tuner, space, "max", seed, _EPOCHS, planned)
    record, started, told = Journal(folder), time.monotonic(), 0
    try:
        while True:
            proposal = search.ask()
            assert proposal is not None
            number = proposal.number
            if number == trials:
                return proposal.values, time.monotonic() - started
            if number == 0:
                assert proposal.values == pattern["values"]
                search.tell(0, pattern["score"])
                continue
            piece, score = f"trial/compact/0/{number}", _score(proposal.values)
            record.append("started", piece=piece, values=proposal.values)
            record.append("done", piece=piece, result={**pattern, "values": proposal.values, "score": score})
            search.tell(number, score)
            told += 1
    finally:
        record.close()


def _next_trial(sweep: Sweep, piece: str) -> tuple[float, float, dict]:
    """Run the command until it starts a trial.

    Returns
    -------
    Seconds until then, those of them until the journal was read and the sweep began, the trial's values.
    """
    folder = sweep.run_folder()
    assert folder is not None
    path = folder / journal.FILE
    position, started = path.stat().st_size, time.time()
    with (
        open(sweep.log, "a") as log,
        subprocess.Popen(sweep.command(), stdout=log, stderr=log, env=dict(os.environ)) as process,
        open(path, "rb") as file,
    ):
        try:
            while process.poll() is None:
                file.seek(position)
                lines = [json.loads(line) for line in file.read().splitlines() if line.endswith(b"}")]
                for event in lines:
                    if event["event"] == "started" and event["piece"] == piece:
                        return event["time"] - started, lines[0]["time"] - started, event["values"]
                time.sleep(0.05)
        finally:
            process.kill()
    raise RuntimeError(f"{piece} was not started:\n{sweep.last_words()}")
