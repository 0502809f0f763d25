"""`images` and `volumes`: a folder of one's own, and what its `task.toml` may say."""

import os

import nibabel
import numpy as np
import pytest
from PIL import Image

from bench import tasks
from bench.commands.arguments import read_settings
from bench.commands.main import _parser
from bench.data.caches.cached_dataset import open_cached
from bench.data.folders.items import in_order
from bench.errors import UserError


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})


@pytest.fixture
def pictures(tmp_path):
    """Three of each class: grey and colour, PNG and JPEG, of two sizes."""
    rng = np.random.default_rng(0)
    for number in range(6):
        place = tmp_path / "study" / ("benign", "malignant")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        shape = (40, 60, 3) if number < 4 else (20, 30)
        image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
        image.save(place / f"{number}.{'png' if number < 3 else 'jpg'}")
    return tmp_path / "study"


def settings_of(task, folder, *options):
    return read_settings(_parser().parse_args(["bench", task, "--data", str(folder), *options]))


def loaded(settings, tmp_path):
    data = str(settings.data)
    return open_cached(settings.task.load(data, tmp_path, tmp_path / "cache", settings.preprocessing))


def test_images_of_mixed_sizes_and_colours_keep_their_proportions(pictures, tmp_path):
    settings = settings_of("images", pictures)
    dataset = loaded(settings, tmp_path)
    assert dataset.x.shape == (6, 40, 60, 1)  # no finer than they are
    assert dataset.classes == ("benign", "malignant")
    assert [c.architecture for c in settings.candidates] == ["cnn", "resnet", "vgg16"]
    prepared = settings.task.prepare(dataset.x, settings.preprocessing)
    np.testing.assert_allclose(prepared.mean(axis=(1, 2, 3)), 0, atol=1e-4)
    files = sorted(pictures.rglob("*.*"))
    np.testing.assert_array_equal(settings.task.read(files, settings.preprocessing), dataset.x)


def test_task_toml_chooses(pictures, tmp_path):
    (pictures / "task.toml").write_text(
        'title = "Moles"\nsize = [16, 16]\ncrop = 0.9\ncolour = true\nfolds = 3\nmetric = "auc"\n'
        'candidates = ["vit", "cnn-imagenet"]\nnormalisation = "none"\n'
    )
    settings = settings_of("images", pictures)
    assert (settings.task.title, settings.task.metric, settings.folds) == ("Moles", "auc", 3)
    assert [c.name for c in settings.candidates] == ["vit", "cnn-imagenet"]
    dataset = loaded(settings, tmp_path)
    assert dataset.x.shape == (6, 16, 16, 3)
    grey = [str(s).endswith(("/4", "/5")) for s in dataset.subjects]
    assert (np.ptp(dataset.x[grey], axis=-1) < 1e-3).all()
    assert (np.ptp(dataset.x[~np.array(grey)], axis=-1) > 1).any()
    # 54 of 60 columns fill the 16 of the grid; all 40 rows, 12 of them.
    first = dataset.x[~np.array(grey)][0]
    assert (first[:2] == first.min(axis=(0, 1))).all()
    assert settings_of("images", pictures, "--folds", "2", "--preset", "smoke").folds == 2
    chosen = settings_of("images", pictures, "--preprocess", "size=20x24,crop=0.75,normalisation=none")
    assert chosen.preprocess == {"size": [20, 24], "crop": 0.75}
    assert "PREPROCESS=size=20x24,crop=0.75" in chosen.command()


def test_the_metric_may_be_the_sensitivity_of_a_class_by_name(pictures):
    classes = sorted(path.name for path in pictures.iterdir() if path.is_dir())
    for column, label in enumerate(classes):
        (pictures / "task.toml").write_text(f'metric = "sensitivity:{label}"\n')
        assert settings_of("images", pictures).task.metric == f"sensitivity[{column}]"
    (pictures / "task.toml").write_text('metric = "sensitivity:nobody"\n')
    with pytest.raises(UserError, match=f"found metric = 'sensitivity:nobody'.*sensitivity:{classes[0]}"):
        settings_of("images", pictures)


