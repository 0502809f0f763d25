"""The tuners by name, and what a sweep must know of them before KerasTuner is imported."""

TUNERS = ("random", "bayesian", "hyperband", "grid")
# Those whose proposals hang on no score; they alone may go on past a trial whose score comes another day.
INDEPENDENT = ("random", "grid")
HYPERBAND_FACTOR = 3  # epochs and number of trials, from one round of a bracket to the next
COHORT = 8  # trials that are proposed without a result, and judged together
