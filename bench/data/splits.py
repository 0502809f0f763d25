"""Folds: divisions of the subjects into train, validation and test, on which every number rests."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from bench.data.dataset import Dataset
from bench.errors import UserError

N_PARTS = 5
INNER_FOLDS = 3
ENOUGH = 100  # validation subjects
N_PARTS_OFFICIAL = 6  # with an official test set, validation takes a sixth of the training images


@dataclass(frozen=True)
class Fold:
    """Sample indices, int64 and ascending, of the three parts; `name` is `0`, `1`, … or a site."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    name: str


def folds(dataset: Dataset, n_folds: int, seed: int) -> list[Fold]:
    """Divide the subjects into grouped, stratified folds.

    The subjects are dealt into five parts; fold k tests part k and validates on part k + 1 (modulo 5).
    Folds beyond the fifth come from further shuffles, so that a larger `n_folds` keeps all earlier folds.
    With an official test set, every fold tests that; validation is the official one, else the k-th of six
    parts of the training subjects (of fewer, at least two, where a class has fewer subjects). The result
    depends on subject ids and seed, not on the order of samples.

    Raises UserError: a class has fewer subjects than there are parts, or `n_folds` is below 1.
    """
    if n_folds < 1:
        raise UserError(f"FOLDS={n_folds}: found less than one fold, expected 1 or more")
    test, validation = _marked(dataset.official_test), _marked(dataset.official_validation)
    pool = np.setdiff1d(np.arange(len(dataset.y)), np.concatenate([test, validation]))
    subjects = dataset.subjects.astype(str)
    n_parts = _official_parts(subjects[pool], dataset.y[pool]) if len(test) else N_PARTS

    @cache
    def deal(repetition: int) -> np.ndarray:
        return partition(subjects[pool], dataset.y[pool], n_parts, f"{seed}/{repetition}", dataset.classes)

    result = []
    for k in range(n_folds):
        chosen = (pool, validation, test)
        if not (len(test) and len(validation)):
            repetition, k_part = divmod(k, n_parts)
            parts = deal(repetition)
            rest, held_out = pool[parts != k_part], pool[parts == k_part]
            if len(test):
                chosen = (rest, held_out, test)
            elif len(validation):
                chosen = (rest, validation, held_out)
            else:
                next_part = (k_part + 1) % n_parts
                rest = pool[(parts != k_part) & (parts != next_part)]
                chosen = (rest, pool[parts == next_part], held_out)
        result.append(_fold(*chosen, str(k), subjects))
    return result


def _official_parts(subjects: np.ndarray, y: np.ndarray) -> int:
    """Parts of which one validates, every class in each: a few subjects may be all there is to learn from."""
    fewest = min((len(np.unique(subjects[y == label])) for label in np.unique(y)), default=0)
    return max(2, min(N_PARTS_OFFICIAL, fewest))


def leave_one_site_out(dataset: Dataset, seed: int) -> list[Fold]:
    """Make a fold for each site, in alphabetical order, that tests all of its samples.

    The other sites' subjects are divided into six parts, the first for validation (into fewer, at least two,
    where a class has fewer subjects). Subjects seen at several sites are left out of training where one of
    their sites is tested. An official split is not looked at.

    Raises UserError: no sites, only one, or too few subjects of a class at the others.
    """
    if dataset.sites is None:
        raise UserError("FOLDS=sites: found a dataset without sites; expected a column `site` in labels.csv")
    sites, subjects = dataset.sites.astype(str), dataset.subjects.astype(str)
    names = sorted(map(str, set(sites)))
    if len(names) < 2:
        raise UserError(
            f"FOLDS=sites: found only the site {names[0]!r}; expected two or more to leave one out"
        )
    result = []
    for site in names:
        test = sites == site
        pool = np.flatnonzero(~test & ~np.isin(subjects, np.unique(subjects[test])))
        n_parts = _official_parts(subjects[pool], dataset.y[pool])
        try:
            parts = partition(
                subjects[pool], dataset.y[pool], n_parts, f"{seed}/without {site}", dataset.classes
            )
        except UserError as error:
            raise UserError(f"FOLDS=sites: outside of the site {site!r}, {error}") from None
        result.append(_fold(pool[parts != 0], pool[parts == 0], np.flatnonzero(test), site, subjects))
    return result


def divide(dataset: Dataset, n_folds: int, splits: dict[str, Any]) -> list[Fold]:
    """Make the folds that a sweep's identity describes: `n_folds`, by `seed` of `splits`, or one for each site.

    Raises UserError: see `folds` and `leave_one_site_out`.
    """
    if splits.get("by") == "site":
        return leave_one_site_out(dataset, splits["seed"])
    return folds(dataset, n_folds, splits["seed"])


def count_inner_folds(dataset: Dataset, splits: dict[str, Any]) -> int:
    """Into how many inner folds training and validation subjects are divided to score a trial.

    One, the validation part alone, where that is official (a fold that tests a site has its own) or has `ENOUGH`
    subjects: there a choice rests on more than noise. Else `INNER_FOLDS`, or as many as the rarest class has
    subjects.
    """
    found = divide(dataset, 1, splits)  # one, or one for each site
    is_official = splits.get("by") != "site" and len(_marked(dataset.official_validation)) > 0
    if is_official or min(len(np.unique(dataset.subjects[fold.validation])) for fold in found) >= ENOUGH:
        return 1
    counts = []
    for fold in found:
        seen = np.concatenate([fold.train, fold.validation])
        y, subjects = dataset.y[seen], dataset.subjects[seen]
        counts += [len(np.unique(subjects[y == label])) for label in np.unique(dataset.y)]
    return max(min(INNER_FOLDS, *counts), 1)


