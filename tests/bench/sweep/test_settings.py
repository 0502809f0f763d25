"""Parsing the variables: right values, defaults, and the command that repeats a sweep."""

import re

import pytest
from fake_workers import settings_for

from bench import tasks
from bench.errors import UserError
from bench.sweep import settings
from bench.tasks import Candidate
from bench.tasks.contract.plug_ins import find_candidates
from tuning.tuners import TUNERS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1d", 86400),
        (" 2H ", 7200),
        ("", None),
        (None, None),
    ],
)
def test_durations(text, seconds):
    assert settings.duration("BUDGET", text) == seconds


@pytest.mark.parametrize("text", ["2", "h", "2x", "2h foo", "1h 30m", "-1h", "0m", "1e3s", "inf", "nan"])
def test_wrong_durations(text):
    with pytest.raises(UserError, match=rf"^BUDGET={re.escape(text)}: found "):
        settings.duration("BUDGET", text)


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("7", 7), (" 7 ", 7), (7, 7), ("", 3), (None, 3)])
def test_whole_numbers(text, number):
    assert settings.whole_number("TRIALS", text, 3, 1, 10) == number


@pytest.mark.parametrize("text", ["0", "11", "-1", "1.0", "1e1", "ten", "0x3", "nan", "99999999999999999999"])
def test_wrong_whole_numbers(text):
    with pytest.raises(
        UserError, match=f"^TRIALS={text}: found '{text}'; expected a whole number from 1 to 10"
    ):
        settings.whole_number("TRIALS", text, 3, 1, 10)


def test_choices():
    assert settings.choice("TUNER", None, TUNERS, "random") == "random"
    assert settings.choice("TUNER", "grid", TUNERS, "random") == "grid"
    with pytest.raises(UserError, match=r"^TUNER=Grid: found 'Grid'; expected one of random"):
        settings.choice("TUNER", "Grid", TUNERS, "random")


def test_candidates_are_the_tasks_or_those_named_once_each():
    task = tasks.load("digits")
    assert find_candidates(None, task) == tuple(task.candidates)
    assert find_candidates("cnn, compact,cnn", task) == (Candidate("cnn"), Candidate("compact"))
    # Any architecture can be put to any task.
    assert find_candidates("resnet", task) == (Candidate("resnet"),)


def test_any_architecture_can_be_given_weights_to_start_from():
    chosen = find_candidates("late_fusion-phantom,vgg16-imagenet", tasks.load("mri"))
    assert chosen == (Candidate("late_fusion", "phantom"), Candidate("vgg16", "imagenet"))
    frozen = find_candidates("resnet-phantom-frozen,resnet-phantom", tasks.load("spect"))
    assert frozen == (Candidate("resnet", "phantom-frozen"), Candidate("resnet", "phantom"))
    assert [candidate.source for candidate in frozen] == ["phantom", "phantom"]
    for wrong in ("vgg16-", "vgg16-scratch", "vgg16-frozen", "-phantom", "vgg-phantom"):
        with pytest.raises(UserError, match=rf"^ARCH={wrong}: found '{wrong}'; expected some of "):
            find_candidates(wrong, tasks.load("mri"))
    with pytest.raises(UserError, match="TASK=digits has no generator"):
        find_candidates("cnn-phantom", tasks.load("digits"))


def test_preprocessing_is_chosen_by_name_and_what_is_usual_is_left_out():
    mri, spect = tasks.load("mri"), tasks.load("spect")
    assert settings.find_preprocessing(None, mri) == {}
    text = "shape=20x64x48, mask_background=off,gamma=0.8,contrast=window,bias_correction=on"
    assert settings.find_preprocessing(text, mri) == {
        "shape": [20, 64, 48],
        "mask_background": False,
        "gamma": 0.8,
        "bias_correction": True,
    }
    assert settings.find_preprocessing("crop=off,slices=30-41", spect) == {"crop": False, "slices": [30, 41]}
    # The last of two is the one that counts, back to the usual too.
    assert settings.find_preprocessing("crop=off,crop=on", spect) == {}


@pytest.mark.parametrize(
    ("task", "text", "message"),
    [
        ("mri", "depth=20", r"found 'depth'; expected shape, crop, resampling, "),
        ("mri", "shape=20x64", r"found shape '20x64'; expected numbers from 2 to 256, as in 14x64x64$"),
        ("mri", "shape=1x64x64", r"found shape '1x64x64'; expected numbers from 2 to 256"),
        ("mri", "contrast", r"found contrast ''; expected one of none, window, equalise$"),
        ("mri", "gamma=nan", r"found gamma 'nan'; expected a number above 0$"),
        ("mri", "crop=yes", r"found crop 'yes'; expected on or off$"),
        ("spect", "slices=41-30", r"found slices '41-30'; expected the first and the last slice"),
        ("digits", "crop=on", r"found 'crop'; expected nothing: this task has no choices$"),
    ],
)
def test_preprocessing_that_cannot_be_is_named(task, text, message):
    with pytest.raises(UserError, match=rf"^PREPROCESS={text}: {message}"):
        settings.find_preprocessing(text, tasks.load(task))


@pytest.mark.parametrize("task", ["spect", "mri"])
def test_every_choice_of_preprocessing_can_be_made_again_by_name(task, tmp_path):
    task = tasks.load(task)
    assert set(task.preprocessing) <= set(task.preprocessing_options)
    for name, value in task.preprocessing.items():
        assert task.preprocessing_options[name].default == value
    for text in ("crop=off", "normalisation=none,crop=off"):
        chosen = settings_for(tmp_path, task=task, preprocess=settings.find_preprocessing(text, task))
        (word,) = [word for word in chosen.command().split() if word.startswith("PREPROCESS=")]
        assert settings.find_preprocessing(word.partition("=")[2], task) == chosen.preprocess
        assert chosen.preprocessing == {**task.preprocessing, **chosen.preprocess}


def test_the_command_names_what_differs_from_the_preset(tmp_path):
    plain = settings_for(tmp_path, candidates=tuple(tasks.load("digits").candidates), seeds=2)
    assert plain.command() == "make bench TASK=digits PRESET=smoke"
    sites = settings_for(tmp_path, candidates=plain.candidates, seeds=2, folds=6, by_site=True)
    assert sites.command() == "make bench TASK=digits PRESET=smoke FOLDS=sites"
    changed = settings_for(
        tmp_path, candidates=(Candidate("cnn"),), tuner="grid", trials=9, seeds=3, data="/a/usps"
    )
    words = changed.command().split()
    assert words[:4] == ["make", "bench", "TASK=digits", "PRESET=smoke"]
    assert {"ARCH=cnn", "TUNER=grid", "TRIALS=9", "SEEDS=3"} <= set(words)
