"""What the Makefile hands to `python -m bench`: what its command line says, whatever the environment holds."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("ARCH", "DATA", "TASK", "NAME", "PRESET", "RUNS", "REPORTS", "WEIGHTS", "MODEL", "INPUT", "A", "B")
SHADOWS = dict.fromkeys(NAMES, "of-the-shell")


def command(*words: str, **environment: str) -> list[str]:
    """The words of the last command that `make` would run."""
    made = subprocess.run(
        ["make", "-n", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return shlex.split(made.stdout.splitlines()[-1])[1:]


def test_the_environment_chooses_nothing():
    assert command("bench", "TASK=digits", ARCH="x86_64") == ["-m", "bench", "bench", "digits"]
    for target in ("bench", "check", "data", "predict", "export", "compare"):
        assert "of-the-shell" not in " ".join(command(target, **SHADOWS))
    assert command("clean", VENV="/home/me/venv") == ["-rf", ".venv"]


@pytest.mark.parametrize("value", ["wide,compact", "it's", "a b"])
def test_the_command_line_does(value):
    found = command("bench", "TASK=digits", f"ARCH={value}", "RUNS=elsewhere", ARCH="x86_64", RUNS="here")
    assert found == ["-m", "bench", "bench", "digits", "--arch", value, "--runs", "elsewhere"]
    assert command("compare", f"A={value}", "B=new.json", A="x")[-2:] == [value, "new.json"]


def test_a_name_that_nothing_asks_for_is_refused():
    made = subprocess.run(
        ["make", "-n", "bench", "TASK=digits", "TRAILS=3"], cwd=ROOT, capture_output=True, text=True
    )
    assert made.returncode == 2
    assert "found TRAILS; expected some of TASK" in made.stderr


def test_all_that_help_names_is_known():
    text = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"^#: ([A-Z]+) ", text, re.MULTILINE)) | set(re.findall(r"given,([A-Z]+)\)", text))
    known = re.search(r"^known +=((?:.*\\\n)*.*)$", text, re.MULTILINE)
    assert named - {"VARIABLE"} <= set(known[1].replace("\\", " ").split())
