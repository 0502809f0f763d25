"""A folder of the user's own volumes, whatever they show."""

from bench.tasks.contract.folder_task import FolderTask, options_of


class Volumes(FolderTask):
    """NIfTI, Analyze, DICOM series or `.npy`, of mixed sizes and spacings."""

    name = "volumes"
    title = "Classification of volumes"
    axes, longest = 3, 32
    preprocessing = {"size": [32, 32, 32], "crop": 1.0, "colour": False, "normalisation": "zscore"}
    preprocessing_options = options_of(preprocessing, 2, 256)


task = Volumes()
