"""The image grid of the `spect` task: where each pixel lies in the head.

A slice is `[109, 91]`: 109 rows from the front of the head (anterior, +90 mm, row 0) to the back
(-126 mm), 91 columns from the right of the head (+90 mm, column 0: the radiological view, as in
`bench.data.formats.volume.to_display`) to the left (-90 mm), in steps of 2 mm. This is the transaxial
plane of the 91x109x91 grid of MNI space (the template of FSL and SPM), in which DaT SPECT is commonly
shared after spatial normalisation. x is positive to the right of the head, y to the front.
"""

import numpy as np

ROWS, COLUMNS = 109, 91
SPACING_MM = 2.0
ANTERIOR_MM, RIGHT_MM = 90.0, 90.0

Y_MM: np.ndarray = ANTERIOR_MM - SPACING_MM * np.arange(ROWS)  # [109], anterior positive
X_MM: np.ndarray = RIGHT_MM - SPACING_MM * np.arange(COLUMNS)  # [91], right positive

# Centre of both striata together (heads of caudate to tails of putamen), MNI152.
STRIATUM_X_MM, STRIATUM_Y_MM = 0.0, 5.0
# Middle of the brain of the MNI152 template in the plane of the striatum (y from -107 to 73 mm).
BRAIN_X_MM, BRAIN_Y_MM = 0.0, -17.0


def row_of(y_mm: float) -> float:
    """Row, with fraction, of a distance in front of the anterior commissure in mm."""
    return (ANTERIOR_MM - y_mm) / SPACING_MM


def column_of(x_mm: float) -> float:
    """Column, with fraction, of a distance to the right of the midline in mm."""
    return (RIGHT_MM - x_mm) / SPACING_MM
