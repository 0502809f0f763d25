"""How one architecture is searched and trained. Knows architectures and KerasTuner; no task, no file format."""

import os

# TensorFlow leaves oneDNN's operations off on processors without AVX-512: convolutions with few channels are two to
# five times slower then. On one thread they sum in one order. It looks once, when it is imported: so before that.
# Whatever a shell has set: the same settings mean the same results.
os.environ.update({"TF_ENABLE_ONEDNN_OPTS": "1", "KERAS_BACKEND": "tensorflow"})
