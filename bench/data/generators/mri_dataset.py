"""The builtin brains as a `Dataset` on one grid, made in parallel."""

from collections import Counter
from dataclasses import replace

import numpy as np

from bench.data.dataset import Dataset, fingerprint
from bench.data.generators.mri import Recipe, Scan, scan_subject
from bench.data.generators.mri_templates import Templates, load_templates
from bench.data.preprocess.mri import MriPreprocessing, prepare
from bench.data.processes import map_processes

DEFAULT_SUBJECTS = 160

Header = dict[str, float | str]


def generate_dataset(
    n: int = DEFAULT_SUBJECTS,
    recipe: Recipe | None = None,
    preprocessing: MriPreprocessing | None = None,
    *,
    workers: int = 2,
    progress: bool = True,
) -> tuple[Dataset, list[Header]]:
    """Generate `n` subjects and bring them to one grid.

    Raw volumes never leave the process that made them, so `workers` volumes and the result are all that is
    held.

    Parameters
    ----------
    n : number of subjects over all classes.
    recipe : what they are drawn from; default `Recipe()`.
    preprocessing : what is done to each raw volume; default `MriPreprocessing()`.
        `MriPreprocessing.untouched(shape)` only resamples, for `scanner_features` and for preprocessing later.
    workers : processes.
    progress : show a progress bar on standard error.

    Returns
    -------
    dataset : `x` `[n, depth, height, width, 1]`, radiological convention; sites are scanners.
    headers : of each sample, what its raw file would say: shape and voxel size, under the readers' names.

    Raises
    ------
    UserError : nilearn is not installed.
    """
    recipe = recipe or Recipe()
    preprocessing = preprocessing or MriPreprocessing()
    x = np.empty((n, *preprocessing.shape, 1), dtype=np.float32)
    y = np.empty(n, dtype=np.int64)
    subjects, sites, headers = [], [], []
    samples = map_processes(
        _sample,
        ((recipe, preprocessing, index) for index in range(n)),
        total=n,
        workers=workers,
        description="Generating brains",
        progress=progress,
        shared=load_templates(),
    )
    for index, (image, scan) in enumerate(samples):
        x[index, ..., 0] = image
        y[index] = scan.label
        subjects.append(scan.subject)
        sites.append(scan.site)
        headers.append(header_of(scan))
    dataset = Dataset(
        name="mri-builtin",
        x=x,
        y=y,
        subjects=np.array(subjects, dtype=str),
        classes=recipe.classes,
        fingerprint=fingerprint(x, y, *subjects, *sites),
        provenance=_provenance(n, recipe),
        sites=np.array(sites, dtype=str),
        stand_in=True,
        details={
            "grid": "x".join(map(str, preprocessing.shape)),
            "preprocessing": preprocessing.describe(),
            "scanners": ", ".join(f"{site} {count}" for site, count in sorted(Counter(sites).items())),
        },
    )
    return dataset, headers


def header_of(scan: Scan) -> Header:
    """Facts of the scan's file, named as the readers name them (i, j, k: width, height, depth)."""
    shape, spacing = scan.volume.shape[::-1], scan.voxel_mm[::-1]
    return {
        **{f"stored_{axis}": float(size) for axis, size in zip("ijk", shape, strict=True)},
        **{f"stored_spacing_{axis}_mm": float(size) for axis, size in zip("ijk", spacing, strict=True)},
    }


def _sample(
    recipe: Recipe, preprocessing: MriPreprocessing, index: int, templates: Templates
) -> tuple[np.ndarray, Scan]:
    scan = scan_subject(recipe, index, templates)
    image = prepare(scan.volume, preprocessing, voxel_mm=scan.voxel_mm)
    # The raw volume stays behind; its shape is all that the header needs of it.
    return image, replace(scan, volume=np.broadcast_to(np.float32(0), scan.volume.shape))


def _provenance(n: int, recipe: Recipe) -> str:
    text = (
        f"{n} generated T1-weighted brains after contrast (seed {recipe.seed}), made from the skull-stripped "
        "MNI152 templates by random deformation, tissue contrast, distractors, scanners and noise"
    )
    if "tumour" in recipe.classes:
        text += (
            ", those of the class tumour with a glioma of 2.2 to 4.5 cm"
            if recipe.tumours
            else ", no tumour in any"
        )
    if recipe.scanner_by_class:
        text += "; each class comes from scanners of its own"
    return text + "."
