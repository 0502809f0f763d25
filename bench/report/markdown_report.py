"""The page: answer first, then the table, then the evidence, then how it was made."""

import math
import textwrap

import numpy as np
import pandas as pd

from bench.data.splits import N_PARTS
from bench.evaluate import metrics
from bench.report import (
    ablation,
    answer,
    formatting,
    published,
    sections_cost,
    sections_evidence,
    sections_setup,
)
from bench.report.markdown import escape, picture, prose, table
from bench.report.result_rows import progress, status
from bench.report.results import Content
from bench.report.statistics import Assessment, best_uninformed
from bench.worker.references import REFERENCES

_FEW_SUBJECTS = 5

_NOTES = (
    "*Validation*: the score of each search's best trial on validation subjects, mean over folds. The search "
    "chose by it, which makes it optimistic; its network has not learned from these subjects, as those tested "
    "have, which makes it pessimistic where subjects are few. *Test*: mean over seeds on test subjects that no "
    "decision has seen, folds pooled, with a 95% interval: a score interval (Wilson) with a t quantile, for as "
    "many subjects as would have the variance of a bootstrap over subjects with that of seeds added, which all "
    "rows show together (an ensemble's has none; of log loss it is symmetrical in the logarithm); where none has "
    "two seeds, it is of the one training. "
    "*Optimism*: by how much validation is better than test. *Seeds ±*: standard deviation over seeds.",
    "*Parameters*: all of the network, trainable or not. *MACs*: multiply-accumulates of one sample. *Inference*: "
    "one sample (batch 1), NumPy array to NumPy array, median and in brackets 95th percentile, milliseconds: a "
    "network in Keras, a compiled call on one thread of the processor, in a fresh process with nothing else "
    "running, all networks interleaved in rounds; a reference in scikit-learn. *Training*: seconds of one refit: "
    "its steps, timed alone, without tracing; where nothing but a head learns, the features of its samples too, "
    "which a sweep computes once; of a reference, one fit.",
    "*Trials*: done of planned, over all folds; of a reference, the settings tried on validation. *Verdict*: the "
    "paired difference from the best with its 95% interval, a t interval with the same variances and that of two "
    "imagined subjects more, one right by each alone (none for log loss and Brier score); p corrected (Holm) for "
    "all pairs in the table.",
)

SMOKE = "> **Smoke preset.** Made to see that everything works; trained too little to compare anything."


def markdown(content: Content, pictures: dict[str, str]) -> str:
    """Compose the page.

    `pictures`: names of the figures that were drawn, to their paths from the page.
    """
    front = f"Test {content.metric_title} against inference time"
    blocks = [
        f"# {escape(content.title)}",
        *_stand_in(content),
        *_answer(content),
        *_warnings(content),
        *([picture(front, pictures["front"])] if "front" in pictures else []),
        "## Table",
        _table(content),
        *_ensembles(content),
        *_NOTES,
        *published.blocks(content),
        *ablation.blocks(content.ablations, content.titles, content.metric, escape(content.metric_title)),
        *sections_evidence.blocks(content, pictures),
        *sections_cost.blocks(content),
        "## Rules of the answer",
        "\n".join(f"- {rule}" for rule in answer.RULES),
        *sections_setup.blocks(content),
    ]
    return "\n\n".join(blocks) + "\n"


def _stand_in(content: Content) -> list[str]:
    data = content.source.sweep["dataset"]
    blocks = []
    if data["stand_in"]:
        blocks.append(
            f"> **Stand-in data.** {prose(data['provenance'])} What follows holds for these data "
            "and says little of real ones."
        )
    if content.source.plan["preset"] == "smoke":
        blocks.append(SMOKE)
    return blocks


