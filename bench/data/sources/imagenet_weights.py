"""Fetching the weights that `keras.applications` learned on ImageNet."""

from bench.errors import UserError
from tuning.runtime import import_tensorflow

_SOURCE = "https://storage.googleapis.com/tensorflow/keras-applications"
# As in keras.applications: file, where it is, MD5.
_FILES = (
    ("vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", "vgg16", "6d6bbae143d832006294945121d1f1fc"),
    ("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", "resnet", "4d473c1dd8becc155b73f8504c6f6626"),
)


def fetch(source: str | None = None) -> list[str]:
    """Download the two files into Keras' own cache, verified; those that are there already are kept.

    `source` is another place to fetch `FOLDER/FILE` from.

    Raises UserError: no network, or other content than expected.
    """
    import_tensorflow()
    import keras

    lines = []
    for name, folder, md5 in _FILES:
        url = f"{(source or _SOURCE).rstrip('/')}/{folder}/{name}"
        try:
            path = keras.utils.get_file(name, url, cache_subdir="models", file_hash=md5)
        except Exception as error:  # Keras raises a bare Exception for whatever goes wrong
            raise UserError(
                f"{url}: no answer, or another content ({str(error).splitlines()[0]}); expected a network. "
                f"Without one, put {name} into a folder and give WEIGHTS=folder"
            ) from error
        lines.append(f"{path}: there, checksum verified")
    return lines
