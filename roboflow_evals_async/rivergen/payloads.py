"""The struct of RiverGen's Performance Summary, and which way its metrics are better.

Classification scores are **fractions** from 0 to 1; regression errors are in units of the target. A metric that is
null, absent or NaN is None and never 0: a gate must take it as not passed.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import field

Direction = Literal["higher", "lower"]

#: Which way a metric is better (page metrics-reference; the API does not say it in the reply).
BETTER: Mapping[str, Direction] = {
    "accuracy": "higher",
    "precision": "higher",
    "recall": "higher",
    "f1_score": "higher",
    "roc_auc": "higher",
    "log_loss": "lower",
    "rmse": "lower",
    "r_squared": "higher",
    "mae": "lower",
    "mse": "lower",
    "adjusted_r_squared": "higher",
    "mape": "lower",
    "smape": "lower",
    "mase": "lower",
}

# The page documents keys for classification only; the others are named in prose, so their usual spellings are taken.
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "rmse": ("root_mean_squared_error",),
    "r_squared": ("r2", "r2_score"),
    "mae": ("mean_absolute_error",),
    "mse": ("mean_squared_error",),
    "adjusted_r_squared": ("adjusted_r2", "adj_r2"),
}
_NAME_OF = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings}


def better(metric: str) -> Direction | None:
    """Return whether "higher" or "lower" values of a metric are better; None for one that is not known."""
    return BETTER.get(_NAME_OF.get(metric, metric))


class PerformanceSummary(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The scores of one version of a model on one split (page performance-metrics/get-summary).

    `version_id` is the version that was scored: the way to learn which one is promoted. `task_type` is
    "classification", "regression", "clustering" or a word yet unknown, empty where the server leaves it out.
    `metrics` has every number and null that the server sent, under the server's names; values that are no numbers
    (texts, objects) are in `other_metrics` and in no accessor. `evaluated_at` is ISO 8601 text as sent, or None.
    """

    model_id: str
    version_id: str
    dataset_split: str
    metrics: Mapping[str, float | None]
    task_type: str = ""
    evaluated_at: str | None = None
    other_metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def metric(self, name: str) -> float | None:
        """Return a metric by its name, or by another spelling of it; None if the server gave no number."""
        name = _NAME_OF.get(name, name)
        values = (self.metrics.get(spelling) for spelling in (name, *_SPELLINGS.get(name, ())))
        return next((value for value in values if value is not None), None)

    @property
    def evaluated(self) -> datetime | None:
        """`evaluated_at` as a moment, UTC where it names no zone; None where it is absent or no ISO 8601 date."""
        try:
            moment = msgspec.convert(self.evaluated_at, datetime)
        except msgspec.ValidationError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, 0 to 1; higher is better."""
        return self.metric("accuracy")

    @property
    def precision(self) -> float | None:
        """Fraction, 0 to 1; higher is better. The page does not say how classes are averaged."""
        return self.metric("precision")

    @property
    def recall(self) -> float | None:
        """Fraction, 0 to 1; higher is better. The page does not say how classes are averaged."""
        return self.metric("recall")

    @property
    def f1_score(self) -> float | None:
        """Fraction, 0 to 1; higher is better. The page does not say how classes are averaged."""
        return self.metric("f1_score")

    @property
    def roc_auc(self) -> float | None:
        """Area under the ROC curve, 0 to 1 (0.5: chance); higher is better. Needs probabilities, so may be None."""
        return self.metric("roc_auc")

    @property
    def log_loss(self) -> float | None:
        """Logarithmic loss, from 0 without an upper bound; **lower** is better. Needs probabilities."""
        return self.metric("log_loss")

    @property
    def rmse(self) -> float | None:
        """Root mean squared error, in units of the target; **lower** is better."""
        return self.metric("rmse")

    @property
    def r_squared(self) -> float | None:
        """Share of the variance explained, at most 1, may be negative; higher is better."""
        return self.metric("r_squared")

    @property
    def mae(self) -> float | None:
        """Mean absolute error, in units of the target; **lower** is better."""
        return self.metric("mae")

    @property
    def mse(self) -> float | None:
        """Mean squared error, in squared units of the target; **lower** is better."""
        return self.metric("mse")

    @property
    def adjusted_r_squared(self) -> float | None:
        """`r_squared` adjusted for the number of features, at most 1; higher is better."""
        return self.metric("adjusted_r_squared")

    @property
    def mape(self) -> float | None:
        """Mean absolute percentage error; **lower** is better. The pages leave open whether 0.1 or 10 is 10 %."""
        return self.metric("mape")

    @property
    def smape(self) -> float | None:
        """Symmetric `mape`, with the same doubt about its scale; **lower** is better."""
        return self.metric("smape")

    @property
    def mase(self) -> float | None:
        """Mean absolute scaled error, a ratio (below 1: better than the naive forecast); **lower** is better."""
        return self.metric("mase")
