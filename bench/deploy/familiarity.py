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

from bench.data.formats import read
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
    """What samples were like, without the samples.

    Attributes
    ----------
    features : float32 `[n, f]` of the training samples, divided by `scale`.
    scale : `[f]`, standard deviation of each feature over them.
    threshold : of the distance to the `neighbours`-th nearest of them (`distances`).
    grey : `[2, 3]`, lowest and highest of the 1st, 50th and 99th percentile of stored samples.
    spacing_mm : `[2, 3]` or `[2, 2]`, smallest and largest voxel size along each axis; None where not known.
    """

    features: np.ndarray
    scale: np.ndarray
    threshold: float
    grey: np.ndarray
    spacing_mm: np.ndarray | None = None

    @property
    def neighbours(self) -> int:
        return _neighbours(len(self.features))

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Distance of features `[m, f]` from the known ones, `[m]`; see `neighbour_distances`."""
        return neighbour_distances(features / self.scale, self.features)


def learn(
    network: Network,
    prepared: np.ndarray,
    stored: np.ndarray,
    training: np.ndarray,
    unseen: np.ndarray,
    headers: Sequence[dict[str, Any]] = (),
) -> Known:
    """Note what the known samples are like.

    Parameters
    ----------
    prepared, stored : all samples `[n, ...]`, as the network sees them and as they were before.
    training, unseen : indices of the samples that the network was trained on, and of others.
    headers : facts of each sample's file; may be empty.
    """
    features = features_of(network, prepared, training)
    scale = np.maximum(features.std(axis=0), 1e-6 + 0.01 * features.std())
    reference = (features / scale).astype(np.float32)
    others = neighbour_distances(features_of(network, prepared, unseen) / scale, reference)
    both = np.concatenate([training, unseen])
    quantiles = np.array([grey_quantiles(stored[index]) for index in both])
    sizes = [spacing_of(headers[index]) for index in both] if headers else [()]
    same = len({len(size) for size in sizes}) == 1 and sizes[0]
    return Known(
        reference,
        scale.astype(np.float32),
        threshold_of(others),
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


def _neighbours(n: int) -> int:
    return max(1, int(np.sqrt(n)))


def neighbour_distances(features: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Distance `[m]` to the k-th nearest of n reference features, k the root of n.

    Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors", ICML; of standardised features
    rather than normalised ones, so that a vanishing answer of all features is noticed too.
    """
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=_neighbours(len(reference))).fit(reference)
    return found.kneighbors(np.asarray(features, np.float32))[0][:, -1]


def features_of(network: Network, x: np.ndarray, indices: np.ndarray | None = None) -> np.ndarray:
    """What the head is fed for prepared samples, `[n, f]`: of several networks side by side.

    Where the head sees each slice of a volume, the mean over its slices.
    """
    chosen = np.arange(len(x)) if indices is None else indices
    bodies = [_body(model) for model in network.models]
    found = []
    for start in range(0, len(chosen), _BLOCK):
        block = np.asarray(x[chosen[start : start + _BLOCK]], np.float32)
        each = [np.asarray(body(block.reshape(-1, *body.input_shape[1:]), training=False)) for body in bodies]
        found.append(
            np.concatenate([part.reshape(len(block), -1, part.shape[-1]).mean(1) for part in each], 1)
        )
    return np.concatenate(found)


def _body(model: "keras.Model") -> "keras.Model":
    """The model up to the input of its last dense layer; up to its logits where it has none."""
    import keras

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
    known: Known, features: np.ndarray, stored: np.ndarray, paths: Sequence[Path]
) -> list[list[str]]:
    """What is unlike the known samples, in words, for each scan.

    Parameters
    ----------
    features, stored : `[m, f]` and `[m, ...]`, of the scans.
    paths : their files, which are asked for their voxel size.
    """
    found = []
    width = max(float(known.grey[1].max() - known.grey[0].min()), 1e-6)
    for distance, sample, path in zip(known.distances(features), stored, paths, strict=True):
        said = []
        if distance > known.threshold:
            said.append(
                f"unlike the training data: distance {distance / known.threshold:.2f} times the usual limit"
            )
        quantiles = grey_quantiles(sample)
        low, high = known.grey[0] - _MARGIN * width, known.grey[1] + _MARGIN * width
        if ((quantiles < low) | (quantiles > high)).any():
            said.append(
                f"grey values {_span(quantiles[0], quantiles[2])} outside of the known "
                f"{_span(known.grey[0][0], known.grey[1][2])}"
            )
        if known.spacing_mm is not None:
            said += _spacing_warning(known.spacing_mm, path)
        found.append(said)
    return found


def _spacing_warning(known: np.ndarray, path: Path) -> list[str]:
    size = np.array(spacing_of(read(path).facts))
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
    spacing: dict[str, Any] = {} if known.spacing_mm is None else {"spacing_mm": known.spacing_mm}
    np.savez(
        folder / FILE,
        features=known.features,
        scale=known.scale,
        threshold=known.threshold,
        grey=known.grey,
        **spacing,
    )


def load(folder: Path) -> Known | None:
    """Read what `save` has written; None where there is none.

    Raises
    ------
    UserError : the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            return Known(
                stored["features"],
                stored["scale"],
                float(stored["threshold"]),
                stored["grey"],
                stored["spacing_mm"] if "spacing_mm" in stored.files else None,
            )
    except Exception as error:  # whatever a damaged archive raises
        raise UserError(
            f"{path}: found a damaged file ({type(error).__name__}); expected it as exported"
        ) from error
