"""Digests follow what code does, and no more of it than a file uses."""

from pathlib import Path

from bench.data.caches.source_digest import code_digest, with_parts


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def test_comments_docstrings_and_layout_do_not_count(tmp_path):
    one = _write(tmp_path, "one", '"""Text."""\n\n\ndef f(x):\n    """Doc."""\n    # why\n    return x + 1\n')
    two = _write(tmp_path, "two", '"""Other."""\ndef f(x):\n    """Words."""\n    return (x + 1)\n')
    three = _write(tmp_path, "three", '"""Text."""\ndef f(x):\n    """Doc."""\n    return x + 2\n')
    assert code_digest([one]) == code_digest([two])
    assert code_digest([one]) != code_digest([three])


def test_parts_are_followed_through_imports(tmp_path):
    house = tmp_path / "house"
    (house / "parts").mkdir(parents=True)
    _write(house / "parts", "__init__", "from house.parts.a import x\n")
    _write(house / "parts", "a", "from house.parts.b import y\n")
    _write(house / "parts", "b", "y = 1\n")
    _write(house / "parts", "c", "z = 1\n")
    of_one = _write(house, "net", "import keras\nfrom house.parts.a import x\n")
    of_all = _write(house, "other", "from house.parts import x\n")
    assert [path.name for path in with_parts(of_one, house)] == ["net.py", "a.py", "b.py"]
    assert [path.name for path in with_parts(of_all, house)] == ["other.py", "__init__.py", "a.py", "b.py"]
