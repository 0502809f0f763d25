"""What others have published stands beside what was tested, marked, and changes nothing else."""

import pandas as pd
from made_sweeps import Sweep

from bench import report
from bench.report.json_report import load

PUBLISHED = [{"title": "ResNet-18 | 3D", "auc": 0.827, "accuracy": 0.721}]


def test_published_results_are_rows_marked_as_published(tmp_path):
    folder = Sweep(metric="auc", published=PUBLISHED).write(tmp_path / "run")
    text = report.write(folder, tmp_path / "reports").read_text()
    section = text.split("### Published results")[1].split("\n#")[0]
    assert "AUC" in section
    assert r"ResNet-18 \| 3D (published)" in section
    assert "0.827" in section
    assert "72.1%" in section
    assert "The large one** (here)" in section
    rows = pd.read_csv(tmp_path / "reports" / "toy.csv")
    last = rows.iloc[-1]
    assert (last.kind, last.status, last.test, last.accuracy) == ("published", "published", 0.827, 0.721)
    assert (rows.kind == "published").sum() == 1
    document = load(tmp_path / "reports" / "toy.json")
    assert document["data"]["published"] == PUBLISHED
    assert document["finished"]


def test_where_there_are_none_nothing_is_said(tmp_path):
    text = report.write(Sweep().write(tmp_path / "run"), tmp_path / "reports").read_text()
    assert "ublished" not in text