def _answer(content: Content) -> list[str]:
    metric, classes = content.metric, content.source.classes
    words = answer.sentences(content.answer, content.assessments, metric, classes)
    blocks = ["**Answer.** " + " ".join(words)]
    if not content.finished:
        unfinished = [
            f"{escape(a.entry.title)} {' and '.join(progress(a.entry)) or 'its timing'}"
            for a in content.assessments
            if status(a.entry) in ("unfinished", "not started")
        ]
        blocks.append(f"**Not finished**, so this may change: {'; '.join(unfinished)}.")
    steps = answer.front_lines(content.answer, metric)
    if steps:
        blocks += ["What each step along the front of accuracy and inference time buys:", "\n".join(steps)]
    return blocks


def _warnings(content: Content) -> list[str]:
    notes = [*content.source.sweep.get("notes", []), *content.source.dropped]
    notes += [text for a in content.tested if (text := _suspicion(content, a))]
    notes += [*_of_class(content), *_uninformed(content), *_few_subjects(content)]
    return [f"> **Note.** {prose(note)}" for note in notes]


def _of_class(content: Content) -> list[str]:
    """Which class the primary metric is the sensitivity of, where it is that of one."""
    metric = metrics.get(content.metric)
    if metric.of_class is None:
        return []
    what = f"the share of the images of class {content.source.classes[metric.of_class]} that are called so"
    title = formatting.headline(content.metric, content.source.classes)
    return [f"{title} is {what}, whatever is made of others."]


def _uninformed(content: Content) -> list[str]:
    """A warning where the best, or the cheapest, may be no better than what has not looked at a single image."""
    metric, unproved = content.metric, []
    for a in content.shown:
        test = content.answer.test if a is content.answer.best else a.test
        chance = best_uninformed(a.entry.runs, metric)
        if test is None or not (math.isfinite(chance) and math.isfinite(test.estimate)):
            continue
        if not (test.low > chance if metrics.sign(metric) > 0 else test.high < chance):
            unproved.append((a.entry.title, formatting.value(metric, chance)))
    return [
        f"{title} is not shown to be better than an answer that is the same for every image, the best of which has "
        f"{chance} {content.metric_title}."
        for title, chance in unproved
    ]


def _few_subjects(content: Content) -> list[str]:
    """A warning where a class has hardly any test subjects."""
    best = content.answer.best
    if best is None or best.sample is None:
        return []
    counts = np.count_nonzero(best.sample.counts, axis=0)  # subjects with a sample of the class
    numbers = list(zip(content.source.classes, counts, strict=True))
    absent = [name for name, n in numbers if n == 0]
    few = [f"{name} {n}" for name, n in numbers if 0 < n < _FEW_SUBJECTS]
    notes = []
    if absent:
        told = "no number here says how well that is told."
        notes.append(f"Nobody of {', '.join(absent)} is among the test subjects: {told}")
    if few:
        fixed = content.source.sweep["dataset"].get("official_test") or content.source.by_site
        all_tested = fixed or content.source.plan["folds"] >= N_PARTS
        notes.append(
            f"Test subjects in a class: {', '.join(few)}. Fewer than {_FEW_SUBJECTS} hardly show how well a class "
            "is told, so means over classes have wide intervals."
            + ("" if all_tested else f" FOLDS={N_PARTS} tests every subject.")
        )
    return notes


def _suspicion(content: Content, a: Assessment) -> str:
    """What is to be feared where a reference, which should find nothing, finds something; "" otherwise."""
    reference, metric, test = REFERENCES.get(a.name), content.metric, a.test
    if reference is None or not reference.suspicion or test is None or metric not in content.uninformed:
        return ""
    chance = content.uninformed[metric]
    if not (test.low > chance if metrics.sign(metric) > 0 else test.high < chance):
        return ""
    return (
        f"{a.entry.title} reaches {formatting.with_limits(metric, test.estimate, test.low, test.high)}, "
        f"where always the same answer has {formatting.value(metric, chance)}: {reference.suspicion}."
    )


