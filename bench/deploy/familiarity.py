"""Is a scan like those that a network knows? Its grey values, voxel size, and place in the network's features.

A network answers whatever it is shown. What a report says of it holds for scans like the tested ones, so these
draw the line: a scan is unlike the known ones where it lies farther from the training samples, in the features
before the head, than nearly all of the samples that training had not seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.deploy.saved_network import TEMPERATURE, Network
from bench.errors import UserError

if TYPE_CHECKING:
    import keras

FILE = "known.npz"
ALARMS = 0.01  # share of samples like the known ones that are to be called unlike
_QUANTILES = (0.01, 0.5, 0.99)
_VALUES = 20_000  # of a sample that its quantiles are taken from, at least
_MARGIN = 0.25  # beyond the known range, in known widths of grey values
_SPACING_MARGIN = 0.1
_BLOCK = 32


@dataclass(frozen=True)
class Known:
    """What samples were like, without the samples."""

    features: np.ndarray  # float32 `[n, f]` of the training samples
    limits: np.ndarray  # `[2]`, of the two distances from them (`distances`)
    grey: np.ndarray  # `[2, 3]`, lowest and highest of the 1st, 50th and 99th percentile of stored samples
    # `[2, 3]` or `[2, 2]`, smallest and largest voxel size along each axis; None where not known.
    spacing_mm: np.ndarray | None = None

    def distances(self, features: np.ndarray) -> np.ndarray:
        """How far features `[m, f]` are from the known ones, in limits, `[m]`: above 1 they are unlike them."""
        return (distances(self.features, features) / self.limits).max(axis=1)


def learn(
    network: Network,
    prepared: np.ndarray,
    stored: np.ndarray,
    training: np.ndarray,
    unseen: np.ndarray,
    headers: Sequence[dict[str, Any]] = (),
) -> Known:
    """Note what the known samples are like.

    `prepared` and `stored` are all samples `[n, ...]`, as the network sees them and as they were before;
    `training` and `unseen` indices of those that the network was trained on, and of others; `headers`, which
    may be empty, facts of each sample's file.
    """
    features = features_of(network, prepared, training).astype(np.float32)
    found = distances(features, features_of(network, prepared, unseen))
    usual = np.maximum(np.quantile(found, 0.95, axis=0), 1e-12)  # brings both to one scale
    both = np.concatenate([training, unseen])
    quantiles = np.array([grey_quantiles(stored[index]) for index in both])
    sizes = [spacing_of(headers[index]) for index in both] if headers else [()]
    same = len({len(size) for size in sizes}) == 1 and sizes[0]
    return Known(
        features,
        usual * threshold_of((found / usual).max(axis=1)),
        np.stack([quantiles.min(axis=0), quantiles.max(axis=0)]),
        np.stack([np.min(sizes, axis=0), np.max(sizes, axis=0)]) if same else None,
    )


def threshold_of(distances: np.ndarray) -> float:
    """The distance that a further sample of the same kind exceeds with a chance of `ALARMS`.

    An order statistic (Vovk et al. 2005, "Algorithmic learning in a random world", split conformal); of fewer
    than 99 distances the largest, which one in n + 1 exceeds.
    """
    rank = int(np.ceil((len(distances) + 1) * (1 - ALARMS)))
    return float(np.sort(distances)[min(rank, len(distances)) - 1])


def distances(known: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Two distances of features `[m, f]` from known ones `[n, f]`, `[m, 2]`; each sees what the other does not.

    Mahalanobis' from their mean (Lee et al. 2018, "A simple unified framework for detecting out-of-distribution
    samples", NeurIPS), with the covariance of Ledoit and Wolf 2004; and, of features normalised to length 1, that
    to the k-th nearest, k the root of n (Sun et al. 2022, "Out-of-distribution detection with deep nearest
    neighbors", ICML).
    """
    from sklearn.covariance import LedoitWolf
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    spread = np.sqrt(LedoitWolf().fit(known).mahalanobis(features))
    neighbours = NearestNeighbors(n_neighbors=max(1, int(np.sqrt(len(known))))).fit(normalize(known))
    return np.stack([spread, neighbours.kneighbors(normalize(features))[0][:, -1]], axis=1)


