"""TensorBoard's HParams view of a sweep, read back with TensorBoard's own reader."""

import sys
from pathlib import Path

import pytest

from bench.commands.tensorboard import export
from bench.errors import UserError
from bench.sweep.journal import Journal

VALUES = {"first_units": 64, "learning_rate": 0.002, "schedule": "cosine"}


def trial(folder: Path, number: int, score: float) -> None:
    """Record a finished trial of two epochs."""
    history = [{"epoch": e, "loss": 1.0 / e, "val_loss": 2.0 / e, "seconds": 0.1} for e in (1, 2)]
    result = {"values": VALUES, "score": score, "epochs": 2, "history": history}
    journal = Journal(folder)
    journal.append("done", piece=f"trial/compact/0/{number}", result=result)
    journal.close()


def test_a_run_for_each_trial_with_its_hyperparameters_and_learning_curve(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
    from tensorboard.plugins.hparams import plugin_data_pb2
    from tensorboard.util import tensor_util

    trial(tmp_path, 0, 0.75)
    trial(tmp_path, 1, 0.5)
    logs = export(tmp_path)
    assert export(tmp_path) == logs, "a second time, it is written anew"
    read = EventMultiplexer().AddRunsFromDirectory(str(logs))
    read.Reload()
    assert sorted(read.Runs()) == ["compact/fold0-trial0", "compact/fold0-trial1"]
    run = read.GetAccumulator("compact/fold0-trial0")
    curve = [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in run.Tensors("loss")]
    assert curve == [(1, 1.0), (2, 0.5)]
    (score,) = run.Tensors("score")
    assert float(tensor_util.make_ndarray(score.tensor_proto)) == 0.75
    content = plugin_data_pb2.HParamsPluginData()
    content.ParseFromString(run.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
    found = content.session_start_info.hparams
    assert found["architecture"].string_value == "compact"
    assert found["first_units"].number_value == 64
    assert found["schedule"].string_value == "cosine"


def test_no_trial_is_the_users_error(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    Journal(tmp_path).close()
    with pytest.raises(UserError, match="found no finished trial"):
        export(tmp_path)


def test_where_nothing_can_be_written_is_one_line(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    trial(tmp_path, 0, 0.75)
    (tmp_path / "tensorboard").write_text("a file")
    with pytest.raises(UserError, match=r"tensorboard: cannot write .*; expected a writable run folder"):
        export(tmp_path)


def test_without_the_extra_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.plugins.hparams", None)
    with pytest.raises(UserError, match=r"pip install scanbench\[tensorboard\]"):
        export(tmp_path)
