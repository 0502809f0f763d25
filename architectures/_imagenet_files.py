"""Where the weights of `keras.applications` lie; without Keras, so that a sweep can ask at once."""

import os
from pathlib import Path

FILES = {
    "vgg16": "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "resnet50": "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
}


def find(kind: str, weights: str | Path | None = None) -> Path:
    """Return the path of a weights file.

    Parameters
    ----------
    kind : "vgg16" or "resnet50".
    weights : the file or the folder that holds it; None: Keras' cache, `models` under `KERAS_HOME` or
        `~/.keras`.

    Raises FileNotFoundError: with a line that names the file and where it was looked for.
    """
    name = FILES[kind]
    if weights is not None and Path(weights).is_file():
        return Path(weights)
    home = Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser())
    places = [home / "models"] if weights is None else [Path(weights), home / "models"]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(f"{name}: not found in {' or '.join(map(str, places))}")