def features_of(network: Network, x: np.ndarray, indices: np.ndarray | None = None) -> np.ndarray:
    """What the last dense layer is fed for prepared samples, `[n, f]`; of several networks the first one's.

    Where the head sees each slice of a volume, the mean over its slices.
    """
    chosen, body = np.arange(len(x)) if indices is None else indices, _body(network)
    found = []
    for start in range(0, len(chosen), _BLOCK):
        block = np.asarray(x[chosen[start : start + _BLOCK]], np.float32)
        part = np.asarray(body(block.reshape(-1, *body.input_shape[1:]), training=False))
        found.append(part.reshape(len(block), -1, part.shape[-1]).mean(axis=1))
    return np.concatenate(found)


def _body(network: Network) -> "keras.Model":
    import keras

    model = network.models[0]
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    return keras.Model(model.input, (dense[-1] if dense else model.get_layer(TEMPERATURE)).input)


def grey_quantiles(sample: np.ndarray) -> np.ndarray:
    """1st, 50th and 99th percentile of a stored sample's values, of a part of them where there are many."""
    values = np.ravel(sample)
    return np.quantile(values[:: max(1, values.size // _VALUES)], _QUANTILES)


def spacing_of(facts: dict[str, Any]) -> tuple[float, ...]:
    """Voxel size that a file states, ascending, since how a scan lay in its file is not asked; () if none."""
    found = (facts.get(f"stored_spacing_{axis}_mm") for axis in "ijk")
    return tuple(sorted(float(size) for size in found if size is not None))


def warnings(
    known: Known, features: np.ndarray, stored: np.ndarray, headers: Sequence[dict[str, Any]]
) -> list[list[str]]:
    """What is unlike the known samples, in words, for each scan.

    `features` and `stored` are those of the scans, `[m, f]` and `[m, ...]`; `headers` facts of their files.
    """
    found = []
    width = max(float(known.grey[1].max() - known.grey[0].min()), 1e-6)
    for distance, sample, facts in zip(known.distances(features), stored, headers, strict=True):
        said = []
        if distance > 1:
            said.append(f"unlike the training data: distance {distance:.2f} times the usual limit")
        quantiles = grey_quantiles(sample)
        low, high = known.grey[0] - _MARGIN * width, known.grey[1] + _MARGIN * width
        if ((quantiles < low) | (quantiles > high)).any():
            said.append(
                f"grey values {_span(quantiles[0], quantiles[2])} outside of the known "
                f"{_span(known.grey[0][0], known.grey[1][2])}"
            )
        if known.spacing_mm is not None:
            said += _spacing_warning(known.spacing_mm, facts)
        found.append(said)
    return found


def _spacing_warning(known: np.ndarray, facts: dict[str, Any]) -> list[str]:
    size = np.array(spacing_of(facts))
    if not size.size:
        return ["voxel size not in the file, assumed as in the training data"]
    if size.shape != known[0].shape:
        return []
    low, high = known[0] * (1 - _SPACING_MARGIN), known[1] * (1 + _SPACING_MARGIN)
    if ((size >= low) & (size <= high)).all():
        return []
    limits = [f"{a:.3g}" if np.isclose(a, b) else f"{a:.3g}-{b:.3g}" for a, b in known.T]
    return [f"voxel size {' x '.join(f'{value:.3g}' for value in size)} mm, known {' x '.join(limits)} mm"]


def _span(low: float, high: float) -> str:
    return f"{low:.3g} to {high:.3g}"


def save(known: Known, folder: Path) -> None:
    """Write it beside a saved network."""
    arrays: dict[str, Any] = {name: array for name, array in vars(known).items() if array is not None}
    np.savez(folder / FILE, **arrays)


def load(folder: Path, network: Network) -> Known | None:
    """Read what `save` has written of a network; None where there is none.

    Raises UserError: the file is damaged, or another network's.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            known = Known(**stored)
        shapes = [known.features.shape[1:], known.limits.shape, known.grey.shape]
        spacing = known.spacing_mm is None or known.spacing_mm.shape in ((2, 2), (2, 3))
    except Exception as error:  # whatever a damaged archive raises
        raise UserError(
            f"{path}: found a damaged file ({type(error).__name__}); expected it as exported"
        ) from error
    width = _body(network).output_shape[-1]
    if shapes != [(width,), (2,), (2, 3)] or not spacing:
        raise UserError(f"{path}: found features of another network; expected {width} a sample")
    return known