def test_classes_that_are_numbers_have_their_order_and_others_can_be_given_one(pictures, tmp_path):
    for number, (old, new) in enumerate([("benign", "2"), ("malignant", "10")]):
        (pictures / old).rename(pictures / new)
        (pictures / "1").mkdir(exist_ok=True)
        Image.new("L", (20, 30), 50 + number).save(pictures / "1" / f"more-{number}.png")
    kappa = 'metric = "quadratic_weighted_kappa"\n'
    (pictures / "task.toml").write_text(kappa)
    assert loaded(settings_of("images", pictures), tmp_path).classes == ("1", "2", "10")
    (pictures / "1").rename(pictures / "none")
    with pytest.raises(
        UserError, match=r"task.toml: found metric = 'quadratic_weighted_kappa', .* with 10, 2, none in"
    ):
        settings_of("images", pictures)
    (pictures / "task.toml").write_text(kappa + 'classes = ["none", "2", "10"]\n')
    settings = settings_of("images", pictures)
    assert loaded(settings, tmp_path).classes == ("none", "2", "10")
    (pictures / "task.toml").write_text('classes = ["none", 10, 2]\nmetric = "sensitivity:2"\n')
    assert settings_of("images", pictures).task.metric == "sensitivity[2]"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("10", "2", "1.5"), ("1.5", "2", "10")),
        (("nan", "2", "10"), ("10", "2", "nan")),
        (("1", "01", "0"), ("0", "01", "1")),
        (("b", "a", "a"), ("a", "b")),
    ],
)
def test_the_order_of_labels_is_that_of_numbers_or_of_the_alphabet(labels, expected):
    assert in_order(labels) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('metric = "sensitivity:x"\nclasses = ["benign", "x"]', r"found classes = \['benign', 'x'\]"),
        (
            'classes = ["benign"]',
            r"found classes = \['benign'\]; expected benign, malignant in brackets, in their order",
        ),
        ("size = [16]", r"found size = \[16\]; expected 2 whole numbers from 8 to 1024"),
        ("size = [16, 4]", r"found size = \[16, 4\]"),
        ("size = 16", "found size = 16"),
        ("crop = 0", "found crop = 0; expected a number above 0, at most 1"),
        ("crop = true", "found crop = True"),
        ("folds = 2.5", "found folds = 2.5; expected a whole number from 1 to 100"),
        ('metric = "calibration_error"', "found metric = 'calibration_error'; expected one of accuracy"),
        ('metric = "f1"', "found metric = 'f1'; expected one of accuracy, balanced_accuracy"),
        ('colour = "yes"', "found colour = 'yes'; expected true or false"),
        ('title = ""', "found title = ''; expected a text"),
        ('normalisation = "minmax"', "expected one of zscore, percentile, none"),
        ("epochs = 3", "found 'epochs'; expected some of title, size, crop"),
        ("size = ", "found no TOML"),
        (
            'candidates = ["cnn", "alexnet"]',
            "task.toml: candidates=cnn,alexnet: found 'alexnet'; expected some of",
        ),
        ("candidates = []", r"found candidates = \[\]; expected names of architectures"),
    ],
)
def test_what_task_toml_cannot_say_is_told_in_a_line(pictures, text, message):
    (pictures / "task.toml").write_text(text)
    with pytest.raises(UserError, match=f"task.toml: .*{message}|{message}") as caught:
        settings_of("images", pictures)
    assert "\n" not in str(caught.value)


def test_volumes_of_mixed_sizes_and_spacings(tmp_path):
    for number, (shape, mm) in enumerate([((20, 24, 10), (2, 2, 4)), ((40, 48, 20), (1, 1, 2))] * 2):
        place = tmp_path / "scans" / ("a", "b")[number // 2]
        place.mkdir(parents=True, exist_ok=True)
        ramp = np.broadcast_to(np.linspace(5, 6, shape[2]), shape).astype(np.float32) + number
        nibabel.save(nibabel.Nifti1Image(ramp, np.diag([*mm, 1.0])), place / f"{number}.nii")
    settings = settings_of("volumes", tmp_path / "scans")
    assert settings.preprocessing["size"] == [28, 32, 28]  # 40 x 48 x 40 mm, depth first
    dataset = loaded(settings, tmp_path)
    assert dataset.x.shape == (4, 28, 32, 28, 1)
    middle = np.asarray(dataset.x[:, 2:-2, 14, 16, 0])
    np.testing.assert_allclose(middle[1] - middle[0], 1, atol=0.1)  # the same field of view
    assert [c.architecture for c in settings.candidates] == ["cnn_3d", "early_fusion", "single_slice"]


@pytest.mark.parametrize("name", ["images", "volumes"])
def test_without_data_a_line_says_what_to_give(name, tmp_path):
    with pytest.raises(
        UserError, match=rf"^TASK={name}: found no DATA; expected DATA=folder with labels\.csv"
    ):
        tasks.load(name).load(None, tmp_path, tmp_path / "cache")


def test_volumes_are_no_images(pictures, tmp_path):
    with pytest.raises(UserError, match="found an image of 40x60, expected a volume"):
        loaded(settings_of("volumes", pictures), tmp_path)
