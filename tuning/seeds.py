"""Seeds that hang on names, never on the order in which work happens to be done."""

import hashlib


def seed_of(*names: object) -> int:
    """Return a seed in 1..2**31-1 for names such as task, architecture, fold and seed number.

    Never 0, which KerasTuner takes for "any".
    """
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:4], "little") % (2**31 - 1) + 1
