"""The short form of `python -m tests.fuzz`: damaged inputs of every reader."""

from tests.fuzz.cases import cases, examine


def test_damaged_inputs_are_answered_with_a_line_or_read(tmp_path):
    outcomes = []
    for number, (name, kind, sample, content) in enumerate(cases(120, seed=2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        outcomes.append(examine(sample, content, folder))
        assert not outcomes[-1].startswith("FAULT"), f"{name}, {kind}: {outcomes[-1]}"
    assert sum(outcome.startswith("line") for outcome in outcomes) > 60
