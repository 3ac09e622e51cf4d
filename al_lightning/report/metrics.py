"""The test metrics of a stage row: their names, units and directions, and how to show them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

DIGITS = {"%": 1, "pixels": 1, "images": 1}
"""Decimals by unit; three for cm and without a unit."""


@dataclass(frozen=True)
class Metric:
    """A key below "test" in a stage row, and how to show it.

    Example:
        >>> METRICS["miou"].label, METRICS["miou"].text(0.7234)
        ('mIoU (%)', '72.3')
    """

    key: str
    name: str
    meaning: str
    unit: str = "%"
    """"%" (shown times 100), "cm", "pixels", "images" or ""."""
    higher_is_better: bool | None = True
    """None: not known, nothing is called best."""
    folded: bool = False
    """Shown without a figure, in a table that is closed at first."""

    def text(self, value: float, signed: bool = False) -> str:
        """A number without its unit: one decimal of a per cent or a pixel, three of a cm.

        Args:
            value: as in the stage row: a ratio in [0, 1], cm, pixels or images; "–" where it is not finite.
            signed: whether a positive number has a plus sign.

        Example:
            >>> METRICS["rmse_cm"].text(0.0123, signed=True), METRICS["rmse_cm"].text(float("nan"))
            ('+0.012', '–')
        """
        if not math.isfinite(value):
            return "–"
        digits, value = DIGITS.get(self.unit, 3), 100 * value if self.unit == "%" else value
        value = round(value, digits) + 0.0  # turns −0.0 into 0.0
        return (f"{value:+.{digits}f}" if signed and value else f"{value:.{digits}f}").replace("-", "−")

    @property
    def label(self) -> str:
        return f"{self.name} ({self.unit})" if self.unit else self.name


_PIXELS = "in pixels of the images as they are tested"
OBJECT_METRICS = (
    Metric(
        "object_f1",
        "Object F1",
        "F1 of whole objects (such as glands) counted over the test set: a predicted object is right if it covers more "
        "than half of the true object that it overlaps most.",
    ),
    Metric(
        "object_dice",
        "Object Dice",
        "Dice of each object with the one that it overlaps most, true and predicted objects alike, weighted by area "
        "over the test set; 0 for an object that overlaps none.",
    ),
    Metric(
        "object_hausdorff",
        "Object Hausdorff",
        f"Hausdorff distance of each object to the one that it overlaps most (else to the nearest), {_PIXELS}, true "
        "and predicted objects alike, weighted by area over the test set.",
        "pixels",
        False,
    ),
    Metric("object_f1_image", "Object F1 by image", "Object F1 of each image, averaged over images.", folded=True),
    Metric(
        "object_dice_image", "Object Dice by image", "Object Dice of each image, averaged over images.", folded=True
    ),
    Metric(
        "object_hausdorff_image",
        "Object Hausdorff by image",
        f"Object Hausdorff of each image, {_PIXELS}, averaged over images.",
        "pixels",
        False,
        folded=True,
    ),
    Metric(
        "object_hausdorff_undefined",
        "Hausdorff undefined",
        "Test images with objects in only one of truth and prediction, for which the diagonal of the image stands in.",
        "images",
        False,
        folded=True,
    ),
)
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
        *OBJECT_METRICS,
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
    """The known metric, or one with the key's plain name, whose direction is not known.

    Example:
        >>> metric_of("dice").label, metric_of("object_f1_B").name, metric_of("boundary_error").label
        ('Dice (%)', 'Object F1, part B', 'boundary error')
    """
    if key in METRICS:
        return METRICS[key]
    whole, _, part = key.rpartition("_")
    if whole in {metric.key for metric in OBJECT_METRICS}:
        metric = METRICS[whole]
        return replace(
            metric, key=key, name=f"{metric.name}, part {part}", meaning=f"Part {part} alone: {metric.meaning}"
        )
    centimetres = key.endswith("_cm")
    name = key.removesuffix("_cm").replace("_", " ")
    return Metric(key, name, "", "cm" if centimetres else "", False if centimetres else None, folded=True)
