"""Trials a minute with two workers against one."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.torture.sweep import Sweep

_WARM = 4  # trials until every worker has traced both structures


def measure(folder: Path, trials: int = 12) -> Iterator[str]:
    """Run the same sweep with one and with two workers, one after the other, twice in turns."""
    rates: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for turn in range(2):
        for workers in (1, 2) if turn == 0 else (2, 1):
            sweep = Sweep(folder / f"{workers}-{turn}", workers=workers)
            words = sweep.command()
            for option, value in (
                ("--preset", "quick"),
                ("--arch", "compact,wide"),
                ("--trials", str(trials)),
                ("--seeds", "1"),
            ):
                words[words.index(option) + 1] = value
            started = time.time()
            with open(sweep.log, "a") as log:
                subprocess.run(words, stdout=log, stderr=log, check=True)
            done = sorted(
                event["time"]
                for event in sweep.events()
                if event["event"] == "done" and event["piece"].startswith("trial/")
            )
            steady = 60 * (len(done) - _WARM) / (done[-1] - done[_WARM - 1])
            rates[workers].append((steady, 60 * len(done) / (done[-1] - started)))
            if turn == 0 and workers == 1:
                yield "command: " + " ".join(words[1:])
            yield (
                f"WORKERS={workers}: {rates[workers][-1][0]:.1f} trials a minute after the first {_WARM}, "
                f"{rates[workers][-1][1]:.1f} from the start of the command"
            )
    for place, name in enumerate(("steady", "with start-up")):
        one, two = (sum(rate[place] for rate in rates[n]) / len(rates[n]) for n in (1, 2))
        yield f"{name}: {two / one:.2f} times as many with two workers"
