"""Staging Parkinson's disease from dopamine-transporter SPECT."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.dataset import Dataset, fingerprint
from bench.data.folders import spect_folder
from bench.data.generators import spect as generator
from bench.data.preprocess.spect import NORMALISATIONS, preprocess
from bench.data.preprocess.spect_binding_ratios import binding_ratios
from bench.data.sources import imagenet_weights
from bench.errors import UserError
from bench.tasks import Candidate, Task, full, generated, is_builtin, quick, smoke, store
from bench.tasks.contract.ablation import NO_NORMALISATION, NO_TRANSFER, Ablation, no_augmentation
from bench.tasks.contract.options import Choices, one_of, span, switch
from tuning.space import Choice, Float

_OPTIONS = {"subjects": 240, "test": 400, "normal": 0, "smooth": 0, "recipe": 1, "permute": 0, "seed": 0}
_PRETRAINING_IMAGES = 3000


class Spect(Task):
    """Three stages (early, middle, late) of generated images, or the classes of the user's own.

    A sample is the mean of the central slices through the striatum, `[109, 91, 1]` at 2 mm, anterior at
    the top. Builtin options: `subjects`, `test` (further generated subjects, as an official test part),
    `normal=1` (a fourth class), `smooth` (percentage of test subjects smoothed by 15 to 21 mm more),
    `recipe=2` (images of other anatomy, blur, noise and scaling than those for pretraining: what transfer is
    worth where images are not of one making), `permute=1` (labels shuffled between subjects: a check that
    nothing leaks), `seed`.
    """

    name = "spect"
    title = "Staging Parkinson's disease from dopamine-transporter SPECT"
    metric = "balanced_accuracy"
    candidates = (
        Candidate("vgg16"),
        Candidate("resnet"),
        Candidate("vit"),
        Candidate("vgg16", "phantom"),
        Candidate("resnet", "phantom"),
        Candidate("vit", "phantom"),
        Candidate("vgg16", "imagenet"),
        Candidate("resnet", "imagenet"),
    )
    references = ("binding_ratios_svm", "binding_ratios_logistic", "pca_svm")
    training_space = (
        Float("learning_rate", 3e-4, 3e-3, default=1e-3, log=True),
        Choice("schedule", ("cosine",)),
        Float("weight_decay", 1e-3, 0.1, default=0.02, log=True),
        Choice("batch_size", (16, 32)),
        Choice("balance", ("weighted", "oversample", "none")),
        Float("dropout", 0.0, 0.4, default=0.2),
        Float("label_smoothing", 0.0, 0.1, default=0.05),
        Float("flip", 0.0, 0.5, default=0.5),
        Float("rotation_degrees", 0.0, 8.0, default=4.0),
        Float("shift", 0.0, 0.06, default=0.03),
        Float("zoom", 0.0, 0.1, default=0.05),
        Float("blur", 0.0, 1.0, default=0.3),
        Float("noise", 0.0, 0.2, default=0.05),
        Float("gain", 0.0, 0.2, default=0.05),
    )
    transfer_space = (Float("frozen", 0.0, 0.5, default=0.0),)
    augmentation = ("flip", "rotation_degrees", "shift", "zoom", "blur", "noise", "gain")
    presets = {
        "smoke": smoke(2, pretraining_epochs=1),
        "quick": quick(
            16,
            judged_at=(5,),
            pretraining_epochs=4,
            ablation_seeds=1,
            pretrains_ablations=False,  # of the whole image it takes longer than all other ablations
            searches_structure=False,
        ),
        "full": full(40, folds=5, judged_at=(5, 14), pretraining_epochs=20, ablation_seeds=2),
    }
    preprocessing = {"crop": True, "normalisation": "zscore"}
    preprocessing_words = (
        "A scan becomes an image of 109 x 91 pixels of 2 mm, anterior at the top: the mean of the slices through "
        "the striatum, found by its uptake, or of the slices given. With crop, the 50 x 50 pixels around the "
        "striatum are kept. Normalisation by the image alone: zscore (mean 0, standard deviation 1), percentile "
        "(1st and 99.5th to 0 and 1, clipped), occipital or brain (divided by the mean of that tissue, less 1), "
        "none (divided by 100)."
    )
    preprocessing_options = {
        "crop": switch(True),
        "normalisation": one_of("zscore", NORMALISATIONS),
        "slices": span(),
    }
    preprocessing_files = "spect"
    pretraining_values = {"blur": 0.0, "noise": 0.0, "balance": "none", "batch_size": 32}
    alone_classes = ("normal", "patient")
    alone_samples = 6000
    # Binding ratios, not each image's own scale (z-scores), with which the threshold holds less on smoothed images
    # of another generator (docs/spect.md).
    alone_preprocessing = {"normalisation": "brain"}
    alone_networks = 4
    ablations = (
        Ablation("no_crop", "without the central crop", "a central 50x50 crop helps", {"crop": False}),
        NO_NORMALISATION,
        Ablation(
            "no_balance", "classes not balanced", "weights or oversampling help", values={"balance": "none"}
        ),
        Ablation("oversample", "random oversampling", values={"balance": "oversample"}, effect="with"),
        Ablation("weighted", "weighted loss", values={"balance": "weighted"}, effect="with"),
        no_augmentation(augmentation),
        NO_TRANSFER,
    )

    def load(self, data: str | None, folder: Path, cache: Path, preprocessing: Choices | None = None) -> Path:
        slices = (preprocessing or {}).get("slices")
        if data is not None and not is_builtin(data):
            return store(spect_folder.load(Path(data), slices), cache)
        if slices is not None:
            raise UserError("PREPROCESS=slices: found generated data, slices already; expected DATA=folder")
        return generated(cache, "spect-builtin", data, _OPTIONS, _builtin)

    def fetch(self, folder: Path, source: str | None = None, name: str = "") -> list[str]:
        return imagenet_weights.fetch(source)

    def prepare(self, x: np.ndarray, preprocessing: Choices) -> np.ndarray:
        return preprocess(x, crop=preprocessing["crop"], normalisation=preprocessing["normalisation"])

    def features(self, name: str, x: np.ndarray, headers: list[dict[str, Any]]) -> np.ndarray:
        return binding_ratios(np.asarray(x))

    def pretraining(self, classes: Sequence[str] | None = None, samples: int | None = None) -> Dataset:
        names = tuple(classes or ("early", "middle", "late"))
        try:
            settings = generator.randomised(names)
        except ValueError as error:
            raise UserError(f"--classes={','.join(names)}: found {error}") from None
        return generator.generate(settings, samples or _PRETRAINING_IMAGES)

    def read(self, paths: Sequence[Path], preprocessing: Choices | None = None) -> np.ndarray:
        slices = (preprocessing or {}).get("slices")
        return spect_folder.read_slices([(path, None) for path in paths], slices)[..., None]


def _builtin(options: dict[str, int]) -> tuple[Dataset, list[dict[str, Any]]]:
    """The generated study; with `test`, fresh subjects of the same sites stand for an official test part."""
    normal, seed, n = bool(options["normal"]), options["seed"], options["subjects"]
    if (recipe := options["recipe"]) not in (1, 2):
        raise UserError(f"DATA=builtin:recipe={recipe}: found no such recipe; expected 1 or 2")
    if (share := options["smooth"]) > 100:
        raise UserError(f"DATA=builtin:smooth={share}: found more than all images; expected a percentage")
    dataset = generator.generate(generator.study(normal=normal, recipe=recipe), n, seed)
    if options["test"]:
        settings = generator.study(normal=normal, smooth_share=options["smooth"] / 100, recipe=recipe)
        test = generator.generate(settings, options["test"], seed, start=n)
        parts = (dataset, test)
        dataset = replace(
            dataset,
            x=np.concatenate([part.x for part in parts]),
            y=np.concatenate([part.y for part in parts]),
            subjects=np.concatenate([part.subjects for part in parts]),
            sites=np.concatenate([part.sites for part in parts if part.sites is not None]),
            official_test=np.repeat([False, True], [len(part.x) for part in parts]),
            fingerprint=fingerprint(dataset.fingerprint, test.fingerprint),
            provenance=f"{dataset.provenance} Test: {test.provenance}",
        )
    return dataset, []


task = Spect()
