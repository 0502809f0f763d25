"""A sweep in TensorBoard's HParams view, written on demand; needs the extra `tensorboard`."""

import shutil
from pathlib import Path

from bench.errors import UserError
from bench.sweep import run_directory


def export(folder: Path) -> Path:
    """Write a log directory with a run for each trial: its hyperparameters, score and learning curve.

    Raises UserError: TensorBoard is not installed, there are no trials, or the run folder cannot be written.
    """
    try:
        from tensorboard.plugins.hparams import summary_v2 as hparams
    except ImportError:
        raise UserError(
            "tensorboard: found no such package; expected it: pip install scanbench[tensorboard]"
        ) from None
    import tensorflow as tf

    trials = {
        key: result
        for key, result in run_directory.load_state(folder).done.items()
        if key.startswith("trial/")
    }
    if not trials:
        raise UserError(f"{folder}: found no finished trial; expected one")
    logs = folder / "tensorboard"
    shutil.rmtree(logs, ignore_errors=True)
    try:
        logs.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"{logs}: cannot write ({error.strerror}); expected a writable run folder") from error
    for key, result in trials.items():
        _, candidate, fold, number = key.split("/")
        values = {"architecture": candidate, "fold": int(fold), **result["values"]}
        with tf.summary.create_file_writer(str(logs / candidate / f"fold{fold}-trial{number}")).as_default():
            hparams.hparams(values, trial_id=key)
            for record in result["history"]:
                for name, value in record.items():
                    if name != "epoch":
                        tf.summary.scalar(name, value, step=record["epoch"])
            tf.summary.scalar("score", result["score"], step=result["epochs"])
    return logs
