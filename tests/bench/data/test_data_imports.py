"""Reading data must not load TensorFlow: worker processes that resample would pay seconds and memory for it."""

import subprocess
import sys


def test_reading_users_data_imports_no_tensorflow():
    modules = (
        "caches.cached_dataset, checks.dataset_check, folders.resampled_folder, sources.medmnist, splits"
    )
    imports = "\n".join(f"import bench.data.{module}" for module in modules.split(", "))
    loaded = "[m for m in ('tensorflow', 'keras') if m in sys.modules]"
    code = f"import sys\n{imports}\nprint({loaded})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
