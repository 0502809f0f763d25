"""Which network for a small set of medical images, and at what cost."""

__version__ = "0.1.0"
