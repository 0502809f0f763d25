"""Three ways to run a trained model, behind one interface: Keras, LiteRT and ONNX Runtime.

A runtime turns a Keras model into a function from a NumPy array to a NumPy array, for one batch size and
one number of threads. What it includes is the same for all three: the input copied in, the network run,
the output read.
"""

import importlib
import importlib.metadata
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bench.measure.inference_graph import INPUT, OUTPUT, GraphError, inference_graph
from bench.measure.portable_operations import LITERT_SUBSTITUTES, ONNX_SUBSTITUTES
from tuning import durable

Predict = Callable[[np.ndarray], np.ndarray]

TOLERANCE = 1e-4
ONNX_OPSET = 18  # the newest that tf2onnx 1.17 writes and is tested with


class ConversionError(Exception):
    """The runtime cannot take this model; the text is the reason in a line."""


class Runtime:
    """One way to run a model."""

    name: str  # as it stands in reports and in the results (`keras`, `litert`, `onnxruntime`)
    packages: tuple[str, ...]  # distributions that must be installed; the version of the first is reported

    def prepare(
        self, model: keras.Model, batch: int, threads: int, shape: tuple[int, ...], kept: Path | None = None
    ) -> Predict:
        """Return a function from float32 `[batch, *shape]` to the model's output `[batch, n_classes]`.

        `kept`, to which a suffix is added, is where files are kept for whichever process needs them next. Raises
        ConversionError where the runtime cannot take the model, ImportError where it is not installed.
        """
        raise NotImplementedError


class PortableRuntime(Runtime):
    """A runtime whose models are files, with a `suffix`."""

    suffix: str

    def prepare(
        self, model: keras.Model, batch: int, threads: int, shape: tuple[int, ...], kept: Path | None = None
    ) -> Predict:
        return self.load(self.content(model, batch, shape, kept), threads)

    def content(
        self, model: keras.Model, batch: int, shape: tuple[int, ...], kept: Path | None = None
    ) -> bytes:
        """The file's content, or the reason why there can be none, converted once where it is `kept`."""
        version(self)
        if kept is None:
            return self.convert(model, batch, shape)
        file, reason = (kept.with_name(kept.name + end) for end in (self.suffix, f"{self.suffix}.reason"))
        if reason.exists():
            raise ConversionError(reason.read_text())
        if not file.exists():
            try:
                content = self.convert(model, batch, shape)
            except ConversionError as error:
                durable.write(reason, str(error))
                raise
            durable.write(file, content)
        return file.read_bytes()

    def convert(self, model: keras.Model, batch: int, input_shape: tuple[int, ...]) -> bytes:
        """Return the file's content; raises ConversionError as `prepare` does."""
        raise NotImplementedError

    def load(self, content: bytes, threads: int) -> Predict:
        """Return the function of a file's content, which takes batches of the size it was converted for."""
        raise NotImplementedError


class KerasRuntime(Runtime):
    """`model(x, training=False)` compiled by `tf.function`; not `predict`, which is a data loop around it."""

    name = "keras"
    packages = ("keras",)

    def prepare(
        self, model: keras.Model, batch: int, threads: int, shape: tuple[int, ...], kept: Path | None = None
    ) -> Predict:
        # TensorFlow's threads are the process's: they are set before it starts, by the worker.
        signature = tf.TensorSpec((batch, *shape), tf.float32)
        # The concrete function: looking it up again in every call would cost 0.1 ms of Python.
        call = tf.function(lambda x: model(x, training=False)).get_concrete_function(signature)
        return lambda x: call(tf.constant(x)).numpy()


