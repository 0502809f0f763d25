"""A model's files for the other runtimes: converted once, in whichever process comes first."""

import hashlib
from pathlib import Path

import keras

from bench.measure.runtimes import ConversionError, PortableRuntime, Predict, Runtime, version


class Converted:
    """The converted forms of a model, whose name is unique in the folder where they lie, if there is one."""

    def __init__(self, folder: str | None, name: str) -> None:
        self.folder, self.name = folder, name

    def prepare(
        self, runtime: Runtime, model: keras.Model, batch: int, threads: int, shape: tuple[int, ...]
    ) -> Predict:
        """As `runtime.prepare`, from the file where the runtime has files; raises as that does."""
        if isinstance(runtime, PortableRuntime):
            return runtime.load(self.content(runtime, model, batch, shape), threads)
        return runtime.prepare(model, batch, threads, shape)

    def content(
        self, runtime: PortableRuntime, model: keras.Model, batch: int, shape: tuple[int, ...]
    ) -> bytes:
        """The file's content, kept with the reason where there can be none.

        Raises ConversionError and ImportError as `runtime.convert`, or a package of the runtime is not
        installed.
        """
        version(runtime)
        if self.folder is None:
            return runtime.convert(model, batch, shape)
        digest = hashlib.sha256(f"{self.name} {runtime.name} {batch}".encode()).hexdigest()
        file = Path(self.folder) / f"{digest[:16]}{runtime.suffix}"
        reason = file.with_suffix(".reason")
        if reason.exists():
            raise ConversionError(reason.read_text())
        if not file.exists():
            try:
                content = runtime.convert(model, batch, shape)
            except ConversionError as error:
                reason.write_text(str(error))
                raise
            part = file.with_suffix(".part")
            part.write_bytes(content)  # a process that dies here leaves no half of a file
            part.replace(file)
        return file.read_bytes()