def _table(content: Content) -> str:
    metric, rows = content.metric, content.rows
    test = rows[["test", "test_low", "test_high"]].itertuples(index=False)
    times = zip(rows.inference_ms, rows.inference_p95_ms, strict=True)
    shown = pd.DataFrame(
        {
            "Architecture": [_name(content, a) for a in content.assessments],
            "Validation": [formatting.value(metric, score) for score in rows.validation],
            f"Test {escape(content.metric_title)} [95% interval]": [
                formatting.with_limits(metric, *found) for found in test
            ],
            "Optimism": [formatting.difference(metric, found, unit=False) for found in rows.optimism],
            "Seeds ±": [formatting.bare(metric, found) for found in rows.seed_spread],
            "Parameters": rows.parameters.map(formatting.whole),
            "MACs": rows.macs.map(formatting.count),
            "Inference ms (p95)": [formatting.median_p95(*found) for found in times],
            "Training s": rows.training_seconds.map(formatting.number),
            "Trials": [
                f"{done} of {planned}" + (f" ({failed} failed)" if failed else "")
                if planned
                else formatting.NONE
                for done, planned, failed in zip(
                    rows.trials_done, rows.trials_planned, rows.trials_failed, strict=True
                )
            ],
            "Verdict": ["; ".join([verdict(content, a), *progress_words(a)]) for a in content.assessments],
        }
    )
    return table(shown, texts=("Verdict",))


def _name(content: Content, a: Assessment) -> str:
    name = escape(a.entry.title)
    if a is content.answer.best:
        name = f"**{name}**"
    return name if a.entry.is_network else f"{name} (reference)"


def progress_words(a: Assessment) -> list[str]:
    """What is unfinished of a row, where the verdict does not say it already."""
    return [] if status(a.entry) in ("failed", "not started") else progress(a.entry)


def verdict(content: Content, a: Assessment) -> str:
    """What the data say of a row: best, indistinguishable, worse by so much; or why there is nothing to say."""
    found = content.answer
    if a.test is None:
        if status(a.entry) == "failed":
            reason = a.entry.blocked or next(iter(a.entry.failures), "every refit failed")
            return f"failed: {prose(textwrap.shorten(reason, 160, placeholder=' …'))}"
        if a.entry.runs:
            return f"{escape(content.metric_title)} is not defined on these test subjects"
        return "not started" if status(a.entry) == "not started" else "not tested yet"
    if a is found.best:
        alone = len(content.tested) == 1
        text = "nothing to compare with" if alone else "**best**"
        rivals = any(each.entry.kind == a.entry.kind for each in found.equals)
        return f"{text}, cheapest" if a is found.cheapest and rivals else text
    assert a.comparison is not None
    d, p = a.comparison.difference, formatting.p_value(a.comparison.p_holm)
    limits = formatting.difference_limits(content.metric, d.estimate, d.low, d.high)
    if not d.seeds_known:
        return f"seeds unknown ({limits} between these trainings)"
    if not a.comparison.distinguishable:
        text = "**indistinguishable, cheapest**" if a is found.cheapest else "indistinguishable"
        return f"{text} ({limits}, {p})"
    ends = (d.low, d.high) if d.estimate > 0 else (-d.high, -d.low)
    size = formatting.points(content.metric, abs(d.estimate))
    how = "better" if answer.is_better(d, content.metric) else "worse"
    fewer = found.best and found.best.sample and d.n_subjects < found.best.sample.n_subjects
    where = f", over the {d.n_subjects} subjects of both" if fewer and d.paired else ""
    return f"{how} by {size} {formatting.limits(content.metric, *ends)}, {p}{where}"


def _ensembles(content: Content) -> list[str]:
    rows = content.rows[content.rows.ensemble.notna()]
    if rows.empty:
        return []
    found = rows[["ensemble", "ensemble_low", "ensemble_high"]].itertuples(index=False)
    gains = rows.ensemble - rows.test
    shown = pd.DataFrame(
        {
            "Ensemble": [f"{escape(row.title)}, ensemble of {row.seeds} seeds" for row in rows.itertuples()],
            "Test [95% interval]": [formatting.with_limits(content.metric, *limits) for limits in found],
            "Over the mean": [formatting.difference(content.metric, gain, unit=False) for gain in gains],
        }
    )
    return ["The probabilities of the seeds averaged, at as many times the inference time:", table(shown)]
