"""A folder of the user's own images, whatever they show."""

from bench.tasks.contract.folder_task import FolderTask, options_of


class Images(FolderTask):
    """PNG, JPEG, DICOM or any other format that is read, grey or colour, of mixed sizes."""

    name = "images"
    title = "Classification of images"
    axes, longest = 2, 64
    preprocessing = {"size": [64, 64], "crop": 1.0, "colour": False, "normalisation": "zscore"}
    preprocessing_options = options_of(preprocessing, 8, 1024)


task = Images()
