"""`bench pretrain`: a network trained on generated images alone, in a folder for `predict`."""

import argparse
from pathlib import Path

import architectures
from bench.deploy.pretrain import pretrain
from bench.errors import UserError
from bench.sweep import settings


def run(arguments: argparse.Namespace) -> int:
    """Train and save; says where."""
    task = settings.find_task(arguments.task)
    preset = task.presets[settings.choice("PRESET", arguments.preset, settings.PRESETS, "full")]
    architecture = settings.choice(
        "ARCH", arguments.arch, tuple(architectures.names()), task.candidates[0].architecture
    )
    classes = tuple(filter(None, (arguments.classes or "").split(","))) or task.alone_classes
    if len(set(classes)) == 1:
        raise UserError(f"--classes={arguments.classes}: found one class; expected two or more to tell apart")
    folder = Path(arguments.output or f"{arguments.runs}/models/{task.name}-{architecture}")
    pretrain(
        task,
        folder,
        Path(arguments.runs) / "cache",
        architecture=architecture,
        classes=classes,
        samples=settings.whole_number("--samples", arguments.samples, task.alone_samples, 40),
        epochs=settings.whole_number("--epochs", arguments.epochs, preset.pretraining_epochs, 1),
        preprocessing=settings.find_preprocessing(arguments.preprocess, task)
        if arguments.preprocess
        else task.alone_preprocessing,
    )
    print(f"{folder}: apply it with `python -m bench predict {task.name} --model {folder} --input FOLDER`")
    return 0