class LiteRTRuntime(PortableRuntime):
    """TensorFlow's converter, float32 throughout, and the interpreter of `ai-edge-litert` with XNNPACK."""

    name = "litert"
    packages = ("ai-edge-litert",)
    suffix = ".tflite"

    def convert(self, model: keras.Model, batch: int, input_shape: tuple[int, ...]) -> bytes:
        with _reasons(self.name):
            graph = inference_graph(model, batch, input_shape, LITERT_SUBSTITUTES)
            # From the graph itself: by way of a concrete function it would be frozen and copied all over again.
            definition, source = graph.as_graph_def(), graph.get_tensor_by_name(f"{INPUT}:0")
            result = graph.get_tensor_by_name(f"{OUTPUT}:0")
            return tf.compat.v1.lite.TFLiteConverter(definition, [source], [result]).convert()

    def load(self, content: bytes, threads: int) -> Predict:
        interpreter_module = importlib.import_module("ai_edge_litert.interpreter")
        with _reasons(self.name):
            interpreter = interpreter_module.Interpreter(model_content=content, num_threads=threads)
            interpreter.allocate_tensors()
            interpreter.invoke()  # Some faults show only now; here they are a reason, later a crash.
        source = interpreter.get_input_details()[0]["index"]
        result = interpreter.get_output_details()[0]["index"]

        def predict(x: np.ndarray) -> np.ndarray:
            interpreter.set_tensor(source, x)
            interpreter.invoke()
            return interpreter.get_tensor(result)

        return predict


class OnnxRuntime(PortableRuntime):
    """`tf2onnx` and ONNX Runtime's CPU provider, all graph optimisations on (its default)."""

    name = "onnxruntime"
    packages = ("onnxruntime", "tf2onnx", "onnx")
    suffix = ".onnx"

    def convert(self, model: keras.Model, batch: int, input_shape: tuple[int, ...]) -> bytes:
        tf2onnx = importlib.import_module("tf2onnx.convert")
        with _reasons(self.name):
            graph = inference_graph(model, batch, input_shape, ONNX_SUBSTITUTES)

            def write() -> bytes:
                proto, _ = tf2onnx.from_graph_def(
                    graph.as_graph_def(),
                    name=model.name,
                    input_names=[f"{INPUT}:0"],
                    output_names=[f"{OUTPUT}:0"],
                    opset=ONNX_OPSET,
                )
                return proto.SerializeToString()

            # To leave out an optimisation that fails, tf2onnx copies the graph, weights and all, before each: that
            # takes longer than the rest. So it comes second.
            os.environ["TF2ONNX_CATCH_ERRORS"] = "FALSE"  # where it stands at all, none is caught
            try:
                with suppress(Exception):
                    return write()
            finally:
                del os.environ["TF2ONNX_CATCH_ERRORS"]
            return write()

    def load(self, content: bytes, threads: int) -> Predict:
        onnxruntime = importlib.import_module("onnxruntime")
        with _reasons(self.name):
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            # Idle workers would spin for their next piece of work, on the cores where the other models are
            # timed.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            source = session.get_inputs()[0]
            session.run(None, {source.name: np.zeros(source.shape, np.float32)})
        return lambda x: session.run(None, {source.name: x})[0]


PORTABLE: dict[str, PortableRuntime] = {runtime.name: runtime for runtime in (LiteRTRuntime(), OnnxRuntime())}
RUNTIMES: dict[str, Runtime] = {KerasRuntime.name: KerasRuntime(), **PORTABLE}


def version(runtime: Runtime) -> str:
    """Return the version of a runtime's first package; raise ImportError naming one that is missing."""
    for package in runtime.packages:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError as error:
            raise ImportError(f"{package} is not installed") from error
    return importlib.metadata.version(runtime.packages[0])


def difference(predict: Predict, expected: np.ndarray, x: np.ndarray) -> float:
    """The largest absolute difference of a runtime's answer to `x` from Keras' own, `[batch, n_classes]`.

    Compared is what the model puts out, before any rounding: probabilities where it ends in a softmax, else
    logits, whose differences are the larger ones. To agree is to be within `TOLERANCE` (1e-4). NaN counts as
    infinitely far.
    """
    found = np.asarray(predict(x))
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found - expected).max())


@contextmanager
def _reasons(name: str) -> Iterator[None]:
    """Turn whatever a converter raises into one line: they raise anything, with pages of MLIR."""
    try:
        yield
    except GraphError as error:
        raise ConversionError(f"{name}: {error}") from error
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        telling = [line for line in lines if "error:" in line or "No Op registered" in line] or lines or [""]
        text = telling[0][-300:]
        raise ConversionError(f"{name}: {type(error).__name__}: {text}") from error
