"""Imported by the process that workers are forked from: all that they need, none of which has run anything yet."""

import signal

from tuning.runtime import import_tensorflow

signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep's to answer
import_tensorflow()

import bench.worker.execute  # noqa: E402, F401
