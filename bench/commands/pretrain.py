"""`bench pretrain`: a network trained on generated images alone, in a folder for `predict`."""

import argparse
from pathlib import Path

import architectures
from bench.deploy import saved_network
from bench.deploy.pretrain import pretrain
from bench.errors import UserError
from bench.sweep import settings
from bench.tasks.contract.candidate import PRESETS
from bench.tasks.contract.plug_ins import find_candidates
from tuning import durable, runtime


def run(arguments: argparse.Namespace) -> int:
    """Train and save; says where."""
    task = settings.find_task(arguments.task)
    preset = task.presets[settings.choice("PRESET", arguments.preset, PRESETS, "full")]
    runtime.configure()  # before an architecture brings Keras in
    candidate, *others = find_candidates(arguments.arch, task)
    if arguments.arch and (others or candidate.transfer != "scratch"):
        raise UserError(
            f"ARCH={arguments.arch}: found {candidate.name}; expected one architecture, from nothing"
        )
    architecture = candidate.architecture
    kinds = {architectures.load(candidate.architecture).input for candidate in task.candidates} | {"vector"}
    kind = architectures.load(architecture).input
    if kind not in kinds:
        raise UserError(
            f"ARCH={architecture}: found a network for samples of the kind {kind}; "
            f"expected {' or '.join(sorted(kinds))}"
        )
    classes = tuple(filter(None, (arguments.classes or "").split(","))) or task.alone_classes
    if classes and len(set(classes)) < max(len(classes), 2):
        raise UserError(
            f"--classes={arguments.classes}: found {'a class twice' if len(classes) > 1 else 'one class'}; "
            "expected two or more to tell apart, each once"
        )
    runs = Path(arguments.runs)
    try:
        durable.make_folder(runs / "cache")
    except OSError as error:
        raise UserError(
            f"RUNS={runs}: cannot write ({error.strerror}); expected a writable folder"
        ) from error
    stem = architectures.file_of(architecture).stem
    folder = Path(arguments.output or runs / "models" / f"{task.name}-{stem}-pretrained")
    with saved_network.replaced(folder, "history") as building:
        pretrain(
            task,
            building,
            runs / "cache",
            architecture=architecture,
            classes=classes,
            samples=settings.whole_number("--samples", arguments.samples, task.alone_samples, 40),
            epochs=settings.whole_number("--epochs", arguments.epochs, preset.pretraining_epochs, 1),
            preprocessing=settings.find_preprocessing(arguments.preprocess, task)
            if arguments.preprocess
            else task.alone_preprocessing,
        )
    print(f"{folder}: apply it with `{saved_network.command(task, folder, architecture)}`")
    return 0
