"""Reading data must not load TensorFlow: worker processes that resample would pay seconds and memory for it."""

import subprocess
import sys


def test_reading_users_data_imports_no_tensorflow():
    modules = "cache_build, cache, check, folder, medmnist, splits, volumes"
    loaded = "[m for m in ('tensorflow', 'keras') if m in sys.modules]"
    code = f"import sys\nfrom bench.data import {modules}\nprint({loaded})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
