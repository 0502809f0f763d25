"""What `make perf` writes: a part replaces its own section and no other's."""

import pandas as pd

from tests.perf import document


def test_a_part_that_did_not_run_keeps_its_last_table(tmp_path):
    path = tmp_path / "reports" / "performance.md"
    document.write("steps", "python -m tests.perf steps", [pd.DataFrame([{"share": "12%"}])], path)
    document.write(
        "against", "python -m tests.perf against", ["Words.", pd.DataFrame([{"ratio": "2.0"}])], path
    )
    document.write("steps", "python -m tests.perf steps --rounds 9", [pd.DataFrame([{"share": "34%"}])], path)
    text = path.read_text()
    assert text.startswith("# Performance\n")
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## against", "## steps"]
    assert "| 2.0 " in text
    assert "| 34% " in text
    assert "12%" not in text
    assert "`python -m tests.perf steps --rounds 9`" in text