def inner_parts(
    dataset: Dataset, fold: Fold, splits: dict[str, Any], index: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sample indices to train a trial on and to score it by: the fold's own, or those of an inner fold.

    Inner folds divide the subjects of training and validation parts, so that each validates once.
    """
    n_parts = splits.get("inner", 1)
    if n_parts == 1:
        return fold.train, fold.validation
    seen = np.sort(np.concatenate([fold.train, fold.validation]))
    subjects = dataset.subjects.astype(str)
    key = f"{splits['seed']}/inner of {fold.name}"
    parts = partition(subjects[seen], dataset.y[seen], n_parts, key, dataset.classes)
    chosen = _fold(seen[parts != index], seen[parts == index], fold.test, fold.name, subjects)
    return chosen.train, chosen.validation


class LeakError(UserError, AssertionError):
    """A subject in two parts of a fold, or a part without any: a task's official split, or a defect of ours."""


def assert_disjoint(fold: Fold, subjects: np.ndarray) -> None:
    """Make sure that no subject, and so no sample, is in two parts of a fold, and that none is empty.

    Raises LeakError: one is; never optimised away.
    """
    parts = {"train": fold.train, "validation": fold.validation, "test": fold.test}
    owner: dict[str, str] = {}
    for name, indices in parts.items():
        if not len(indices):
            raise LeakError(f"fold {fold.name}: {name} is empty")
        if len(np.unique(indices)) != len(indices):
            raise LeakError(f"fold {fold.name}: {name} holds a sample twice")
        for subject in np.unique(subjects[indices].astype(str)):
            if owner.setdefault(subject, name) != name:
                raise LeakError(f"fold {fold.name}: subject {subject} is in {owner[subject]} and {name}")


def partition(
    subjects: np.ndarray, y: np.ndarray, n_parts: int, key: str, classes: Sequence[object]
) -> np.ndarray:
    """Deal subjects into parts of equal class shares; return the part of each sample, int64 `[n]`.

    Greedy and deterministic, in the spirit of iterative stratification (Sechidis et al. 2011, ECML PKDD,
    algorithm 1): the rarest class is dealt first, subjects of many samples before those of few, each to
    the part with the fewest subjects of its class, then the fewest samples. So the parts differ by at most
    one subject of each class, where a subject has one class. Ties, and who goes where, hang on hashes of
    `key` and the subject ids.

    Raises UserError: a class has fewer subjects than there are parts.
    """
    ids, inverse = np.unique(subjects.astype(str), return_inverse=True)
    n_classes = len(classes)
    samples = np.zeros((len(ids), n_classes), dtype=np.int64)
    np.add.at(samples, (inverse, y), 1)
    has = samples > 0
    n_subjects = has.sum(axis=0)
    for index in range(n_classes):
        if n_subjects[index] < n_parts:
            raise UserError(
                f"class {classes[index]!r}: found {n_subjects[index]} subjects to divide, expected at least "
                f"{n_parts}, one for each of {n_parts} parts"
            )
    rarity = [int(index) for index in np.lexsort((np.arange(n_classes), n_subjects))]
    random = [hashlib.sha256(f"{key}\0{name}".encode()).digest() for name in ids]
    total = samples.sum(axis=1)
    order = sorted(
        range(len(ids)),
        key=lambda index: (int(np.argmax(has[index, rarity])), -int(total[index]), random[index]),
    )
    # the parts' own order is shuffled too, or part 0 would always get the odd subject
    part_order = sorted(
        range(n_parts), key=lambda part: hashlib.sha256(f"{key}\0part {part}".encode()).digest()
    )
    placed_subjects = np.zeros((n_parts, n_classes), dtype=np.int64)
    placed_samples = np.zeros((n_parts, n_classes), dtype=np.int64)
    part_of = np.zeros(len(ids), dtype=np.int64)
    for index in order:
        own = [c for c in rarity if has[index, c]]
        best = min(
            part_order,
            key=lambda part: (
                *(int(placed_subjects[part, c]) for c in own),
                *(int(placed_samples[part, c]) for c in own),
                int(placed_samples[part].sum()),
            ),
        )
        part_of[index] = best
        placed_subjects[best] += has[index]
        placed_samples[best] += samples[index]
    if not (placed_subjects > 0).all():
        part, c = (int(value) for value in np.argwhere(placed_subjects == 0)[0])
        raise UserError(
            f"class {classes[c]!r}: found no subject for part {part} of {n_parts}, expected more subjects"
        )
    return part_of[inverse]


def _marked(mask: np.ndarray | None) -> np.ndarray:
    return np.flatnonzero([] if mask is None else mask)


def _fold(
    train: np.ndarray, validation: np.ndarray, test: np.ndarray, name: str, subjects: np.ndarray
) -> Fold:
    train, validation, test = (np.sort(part).astype(np.int64) for part in (train, validation, test))
    fold = Fold(train, validation, test, name)
    assert_disjoint(fold, subjects)
    return fold
