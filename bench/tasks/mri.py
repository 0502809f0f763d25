"""Brain tumours in 3D MRI: four ways to look at a volume."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.caches.cached_dataset import open_cached
from bench.data.dataset import Dataset
from bench.data.folders.resampled_folder import build_cache
from bench.data.formats import read
from bench.data.generators.mri import Header, Recipe, generate_dataset
from bench.data.preprocess.grid import Grid, to_grid
from bench.data.preprocess.mri import prepare
from bench.data.preprocess.mri_features import features
from bench.data.preprocess.mri_intensity import CONTRASTS, NORMALISATIONS
from bench.data.preprocess.mri_resample import METHODS
from bench.data.preprocess.mri_scanner_features import scanner_features
from bench.data.processes import cores
from bench.data.sources import imagenet_weights
from bench.data.sources.medmnist import cache_medmnist
from bench.errors import UserError
from bench.tasks import Candidate, Task, full, generated, is_builtin, quick, smoke
from bench.tasks.contract.ablation import NO_NORMALISATION, NO_TRANSFER, Ablation, no_augmentation
from bench.tasks.contract.options import Choices, lengths, one_of, positive, switch
from tuning.space import Choice, Float

_OPTIONS = {"subjects": 120, "test": 280, "scanner": 0, "permute": 0, "seed": 0}
_STORED = (32, 96, 96)  # the whole field of view; what networks see is cut out of it
_GRID = Grid((48, 96, 96), voxel_mm=(4.0, 2.5, 2.5), antialias=True, head=True)  # of the user's own volumes
_PRETRAINING_SUBJECTS = 400


class Mri(Task):
    """Normal against tumour, or the classes of the user's own, in volumes `[depth, height, width, 1]`.

    Builtin options: `subjects`, `test` (further generated subjects, as an official test part), `scanner=1`
    (no tumours: the classes differ in nothing but their scanners), `permute=1` (labels shuffled between
    subjects: a check that nothing leaks), `seed`.
    """

    name = "mri"
    title = "Brain tumours in 3D MRI"
    metric = "balanced_accuracy"
    candidates = (
        Candidate("single_slice"),
        Candidate("early_fusion"),
        Candidate("late_fusion"),
        Candidate("resnet50_3d"),
    )
    references = ("hand_made_features", "pca_logistic", "scanner_features")
    training_space = (
        Float("learning_rate", 1e-3, 4e-3, default=2e-3, log=True),
        Choice("schedule", ("cosine",)),
        Float("weight_decay", 1e-3, 0.1, default=0.02, log=True),
        Choice("batch_size", (8, 16)),
        Float("dropout", 0.0, 0.4, default=0.0),
        Float("label_smoothing", 0.0, 0.1, default=0.0),
        Float("flip", 0.0, 0.5, default=0.5),
        Float("mirror", 0.0, 0.5, default=0.5),  # along height and depth too, as nnU-Net does
        Float("rotation_degrees", 0.0, 15.0, default=8.0),
        Float("shift", 0.0, 0.08, default=0.04),
        Float("zoom", 0.0, 0.15, default=0.08),
        Float("gain", 0.0, 0.2, default=0.1),
    )
    transfer_space = (Float("frozen", 0.0, 0.5, default=0.0),)
    augmentation = ("flip", "mirror", "rotation_degrees", "shift", "zoom", "gain")
    presets = {
        "smoke": smoke(1, pretraining_epochs=1),
        "quick": quick(
            30,
            judged_at=(6,),
            pretraining_epochs=10,
            ablation_seeds=0,  # each is a training of a minute
            # The alternatives take two to four times as long a step, and mirroring five times the epochs.
            fixed={"shrink": 2, "slice": "middle", "width": 0.125, "mirror": 0.0},
            searches_structure=False,
        ),
        "full": full(300, folds=5, judged_at=(40, 100), pretraining_epochs=30, ablation_seeds=1),
    }
    preprocessing = {
        "shape": [14, 64, 64],
        "resampling": "trilinear",
        "contrast": "window",
        "normalisation": "zscore",
    }
    preprocessing_words = (
        "A volume, depth from below to above, height from front to back, width from the patient's right, is "
        "brought to a grid of 48 x 96 x 96 voxels of 4 x 2.5 x 2.5 mm around the head (generated ones: "
        "32 x 96 x 96). With crop, the box around the brain is cut out of it and resampled to the shape given; "
        "then, inside a brain mask, bias correction if on, contrast (window: percentiles to 0 and 1, then the "
        "power gamma; equalise: by histogram), normalisation (zscore, percentile, white: by the mode of white "
        "matter). With mask_background, what lies outside of the brain is set to its darkest value."
    )
    preprocessing_options = {
        "shape": lengths(preprocessing["shape"], 2, 256),
        "crop": switch(True),
        "resampling": one_of("trilinear", METHODS),
        "bias_correction": switch(False),
        "contrast": one_of("window", CONTRASTS),
        "gamma": positive(1.0),
        "normalisation": one_of("zscore", NORMALISATIONS),
        "mask_background": switch(True),
        "brain_mask": switch(False),  # skull and scalp cut off as the user's own volumes are read
    }
    preprocessing_files = "mri"
    pretraining_values = {"gain": 0.1, "mirror": 0.0}
    alone_classes = ("normal", "tumour")
    alone_samples = _PRETRAINING_SUBJECTS
    ablations = (
        Ablation(
            "no_contrast", "without contrast adjustment", "contrast adjustment helps", {"contrast": "none"}
        ),
        NO_NORMALISATION,
        Ablation(
            "nearest",
            "slices of the stored grid picked, not interpolated",
            "trilinear resampling helps",
            {"resampling": "nearest"},
        ),
        Ablation("mean", "features fused by their mean", values={"fusion": "mean"}, effect="with"),
        Ablation("max", "features fused by their maximum", values={"fusion": "max"}, effect="with"),
        Ablation("attention", "features fused by attention", values={"fusion": "attention"}, effect="with"),
        no_augmentation(augmentation),
        NO_TRANSFER,
    )

    def load(self, data: str | None, folder: Path, cache: Path, preprocessing: Choices | None = None) -> Path:
        grid = _grid(preprocessing)
        if data is None or is_builtin(data):
            if grid.brain_mask:
                raise UserError(
                    "PREPROCESS=brain_mask: found generated brains without a skull; expected DATA=folder"
                )
            return generated(cache, "mri-builtin", data, _OPTIONS, _builtin)
        if not data.endswith(".npz"):
            return build_cache(Path(data), grid, cache, name=f"mri-{Path(data).resolve().name}")
        if grid.brain_mask:
            raise UserError(f"PREPROCESS=brain_mask: found DATA={data}; expected DATA=folder")
        found = cache_medmnist(data, cache)
        size = open_cached(found).x.shape[1:]
        if len(size) != 4 or size[-1] != 1:
            raise UserError(
                f"DATA={Path(data)}: found images of {'x'.join(map(str, size))}, expected grey volumes, as in the "
                "3D sets of MedMNIST"
            )
        return found

    def fetch(self, folder: Path, source: str | None = None, name: str = "") -> list[str]:
        return imagenet_weights.fetch(source)

    def prepare(self, x: np.ndarray, preprocessing: Choices) -> np.ndarray:
        choices = {name: value for name, value in preprocessing.items() if name != "brain_mask"}
        return np.stack([prepare(np.asarray(volume[..., 0]), **choices) for volume in x])[..., None]

    def features(self, name: str, x: np.ndarray, headers: list[dict[str, Any]]) -> np.ndarray:
        if name == "scanner":
            return scanner_features(x, headers or None)[0]
        return features(x)

    def pretraining(self, classes: Sequence[str] | None = None, samples: int | None = None) -> Dataset:
        names = tuple(classes or ("normal", "tumour"))
        if sorted(names) != ["normal", "tumour"]:
            raise UserError(
                f"--classes={','.join(names)}: found classes that cannot be made; expected normal,tumour"
            )
        recipe = Recipe(classes=names, purpose="pretraining")
        return generate_dataset(samples or _PRETRAINING_SUBJECTS, recipe, _STORED, workers=cores())[0]

    def read(self, paths: Sequence[Path], preprocessing: Choices | None = None) -> np.ndarray:
        return np.stack([to_grid(read(path), _grid(preprocessing), path) for path in paths])


def _grid(preprocessing: Choices | None) -> Grid:
    """What the user's own volumes are brought to while they are read."""
    return replace(_GRID, brain_mask=bool((preprocessing or {}).get("brain_mask")))


def _builtin(options: dict[str, int]) -> tuple[Dataset, list[Header]]:
    """Generate the brains, and the headers that their files would have."""
    confounded = bool(options["scanner"])
    recipe = Recipe(seed=options["seed"], tumours=not confounded, scanner_by_class=confounded)
    n = options["subjects"] + options["test"]
    dataset, headers = generate_dataset(n, recipe, _STORED, workers=cores())
    if options["test"]:
        dataset = replace(
            dataset,
            official_test=np.arange(n) >= options["subjects"],
            provenance=f"{dataset.provenance} The last {options['test']} subjects are the test part.",
        )
    return dataset, headers


task = Mri()
