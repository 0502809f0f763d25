"""Ways in which a file is damaged, or made to lie."""

import gzip
import io
import struct
import zipfile
import zlib

import numpy as np

_EXTREMES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x01", b"-", b"\n")
_LARGE = (0x7FFF, 0xFFFF, 0x7530, 0x7FFFFFFF, 0xFFFFFFFF, 30_000, 200_000)


def cut(content: bytes, random: np.random.Generator) -> bytes:
    """End early."""
    return content[: int(random.integers(0, len(content)))]


def flip(content: bytes, random: np.random.Generator) -> bytes:
    """Flip up to twelve bits."""
    damaged = bytearray(content)
    for place in random.integers(0, len(content), random.integers(1, 13)):
        damaged[place] ^= 1 << int(random.integers(8))
    return bytes(damaged)


def rewrite_header(content: bytes, random: np.random.Generator) -> bytes:
    """Write extreme bytes over some of the header."""
    damaged = bytearray(content)
    for _ in range(int(random.integers(1, 5))):
        start, length = int(random.integers(0, min(len(content), 360))), int(random.integers(1, 9))
        damaged[start : start + length] = _EXTREMES[random.integers(len(_EXTREMES))] * length
    return bytes(damaged)


def declare_more(content: bytes, random: np.random.Generator) -> bytes:
    """Write large numbers where a header may say sizes; in text, longer numbers for numbers."""
    damaged = bytearray(content)
    for _ in range(int(random.integers(1, 4))):
        start, value = (
            int(random.integers(0, min(len(content) - 8, 360))),
            _LARGE[random.integers(len(_LARGE))],
        )
        form = "<H" if value < 2**16 else "<I"
        damaged[start & ~1 : (start & ~1) + struct.calcsize(form)] = struct.pack(form, value)
    return bytes(damaged)


def tear_out(content: bytes, random: np.random.Generator) -> bytes:
    """Leave some bytes out, or say some twice."""
    start, length = int(random.integers(0, len(content))), int(random.integers(1, 200))
    if random.random() < 0.5:
        return content[:start] + content[start + length :]
    return content[: start + length] + content[start:]


def fill(content: bytes, random: np.random.Generator) -> bytes:
    """Replace the rest by noise, as a disk that failed."""
    start = int(random.integers(0, len(content)))
    return content[:start] + random.bytes(len(content) - start)


def inside(damage):
    """Damage what is compressed, and compress that again, so that checksums hold."""

    def damage_inside(content: bytes, random: np.random.Generator) -> bytes:
        if content[:2] == b"\x1f\x8b":
            return gzip.compress(damage(gzip.decompress(content), random))
        buffer = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(content)) as archive,
            zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
        ):
            hit = random.choice(archive.namelist())
            for name in archive.namelist():
                new.writestr(name, damage(archive.read(name), random) if name == hit else archive.read(name))
        return buffer.getvalue()

    return damage_inside


def dimensions_of(content: bytes, random: np.random.Generator) -> bytes:
    """The very sizes of a NIfTI-1 or Analyze header, of a DICOM or of an array's text, made large."""
    damaged, value = bytearray(content), int(random.choice((500, 3_000, 30_000)))
    if content[:4] == struct.pack("<i", 348):
        damaged[42 : 42 + 6] = struct.pack("<3h", value, value, int(random.choice((1, value))))
    elif content[128:132] == b"DICM":
        for tag in (b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x11\x00US\x02\x00"):
            place = content.find(tag) + len(tag)
            damaged[place : place + 2] = struct.pack("<H", value)
    elif content[:6] == b"\x93NUMPY":
        place = content.find(b"(7, 8, 9)")
        text = f"({value},{value},9)".encode()
        damaged[place : place + len(text)] = text
    elif content[:8] == b"\x89PNG\r\n\x1a\n":
        damaged[16:24] = struct.pack(">2I", value, value)
        damaged[29:33] = struct.pack(">I", zlib.crc32(damaged[12:29]))
    else:
        return declare_more(content, random)
    return bytes(damaged)


DAMAGES = {f.__name__: f for f in (cut, flip, rewrite_header, declare_more, tear_out, fill, dimensions_of)}
