"""A report drawn by two processes is the report drawn by one."""

import subprocess
import sys
from pathlib import Path

from made_sweeps import Sweep

REPOSITORY = Path(__file__).parents[3]
CODE = """
import sys
from pathlib import Path
from bench import report
from bench.report import figures
figures._may_fork = lambda: sys.argv[3] == "two"
report.write(Path(sys.argv[1]), Path(sys.argv[2]))
print([name for name in ("tensorflow", "keras", "pydicom", "nibabel") if name in sys.modules])
"""


def test_two_processes_draw_what_one_does(tmp_path):
    run = Sweep(trials=2).write(tmp_path / "run")
    written = {}
    for processes in ("one", "two"):
        folder = tmp_path / processes
        words = [sys.executable, "-c", CODE, str(run), str(folder), processes]
        ended = subprocess.run(words, capture_output=True, text=True, cwd=REPOSITORY)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == "[]\n"
        written[processes] = {
            path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }
    assert written["one"] == written["two"]
    assert sum(path.suffix == ".png" for path in written["one"]) >= 4


def test_what_fails_in_the_second_process_is_said_in_the_first(tmp_path):
    run = Sweep(trials=2).write(tmp_path / "run")
    failing = CODE.replace("report.write", "figures.FIGURES['confusion'] = lambda *_: 1 / 0\nreport.write")
    words = [sys.executable, "-c", failing, str(run), str(tmp_path / "reports"), "two"]
    ended = subprocess.run(words, capture_output=True, text=True, cwd=REPOSITORY)
    assert ended.returncode == 1
    assert ended.stderr.rstrip().endswith("ZeroDivisionError: division by zero")
