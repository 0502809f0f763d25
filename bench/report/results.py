"""All that a report says, worked out once; markdown, CSV, JSON and figures are made from it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from bench import tasks
from bench.report import ablation, answer, formatting, result_rows, run_results, sample_images, statistics
from bench.report.ablation import Ablation
from bench.report.answer import Answer
from bench.report.run_results import Source
from bench.report.statistics import Assessment


@dataclass(frozen=True)
class Content:
    """A report's content.

    Attributes
    ----------
    title : of the task.
    assessments : every candidate and reference, in the order of the table.
    """

    source: Source
    title: str
    assessments: list[Assessment]
    answer: Answer
    ablations: list[Ablation]

    @property
    def metric(self) -> str:
        return self.source.metric

    @property
    def metric_title(self) -> str:
        """The primary metric's title in the middle of a sentence."""
        return formatting.metric_title(self.metric, self.source.classes)

    @property
    def tested(self) -> list[Assessment]:
        return [a for a in self.assessments if a.test is not None]

    @property
    def networks(self) -> list[Assessment]:
        return [a for a in self.assessments if a.entry.is_network]

    @property
    def shown(self) -> list[Assessment]:
        """The best and, where it is another, the cheapest that cannot be told from it: whose errors are shown."""
        both = (self.answer.best, self.answer.cheapest)
        return list({a.name: a for a in both if a is not None}.values())

    @cached_property
    def uninformed(self) -> dict[str, float]:
        """Every metric of an answer that is the same for all test samples; see `statistics.uninformed`."""
        return statistics.uninformed(self.tested[0].entry.runs) if self.tested else {}

    @property
    def titles(self) -> dict[str, str]:
        return {a.name: a.entry.title for a in self.assessments}

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The summary of all that follows in the frames below, and of what was measured; see `result_rows`."""
        return result_rows.summary(self.source, self.assessments)

    @cached_property
    def trainings(self) -> pd.DataFrame:
        """A row for each trial and each refit, by architecture and fold; see `frames.TRAININGS`."""
        return pd.concat([a.entry.trainings for a in self.assessments], ignore_index=True)

    @cached_property
    def searches(self) -> pd.DataFrame:
        """A row for each search, by architecture and fold; see `frames.SEARCHES`."""
        return pd.concat([a.entry.searches for a in self.assessments], ignore_index=True)

    @property
    def finished(self) -> bool:
        return bool(self.rows.status.isin(("done", "failed")).all())

    @cached_property
    def images(self) -> sample_images.Images | None:
        """The dataset's images; None where its cache is gone."""
        return sample_images.open_images(self.source)


def build(folder: Path) -> Content:
    """Read a run folder and work out its report.

    Raises UserError: no sweep has been recorded there.
    """
    found = run_results.read(folder)
    assessments = statistics.assess(found)
    return Content(
        found,
        _title(found),
        answer.ranked(assessments, found.metric),
        answer.find(assessments, found.metric),
        ablation.find(found),
    )


def _title(source: Source) -> str:
    """The task's title as it was recorded; once it was not, and is asked of the task, if that is here."""
    try:
        return source.plan.get("title") or tasks.load(source.task).title
    except (KeyError, TypeError):
        return source.task
