"""How much tracer the striatum of a generated subject takes up: health, age, stage of the disease.

The specific binding ratio (SBR) of a region is (uptake - reference) / reference, the reference being
tissue without transporters (occipital cortex). Numbers and where they come from:

- Health: measured SBRs of about 3.0 (caudate) and 2.2 (putamen) in the healthy controls of the
  Parkinson's Progression Markers Initiative (PPMI; Marek et al., *Ann Clin Transl Neurol* 2018;
  5:1460). Partial volume takes about a third of the true ratio away at 9 mm FWHM, hence 4.46 and 3.31
  here, before the blur. Between-subject standard deviation about 20%.
- Age: 4 to 6.7% lower a decade in the European normal database (ENC-DAT; Varrone et al., *Eur J Nucl
  Med Mol Imaging* 2013; 40:213): 6% here.
- Disease: at the time of diagnosis the putamen opposite the clinically worse side has lost about
  half to two thirds of its transporters, the other putamen less, the caudate least; in the course the
  sides draw level and the caudate follows (Benamer et al., *Mov Disord* 2000; 15:692; PPMI).
- Posterior putamen first: Kish et al., *N Engl J Med* 1988; 318:876.
- Stages overlap: the clinical stage follows the transporter loss only loosely (Benamer et al. 2000).
  The spread of severity within a stage stands for that; its size is a choice, set by how hard the
  task should be (`SEVERITY_SD` in `spect`).
"""

from dataclasses import dataclass

import numpy as np

HEALTHY_CAUDATE, HEALTHY_PUTAMEN = 4.46, 3.31
SUBJECT_SD, REGION_SD = 0.17, 0.105  # together 20%
AGE_MEAN_YEARS, AGE_SD_YEARS, AGE_RANGE_YEARS = 62.0, 9.5, (33.0, 88.0)
DECLINE_PER_DECADE = 0.06

# Fraction of transporters lost at severity 0 (normal), 1 (early), 2 (middle), 3 (late), 4 (end).
SEVERITY = np.arange(5.0)
PUTAMEN_LOSS = np.array([[0.0, 0.50, 0.70, 0.87, 0.96], [0.0, 0.30, 0.58, 0.82, 0.95]])  # contra, ipsi
CAUDATE_LOSS = np.array([[0.0, 0.20, 0.42, 0.67, 0.85], [0.0, 0.15, 0.38, 0.65, 0.84]])
POSTERIOR_GRADIENT = (0.35, 0.75)
GREATEST_LOSS = 0.97


@dataclass(frozen=True)
class Uptake:
    """True binding ratios of one subject; index 0 is the left side of the head, 1 the right."""

    caudate: np.ndarray  # `[2]`, binding ratio
    putamen: np.ndarray  # `[2]`, binding ratio without any loss along the putamen
    putamen_loss: np.ndarray  # `[2]`, mean fraction lost in the putamen
    gradient: float  # how much more than the mean the posterior end has lost (and less the anterior end)
    age_years: float

    def putamen_at(self, side: int, along: np.ndarray) -> np.ndarray:
        """Binding ratio at positions `along` the putamen: -1 its anterior, +1 its posterior end."""
        loss = self.putamen_loss[side] * (1 + self.gradient * along)
        return self.putamen[side] * (1 - np.minimum(loss, GREATEST_LOSS))


def draw_uptake(rng: np.random.Generator, severity: float) -> Uptake:
    """Draw a subject with a given severity (0 normal, 1 early, 2 middle, 3 late, in between allowed)."""
    age = float(np.clip(rng.normal(AGE_MEAN_YEARS, AGE_SD_YEARS), *AGE_RANGE_YEARS))
    level = (1 - DECLINE_PER_DECADE) ** ((age - AGE_MEAN_YEARS) / 10)
    level *= np.exp(SUBJECT_SD * rng.standard_normal())
    region = np.exp(REGION_SD * rng.standard_normal(4)).reshape(2, 2)
    gradient = rng.uniform(*POSTERIOR_GRADIENT)
    sides = [0, 1] if rng.random() < 0.5 else [1, 0]  # which side is contralateral to the symptoms
    caudate_loss = np.array([np.interp(severity, SEVERITY, CAUDATE_LOSS[side]) for side in sides])
    putamen_loss = np.array([np.interp(severity, SEVERITY, PUTAMEN_LOSS[side]) for side in sides])
    return Uptake(
        caudate=HEALTHY_CAUDATE * level * region[0] * (1 - caudate_loss),
        putamen=HEALTHY_PUTAMEN * level * region[1],
        putamen_loss=putamen_loss,
        gradient=gradient,
        age_years=age,
    )
