"""What a row of stages.jsonl measures: metrics and budgets, their names and how to show them."""

from __future__ import annotations

import math
from dataclasses import dataclass

AXES = {
    "labelled": ("Labelled images", 1.0),
    "fraction": ("Labelled share of the pool (%)", 100.0),
    "cost.pixels": ("Labelled pixels (millions)", 1e-6),
    "cost.clicks": ("Clicks (thousands)", 1e-3),
}
"""Budgets of a row: its key, its name in a figure and the factor that it is shown with."""


@dataclass(frozen=True)
class Metric:
    """A key of a row's "test" and how to show it."""

    key: str
    name: str
    meaning: str
    unit: str = "%"
    """"%" (shown times 100), "cm" or ""."""
    higher_is_better: bool | None = True
    """None: not known, nothing is called best."""
    folded: bool = False
    """Shown in a table that opens on a click, without a figure."""

    def text(self, value: float, signed: bool = False) -> str:
        """A figure without its unit: one decimal of a per cent, three of a cm."""
        if not math.isfinite(value):
            return "–"
        digits, value = (1, 100 * value) if self.unit == "%" else (3, value)
        value = round(value, digits) + 0.0  # turns −0.0 into 0.0
        return (f"{value:+.{digits}f}" if signed and value else f"{value:.{digits}f}").replace("-", "−")

    @property
    def label(self) -> str:
        return f"{self.name} ({self.unit})" if self.unit else self.name


METRICS = {
    metric.key: metric
    for metric in (
        Metric(
            "miou",
            "mIoU",
            "Mean IoU over the classes that occur, from one confusion matrix over the whole test set. The background "
            "is one of the classes, and where there are two it lifts the figure.",
        ),
        Metric("iou", "Foreground IoU", "IoU of the foreground (such as polyp) from that matrix, without background."),
        Metric("dice", "Dice", "Dice coefficient of the foreground from that matrix."),
        Metric("iou_image", "IoU by image", "IoU of the foreground of each image, averaged over images.", folded=True),
        Metric(
            "dice_image", "Dice by image", "Dice of the foreground of each image, averaged over images.", folded=True
        ),
        Metric(
            "rmse_cm", "RMSE", "Root mean square error of the depth within an image, averaged over images.", "cm", False
        ),
        Metric("mae_cm", "MAE", "Mean absolute error of the depth over all pixels.", "cm", False),
        Metric(
            "rmse_pooled_cm",
            "Pooled RMSE",
            "Root mean square error over all pixels of the test set; never below the RMSE by image.",
            "cm",
            False,
            folded=True,
        ),
    )
}
PRIMARY = ("miou", "rmse_cm")


def metric_of(key: str) -> Metric:
    """The known metric, or a plain entry whose direction is not known."""
    if key in METRICS:
        return METRICS[key]
    centimetres = key.endswith("_cm")
    name = key.removesuffix("_cm").replace("_", " ")
    return Metric(key, name, "", "cm" if centimetres else "", False if centimetres else None, folded=True)
