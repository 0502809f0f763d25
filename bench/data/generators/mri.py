"""Builtin data of the `mri` task: T1-weighted brains after contrast, with and without a tumour.

Everything about a subject hangs on (seed, index): a larger set begins with the smaller one, and neither order
nor the number of processes changes a voxel. Each step draws from a stream of its own, so a subject with and
without its tumour is the same brain on the same scanner with the same noise.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.data.dataset import Dataset, fingerprint
from bench.data.formats.volume import stored_facts
from bench.data.generators import mri_anatomy
from bench.data.generators.mri_scanner import SCANNERS, Scanner, acquire
from bench.data.generators.mri_templates import Templates, load_templates
from bench.data.generators.mri_tumour import paint, push_aside, random_tumour
from bench.data.generators.streams import stream
from bench.data.preprocess.mri_resample import resample
from bench.data.processes import map_processes

Header = dict[str, float | str]

CLASSES = ("normal", "tumour")
STREAMS = ("class", "scanner", "contrast", "pose", "shape", "tumour", "texture", "acquisition")


@dataclass(frozen=True)
class Recipe:
    """What a set of subjects is drawn from."""

    seed: int = 0
    classes: tuple[str, ...] = CLASSES  # in the order of their labels; equally many subjects of each
    tumours: bool = True  # False leaves the tumours out, so that a class is a name only
    scanner_by_class: bool = False  # whether each class has scanners of its own
    purpose: str = "study"  # what the subjects are for; see `bench.data.generators.streams`


@dataclass(frozen=True)
class Scan:
    """One subject's volume, as the scanner left it."""

    # float32 `[depth, height, width]`, first slice lowest, first row anterior, first column the patient's right
    # (radiological convention, as the readers return); arbitrary units
    volume: np.ndarray
    voxel_mm: tuple[float, float, float]
    label: int  # index into the recipe's classes
    subject: str
    site: str  # the scanner


def subject_streams(recipe: Recipe, index: int) -> dict[str, np.random.Generator]:
    """One independent random generator for each step of a subject's making."""
    return {name: stream(recipe.purpose, recipe.seed, index, step) for step, name in enumerate(STREAMS)}


def label_of(recipe: Recipe, index: int) -> int:
    """Class of subject `index`: each block of `len(classes)` subjects holds every class, in random order."""
    n_classes = len(recipe.classes)
    block = subject_streams(recipe, index // n_classes)["class"]
    return int(block.permutation(n_classes)[index % n_classes])


def scanner_of(recipe: Recipe, index: int) -> Scanner:
    """Scanner of subject `index`, drawn independently of the class unless the recipe says otherwise."""
    choices: Sequence[Scanner] = SCANNERS
    if recipe.scanner_by_class:
        choices = SCANNERS[label_of(recipe, index) :: len(recipe.classes)]
    return choices[int(subject_streams(recipe, index)["scanner"].integers(len(choices)))]


def scan_subject(recipe: Recipe, index: int, templates: Templates | None = None) -> Scan:
    """Make subject `index` of a recipe: about 0.1 s on one core. `templates` default to nilearn's."""
    templates = templates or load_templates()
    streams = subject_streams(recipe, index)
    label = label_of(recipe, index)
    pose = mri_anatomy.random_pose(streams["pose"])
    displacement = mri_anatomy.random_displacement(streams["shape"])
    tumour = random_tumour(templates, pose, streams["tumour"])
    grows = recipe.tumours and recipe.classes[label] == "tumour"
    if grows:
        push_aside(displacement, tumour)
    coordinates = mri_anatomy.template_coordinates(templates, pose, displacement)
    brain = mri_anatomy.sample(mri_anatomy.contrast_template(templates, streams["contrast"]), coordinates)
    if grows:
        paint(brain, tumour, templates, coordinates, streams["texture"])
    scanner = scanner_of(recipe, index)
    volume = acquire(brain, mri_anatomy.GRID_VOXEL_MM, scanner, streams["acquisition"])
    displayed = np.ascontiguousarray(volume[:, ::-1, ::-1])
    return Scan(displayed, scanner.voxel_mm, label, f"builtin-{recipe.seed}-{index:05d}", scanner.name)


def generate_dataset(
    n: int, recipe: Recipe, shape: Sequence[int], *, workers: int
) -> tuple[Dataset, list[Header]]:
    """Generate `n` subjects, over all classes, and resample them to one grid, untouched otherwise.

    Raw volumes never leave the process that made them, so `workers` volumes and the result are all that is
    held.

    Returns the dataset, `x` `[n, *shape, 1]` (depth, height, width) in the radiological convention, sites the
    scanners; and of each sample what its raw file would say: shape and voxel size, under the readers' names.
    """
    x = np.empty((n, *shape, 1), dtype=np.float32)
    y = np.empty(n, dtype=np.int64)
    subjects, sites, headers = [], [], []
    calls, templates = [(recipe, shape, index) for index in range(n)], load_templates()
    samples = map_processes(
        _sample, calls, workers=workers, description="Generating brains", shared=templates
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
