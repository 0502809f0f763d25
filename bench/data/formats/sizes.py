"""How large an image may be: what a header declares is checked before memory is taken for it."""

import math
from collections.abc import Sequence

from bench.errors import UserError

MAX_VALUES = 2**29  # 2 GiB as float32; a CT of 1024x1024x512
# bytes that DEFLATE makes of one at most (zlib's documentation, "Maximum Compression Factor")
_MOST_DEFLATED = 1032
_FREE = 2**24  # bytes that any file may take; other codecs shrink a constant image more than DEFLATE does


def check_size(
    source: object,
    shape: Sequence[int],
    bytes_each: float,
    stored: int,
    *,
    compressed: bool = False,
    at_most: int = MAX_VALUES,
) -> None:
    """Compare what a header declares with the file that it stands in.

    `shape` and `bytes_each` are of the values declared, `stored` the bytes of the file that may hold them;
    `source` names it in the message.

    Raises UserError: more values than anybody needs, or than the file can hold.
    """
    count, size = math.prod(shape), "x".join(map(str, shape))
    if count > at_most:
        raise UserError(f"{source}: found {size} values declared, expected at most {at_most:,}")
    needed = math.ceil(count * bytes_each)
    if compressed:
        needed = math.ceil((needed - _FREE) / _MOST_DEFLATED)
    if needed > stored:
        raise UserError(f"{source}: found {stored} bytes, expected at least {needed} for {size} values")
