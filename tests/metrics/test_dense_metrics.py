from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, mean_absolute_error, root_mean_squared_error
from torchmetrics.classification import MulticlassJaccardIndex

from al_lightning.data.cache import resize_target
from al_lightning.data.reading import binary_mask
from al_lightning.metrics.dense import DepthMetrics, SegmentationMetrics


def scores(prediction, target, classes=2, batches=1):
    metric = SegmentationMetrics(classes)
    for p, t in zip(np.array_split(prediction, batches), np.array_split(target, batches), strict=True):
        metric.update(torch.from_numpy(p), torch.from_numpy(t))
    return {name: value.item() for name, value in metric.compute().items()}


def test_background_lifts_miou_as_in_the_published_code():
    """All background on a mask with 10 % polyp gives (.9 + 0)/2."""
    target = np.zeros((1, 10, 10), dtype=np.uint8)
    target[0, 0] = 1
    found = scores(np.zeros_like(target), target)
    assert found["miou"] == pytest.approx(0.45)
    assert (found["iou"], found["dice"], found["iou_image"], found["dice_image"]) == (0, 0, 0, 0)


@pytest.mark.parametrize("classes", [2, 5])
def test_one_matrix_over_the_set_agrees_with_torchmetrics_and_sklearn(classes):
    rng = np.random.default_rng(0)
    target = rng.integers(0, classes, (6, 9, 7)).astype(np.uint8)
    prediction = np.where(rng.random(target.shape) < 0.6, target, rng.integers(0, classes, target.shape))
    target[rng.random(target.shape) < 0.1] = 255
    found = scores(prediction, target, classes, batches=3)
    theirs = MulticlassJaccardIndex(classes, average="macro", ignore_index=255)
    theirs.update(torch.from_numpy(prediction), torch.from_numpy(target).long())
    assert found["miou"] == pytest.approx(theirs.compute().item(), abs=1e-6)
    valid = target != 255
    matrix = confusion_matrix(target[valid], prediction[valid], labels=range(classes))
    hit = np.diag(matrix)
    dice = 2 * hit / (matrix.sum(0) + matrix.sum(1))
    assert found["dice"] == pytest.approx(dice[1:].mean(), abs=1e-6)


def test_absent_classes_are_dropped_and_images_count_alone():
    target = np.zeros((2, 4, 4), dtype=np.uint8)
    target[0, :2] = 1
    prediction = target.copy()
    found = scores(prediction, target, classes=3)
    assert found == {"miou": 1, "iou": 1, "dice": 1, "iou_image": 1, "dice_image": 1}
    prediction[1, 0, 0] = 1  # a false alarm on an image without foreground: that image counts 0
    found = scores(prediction, target, classes=3)
    assert found["iou_image"] == pytest.approx(0.5)
    assert found["iou"] == pytest.approx(8 / 9)


def test_per_image_overlap_on_real_masks(real_data):
    files = sorted((real_data / "Kvasir-SEG" / "masks").iterdir())[:8]
    masks = np.stack([resize_target(binary_mask(file), (64, 64)) for file in files])
    shifted = np.roll(masks, 5, axis=2)
    found = scores(shifted, masks, batches=2)
    iou = [(m & s).sum() / (m | s).sum() for m, s in zip(masks, shifted, strict=True)]
    dice = [2 * (m & s).sum() / (m.sum() + s.sum()) for m, s in zip(masks, shifted, strict=True)]
    assert found["iou_image"] == pytest.approx(np.mean(iou), abs=1e-6)
    assert found["dice_image"] == pytest.approx(np.mean(dice), abs=1e-6)


def test_constant_depth_error_of_a_twentieth_is_one_cm():
    target = torch.rand(3, 1, 8, 8) * 19
    metric = DepthMetrics()
    metric.update(target + 20 / 20, target)
    assert {name: round(value.item(), 5) for name, value in metric.compute().items()} == {
        "rmse_cm": 1,
        "rmse_pooled_cm": 1,
        "mae_cm": 1,
    }


def test_depth_per_image_and_pooled_agree_with_sklearn():
    rng = np.random.default_rng(1)
    target, scale = rng.random((5, 1, 6, 6)) * 20, rng.random((5, 1, 1, 1)) * 4
    prediction = target + rng.normal(0, 1, target.shape) * scale
    metric = DepthMetrics()
    for rows in ([0, 1], [2, 3, 4]):
        metric.update(torch.from_numpy(prediction[rows]), torch.from_numpy(target[rows]))
    found = {name: value.item() for name, value in metric.compute().items()}
    each = [root_mean_squared_error(t.ravel(), p.ravel()) for t, p in zip(target, prediction, strict=True)]
    assert found["rmse_cm"] == pytest.approx(np.mean(each), rel=1e-5)
    assert found["rmse_pooled_cm"] == pytest.approx(root_mean_squared_error(target.ravel(), prediction.ravel()))
    assert found["mae_cm"] == pytest.approx(mean_absolute_error(target.ravel(), prediction.ravel()), rel=1e-5)
    assert found["rmse_pooled_cm"] > found["rmse_cm"]
