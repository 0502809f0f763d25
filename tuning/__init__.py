"""How one architecture is searched and trained. Knows architectures and KerasTuner; no task, no file format."""
