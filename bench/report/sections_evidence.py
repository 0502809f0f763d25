"""The evidence: other metrics, errors, images, hyperparameters, how the searches went, what failed."""

from collections import Counter

from bench.evaluate.metrics import METRICS
from bench.report import formatting
from bench.report.markdown import code, escape, folded, picture, table, without_paths
from bench.report.results import Content

_MOST_CLASSES = 20


def lines(content: Content, pictures: dict[str, str]) -> list[str]:
    """The section "Evidence"."""
    shown = " and ".join(a.entry.title for a in content.shown)
    found = [
        *_metrics(content),
        *_sensitivities(content),
        *_show(
            pictures,
            "confusion",
            "Confusion",
            f"Of {shown}: in percent of a class's test samples, all seeds.",
        ),
        *_show(
            pictures,
            "calibration",
            "Calibration",
            "Share of right answers against stated confidence, all seeds; on the diagonal, confidence means "
            "what it says. The larger a dot, the more samples; error: the calibration error.",
        ),
        *_show(
            pictures,
            "samples",
            "Samples of each class",
            "As the networks see them; of volumes the slices at a quarter, half and three quarters of the depth.",
        ),
        *_show(
            pictures,
            "hardest",
            "Hardest test images",
            "True class, class predicted, and probability of the true one, mean over all trainings that were "
            "tested on the image.",
        ),
        *_hyperparameters(content),
        *_show(
            pictures,
            "learning",
            "Learning curves",
            "The best trials, a line a fold. The training loss includes what training adds (augmentation, dropout, "
            "label smoothing, weights of classes).",
        ),
        *_show(
            pictures,
            "search",
            "How the searches went",
            "Best validation score so far, mean over folds; time is the workers', tracing included.",
        ),
        *_failures(content),
    ]
    return ["## Evidence", "", *found] if found else []


def _show(pictures: dict[str, str], name: str, title: str, description: str) -> list[str]:
    if name not in pictures:
        return []
    return [f"### {title}", "", *picture(title, pictures[name]), escape(description), ""]


def _metrics(content: Content) -> list[str]:
    names = [
        name
        for name, metric in METRICS.items()
        if not metric.binary and any(name in a.metrics for a in content.tested)
    ]
    if not names:
        return []
    arrows = {"max": "↑", "min": "↓"}
    header = [f"{METRICS[name].title} {arrows[METRICS[name].direction]}" for name in names]
    rows = [
        [escape(a.entry.title), *(formatting.value(name, a.metrics.get(name)) for name in names)]
        for a in content.tested
    ]
    rows.append(
        [
            "*Always the same answer*",
            *(formatting.value(name, content.uninformed.get(name)) for name in names),
        ]
    )
    return [
        "### Other metrics",
        "",
        *table(["Test", *header], rows),
        "Means over seeds, folds pooled; ↑ more is better, ↓ less is better. AUC: area under the ROC curve, one "
        "class against the rest. Calibration error: mean gap between confidence and accuracy in ten bins; it is "
        "biased upwards on small test sets, the more so the fewer subjects. An SVM's probabilities are a softmax "
        "of its decision values: its log loss, Brier score and calibration mean little. Always the same answer: "
        "the most frequent class, with the shares of the classes as probabilities.",
        "",
    ]


def _sensitivities(content: Content) -> list[str]:
    classes = content.source.classes
    if not content.tested or len(classes) > _MOST_CLASSES:
        return []
    rows = [
        [
            escape(a.entry.title),
            *(
                formatting.value("sensitivity", a.metrics.get(f"sensitivity[{k}]"))
                for k in range(len(classes))
            ),
        ]
        for a in content.tested
    ]
    return [
        "### Sensitivity by class",
        "",
        *table(["Test", *map(escape, classes)], rows),
        "The share of a class's test samples that are predicted right."
        + (
            " Of two classes, the sensitivity of one is the specificity of the other."
            if len(classes) == 2
            else ""
        ),
        "",
    ]


def _hyperparameters(content: Content) -> list[str]:
    rows = []
    for a in content.assessments:
        for search in a.entry.searches:
            chosen = search.trials.get(search.chosen) if search.chosen is not None else None
            if chosen is None:
                continue
            values = ", ".join(
                f"{code(name)} {escape(formatting.hyperparameter(value))}"
                for name, value in chosen["values"].items()
            )
            score = formatting.value(content.metric, chosen["score"])
            rows.append([escape(a.entry.title), str(search.fold), str(search.chosen), score, values])
    if not rows:
        return []
    several = len({row[1] for row in rows}) > 1
    header = ["Best trial of", "Fold", "Trial", "Validation", "Hyperparameters"]
    if not several:
        header, rows = [header[0], *header[2:]], [[row[0], *row[2:]] for row in rows]
    shown = table(header, rows, len(header))
    title = "Best hyperparameters"
    return [f"### {title}", "", *(folded(f"of {len(rows)} searches", shown) if len(rows) > 12 else shown)]


def _failures(content: Content) -> list[str]:
    rows = []
    for a in content.assessments:
        for reason, number in Counter(a.entry.failures).most_common():
            rows.append([escape(a.entry.title), str(number), escape(without_paths(reason))])
    if not rows:
        return []
    return ["### Failures", "", *table(["Of", "Pieces", "Reason"], rows, 3)]
