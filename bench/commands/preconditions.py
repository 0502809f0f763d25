"""What a sweep looks at before its first piece of work: what it can refuse, what it must put away."""

from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

import architectures
from bench.data.dataset import Dataset
from bench.errors import UserError
from bench.evaluate import metrics
from bench.sweep.progress import Display
from bench.sweep.settings import Settings
from bench.sweep.state import State
from bench.tasks import Task
from bench.tasks.contract.plug_ins import fault
from tuning import space


def require_writable(reports: Path) -> None:
    """Find out before the work, not after it, whether the report can be written."""
    try:
        reports.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=reports):
            pass
    except OSError as error:
        raise UserError(f"REPORTS={reports}: {error.strerror}; expected a writable folder") from error


def require_fitting(settings: Settings, dataset: Dataset) -> None:
    """Look whether each candidate takes the task's samples, and can start from the weights that it is to.

    Raises UserError: the first that cannot, or whose file cannot be imported; or a task whose metric is of other
    classes, whose preprocessing fails, or whose training has hyperparameters or augmentation that do not exist.
    """
    from bench.worker.programs import model_shape

    task = settings.task
    metric, n_classes = metrics.get(task.metric), len(dataset.classes)
    if (metric.binary and n_classes != 2) or (metric.of_class or 0) >= n_classes:
        raise UserError(
            f"TASK={task.reference}: found the metric {task.metric}, and {n_classes} classes; expected one of these"
        )
    try:
        shape = task.prepare(np.asarray(dataset.x[:1]), settings.preprocessing).shape[1:]
    except Exception as error:
        if task.file is None:
            raise
        raise UserError(fault("TASK", str(task.file), error)) from error
    _require_training(task)
    for candidate in settings.candidates:
        try:
            found = architectures.load(candidate.architecture)
        except Exception as error:  # its file is whoever's
            raise UserError(fault("ARCH", candidate.architecture, error)) from error
        try:
            model_shape(found, shape)
        except ValueError as error:
            raise UserError(
                f"ARCH, or candidates of the task: {candidate.name}: found {error}; expected one that takes these"
            ) from None
        if candidate.source == "imagenet" and not hasattr(found, "imagenet"):
            raise UserError(
                f"ARCH={candidate.name}: found no `imagenet` in {found.name}.py; expected weights from elsewhere"
            )


def _require_training(task: Task) -> None:
    from tuning.augment import STRENGTHS
    from tuning.program import SETTINGS
    from tuning.training import Recipe

    if unknown := set(task.augmentation) - set(STRENGTHS):
        raise UserError(
            f"TASK={task.reference}: found augmentation {min(unknown)!r}; expected some of {', '.join(STRENGTHS)}"
        )
    try:
        recipe = Recipe.from_values(space.defaults(task.training_space), epochs=1)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"TASK={task.reference}: found hyperparameters of no training ({error})") from error
    if unknown := set(recipe.settings) - {*SETTINGS, *task.augmentation}:
        expected = f"expected some of {', '.join(SETTINGS)}, and strengths of the task's augmentation"
        raise UserError(f"TASK={task.reference}: found the hyperparameter {min(unknown)!r}; {expected}")
    if recipe.batch_size < 1:
        raise UserError(
            f"TASK={task.reference}: found a batch_size of {recipe.batch_size}; expected 1 or more"
        )


def drop_damaged_checkpoints(folder: Path, display: Display) -> None:
    """Delete checkpoints that cannot be read, and say so: their trainings begin with the first epoch."""
    from tuning.training import Checkpoint

    for path in sorted((folder / "work").glob("*.npz")):
        if Checkpoint(path).load() is None:
            display.say(f"dropped {path}: damaged; its training begins with the first epoch")
            path.unlink()


def check_notes(state: State, dataset: Dataset) -> list[str]:
    """What a check of the dataset warns of; looked for once in a run folder.

    What reading the user's folder warns of is not among it: that is found anew at each start.
    """
    recorded = state.sweep.get("checked", state.sweep.get("notes"))  # once, these were all the notes
    if recorded is not None:
        return recorded
    from bench.data.checks.dataset_check import check_dataset

    return check_dataset(dataset)[1]
