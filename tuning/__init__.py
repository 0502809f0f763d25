"""How one architecture is searched and trained. Knows architectures and KerasTuner; no task, no file format."""

import os

# TensorFlow leaves oneDNN's operations off on processors without AVX-512: convolutions with few channels are two to
# five times slower then. On one thread they sum in one order. It looks once, when it is imported: so before that.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
