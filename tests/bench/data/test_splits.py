"""Folds: no leak, balanced, the same for ever, and the earlier ones kept when there are more."""

import numpy as np
import pytest

from bench.data.dataset import Dataset
from bench.data.splits import (
    Fold,
    assert_disjoint,
    count_inner_folds,
    divide,
    folds,
    inner_parts,
    leave_one_site_out,
    partition,
)
from bench.errors import UserError


def _dataset(y, subjects=None, **fields):
    y = np.asarray(y)
    subjects = np.arange(len(y)).astype(str) if subjects is None else np.asarray(subjects).astype(str)
    classes = tuple(f"c{index}" for index in range(y.max() + 1))
    return Dataset("toy", np.zeros((len(y), 1), np.float32), y, subjects, classes, "f", "", **fields)


def _messy(seed):
    """Subjects of 1 to 12 samples, classes of very different sizes."""
    rng = np.random.default_rng(seed)
    y, subjects = [], []
    for subject in range(150):
        label = rng.choice(4, p=(0.6, 0.25, 0.1, 0.05)) if subject > 19 else subject % 4
        count = rng.integers(1, 13)
        y += [label] * count
        subjects += [f"s{subject}"] * count
    return _dataset(y, subjects)


def _same(one, other):
    return all(
        np.array_equal(getattr(one, part), getattr(other, part)) for part in ("train", "validation", "test")
    )


def _ids(dataset, indices):
    return set(dataset.subjects[indices].tolist())


