"""Files written whole or not at all."""

import os
from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """Write a file under a temporary name beside it, then rename it; readers see the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
