"""The builtin brains as a `Dataset` on one grid, made in parallel."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from bench.data.dataset import Dataset, fingerprint
from bench.data.formats.volume import stored_facts
from bench.data.generators.mri import Recipe, scan_subject
from bench.data.generators.mri_templates import Templates, load_templates
from bench.data.preprocess.mri_resample import resample
from bench.data.processes import map_processes

Header = dict[str, float | str]


def generate_dataset(
    n: int, recipe: Recipe, shape: Sequence[int], *, workers: int
) -> tuple[Dataset, list[Header]]:
    """Generate `n` subjects, over all classes, and resample them to one grid, untouched otherwise.

    Raw volumes never leave the process that made them, so `workers` volumes and the result are all that is
    held.

    Returns
    -------
    dataset : `x` `[n, *shape, 1]` (depth, height, width), radiological convention; sites are scanners.
    headers : of each sample, what its raw file would say: shape and voxel size, under the readers' names.
    """
    x = np.empty((n, *shape, 1), dtype=np.float32)
    y = np.empty(n, dtype=np.int64)
    subjects, sites, headers = [], [], []
    samples = map_processes(
        _sample,
        [(recipe, shape, index) for index in range(n)],
        workers=workers,
        description="Generating brains",
        shared=load_templates(),
    )
    for index, (image, label, subject, site, header) in enumerate(samples):
        x[index, ..., 0], y[index] = image, label
        subjects.append(subject)
        sites.append(site)
        headers.append(header)
    grid = "x".join(map(str, shape))
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
            "grid": grid,
            "preprocessing": f"trilinear resampling of the field of view to {grid}, bias correction off, "
            "contrast none, normalisation none, background kept",
            "scanners": ", ".join(f"{site} {count}" for site, count in sorted(Counter(sites).items())),
        },
    )
    return dataset, headers


def _sample(
    recipe: Recipe, shape: Sequence[int], index: int, templates: Templates
) -> tuple[np.ndarray, int, str, str, Header]:
    """Image, label, subject, site and header (axes i, j, k: width, height, depth) of one subject."""
    scan = scan_subject(recipe, index, templates)
    header = stored_facts(scan.volume.shape[::-1], scan.voxel_mm[::-1])
    return resample(scan.volume, shape), scan.label, scan.subject, scan.site, header


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