@pytest.mark.parametrize("seed", range(5))
def test_every_class_in_every_part_and_shares_alike(seed):
    dataset = _messy(seed)
    for fold in folds(dataset, 10, seed):
        for part in (fold.train, fold.validation, fold.test):
            assert set(dataset.y[part].tolist()) == {0, 1, 2, 3}
        for label in range(4):
            total = len(_ids(dataset, dataset.y == label))
            here = len(_ids(dataset, fold.test[dataset.y[fold.test] == label]))
            assert here in (total // 5, -(-total // 5))
        assert abs(len(fold.test) / len(dataset.y) - 0.2) < 0.03


def test_five_folds_test_each_subject_once_and_no_subject_is_in_two_parts():
    dataset = _messy(0)
    found = folds(dataset, 5, seed=3)
    assert sorted(np.concatenate([fold.test for fold in found]).tolist()) == list(range(len(dataset.y)))
    for index, fold in enumerate(found):
        sets = [_ids(dataset, part) for part in (fold.train, fold.validation, fold.test)]
        assert len(sets[0] | sets[1] | sets[2]) == sum(map(len, sets))
        assert np.array_equal(fold.validation, found[(index + 1) % 5].test)
        assert fold.train.dtype == np.int64


def test_more_folds_keep_the_earlier_ones_and_shuffle_anew():
    dataset = _messy(1)
    one, five, twelve = (folds(dataset, n, seed=7) for n in (1, 5, 12))
    assert _same(one[0], five[0])
    assert all(_same(a, b) for a, b in zip(five, twelve, strict=False))
    assert not _same(twelve[0], twelve[5])
    assert not _same(folds(dataset, 1, seed=8)[0], one[0])


def test_order_of_samples_does_not_matter():
    dataset = _messy(2)
    order = np.random.default_rng(0).permutation(len(dataset.y))
    shuffled = _dataset(dataset.y[order], dataset.subjects[order])
    for one, other in zip(folds(dataset, 6, 1), folds(shuffled, 6, 1), strict=True):
        for part in ("train", "validation", "test"):
            assert _ids(dataset, getattr(one, part)) == _ids(shuffled, getattr(other, part))


def test_folds_are_the_same_on_every_machine_and_in_every_version():
    fold = folds(_dataset([0, 1] * 10), 1, seed=1)[0]
    assert (fold.test.tolist(), fold.validation.tolist()) == ([10, 13, 16, 19], [0, 1, 6, 11])


def test_assignment_is_random():
    dataset = _dataset([0] * 100 + [1] * 100)
    times = np.zeros(200)
    for seed in range(100):
        times[folds(dataset, 1, seed)[0].test] += 1
    # 100 draws with probability 0.2: mean 20, standard deviation 4
    assert times.min() > 3
    assert times.max() < 39


def test_official_split_is_kept():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    test = np.arange(300) >= 200
    for fold in folds(_dataset(y, official_test=test), 8, seed=1):
        assert fold.test.tolist() == list(range(200, 300))
        assert abs(len(fold.validation) - 200 / 6) < 3
        assert len(fold.train) + len(fold.validation) == 200
    validation = (np.arange(300) >= 150) & ~test
    first, second = folds(_dataset(y, official_test=test, official_validation=validation), 2, seed=1)
    assert first.validation.tolist() == list(range(150, 200))
    assert _same(first, second)


def test_too_few_subjects_say_how_many_are_needed():
    y = [0] * 20 + [1] * 20
    subjects = [*range(20), *[100 + index % 4 for index in range(20)]]
    with pytest.raises(UserError, match="class 'c1': found 4 subjects to divide, expected at least 5"):
        folds(_dataset(y, subjects), 1, seed=0)
    with pytest.raises(UserError, match="FOLDS=0"):
        folds(_dataset([0, 1] * 10), 0, seed=0)


def test_ten_subjects_are_enough_beside_an_official_test_part():
    y = [0] * 6 + [1] * 2 + [2] * 2 + [0, 1, 2] * 5
    dataset = _dataset(y, official_test=np.arange(25) >= 10)
    fold = folds(dataset, 1, seed=0)[0]
    assert len(fold.test) == 15
    for part in (fold.train, fold.validation):
        assert set(dataset.y[part]) == {0, 1, 2}
    alone = _dataset([0, 0, 1] + [0, 1] * 5, official_test=np.arange(13) >= 3)
    with pytest.raises(UserError, match="class 'c1': found 1 subjects to divide, expected at least 2"):
        folds(alone, 1, seed=0)


def test_subjects_with_several_labels_stay_together():
    rng = np.random.default_rng(4)
    subjects = np.repeat(np.arange(60), 3)
    y = np.minimum(np.repeat(np.arange(60) % 2, 3) + rng.integers(0, 2, 180), 2)
    dataset = _dataset(y, subjects)
    for fold in folds(dataset, 5, seed=0):
        assert set(dataset.y[fold.test].tolist()) == {0, 1, 2}
        assert not _ids(dataset, fold.test) & _ids(dataset, fold.train)


def test_a_leak_is_never_passed_over():
    indices = [np.array([0, 1]), np.array([2]), np.array([3])]
    subjects = np.array(["a", "b", "c", "a"])
    with pytest.raises(AssertionError, match="subject a is in train and test"):
        assert_disjoint(Fold(*indices, "0"), subjects)
    with pytest.raises(AssertionError, match="validation is empty"):
        assert_disjoint(Fold(indices[0], np.array([], int), indices[2], "0"), subjects)
    leaky = _dataset([0, 1] * 20, [*range(39), 0], official_test=np.arange(40) >= 30)
    with pytest.raises(AssertionError, match="subject 0"):
        folds(leaky, 6, seed=0)


def test_leave_one_site_out():
    rng = np.random.default_rng(0)
    sites = np.array(["B", "A", "C"])[np.arange(120) % 3]
    subjects = np.arange(120)
    subjects[3] = subjects[1]  # one subject at A and at B
    dataset = _dataset(rng.integers(0, 2, 120), subjects, sites=sites)
    found = leave_one_site_out(dataset, seed=0)
    assert [fold.name for fold in found] == ["A", "B", "C"]
    for fold in found:
        assert set(sites[fold.test]) == {fold.name}
        assert (sites[fold.test].size) == 40
        assert fold.name not in set(sites[fold.train]) | set(sites[fold.validation])
        assert not _ids(dataset, fold.test) & (_ids(dataset, fold.train) | _ids(dataset, fold.validation))
    with pytest.raises(UserError, match="FOLDS=sites: found a dataset without sites"):
        leave_one_site_out(_dataset([0, 1] * 10), seed=0)
    few = _dataset([0, 1] * 10, sites=np.array(["A", "B"])[np.arange(20) // 14])
    assert {len(set(few.y[fold.validation])) for fold in leave_one_site_out(few, seed=0)} == {2}
    rare = _dataset([0] * 60 + [1] * 6, sites=np.array([*["A", "B", "C"] * 20, "A", *["B"] * 4, "C"]))
    inner = count_inner_folds(rare, {"seed": 0, "by": "site"})
    for fold in leave_one_site_out(rare, seed=0):  # without B, two subjects of class 1 are left
        for index in range(inner):
            parts = inner_parts(rare, fold, {"seed": 0, "inner": inner}, index)
            assert [set(rare.y[part]) for part in parts] == [{0, 1}, {0, 1}]
    alone = _dataset([0] * 12 + [1] * 2, sites=np.array(["A", "B"] * 7))
    with pytest.raises(UserError, match=r"^FOLDS=sites: outside of the site 'A', class .*: found 1 subjects"):
        leave_one_site_out(alone, seed=0)
    by_site = divide(dataset, 1, {"seed": 0, "by": "site"})
    assert all(_same(fold, other) for fold, other in zip(by_site, found, strict=True))
    assert len(divide(dataset, 4, {"seed": 0})) == 4


def test_thousands_of_subjects_are_dealt_evenly():
    y = np.random.default_rng(0).integers(0, 10, 9298)
    parts = partition(np.arange(9298).astype(str), y, 6, "k", range(10))
    counts = np.array([[np.sum((parts == part) & (y == label)) for label in range(10)] for part in range(6)])
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(axis=1)) <= 3


def test_an_official_validation_part_does_not_count_where_sites_are_left_out():
    n = 120
    dataset = _dataset(
        np.arange(n) % 2,
        sites=np.array(["A", "B", "C"])[np.arange(n) // 2 % 3],
        official_test=np.arange(n) >= 90,
        official_validation=(np.arange(n) >= 75) & (np.arange(n) < 90),
    )
    assert count_inner_folds(dataset, {"seed": 0}) == 1
    assert count_inner_folds(dataset, {"seed": 0, "by": "site"}) == 3
