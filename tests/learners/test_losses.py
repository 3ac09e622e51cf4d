"""Losses against the textbook: ignored pixels, soft targets, depth, the feature discrepancy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from al_lightning.core.task import IGNORE
from al_lightning.learners.losses import Discrepancy, batch_dice_loss, depth_loss, segmentation_loss
from al_lightning.learners.outputs import classes, probabilities


def textbook_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p, y = torch.sigmoid(logits[:, 0]), target.float()
    bce = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
    dice = [1 - (2 * (a * b).sum() + 1) / (a.sum() + b.sum() + 1) for a, b in zip(p, y, strict=True)]
    return bce + torch.stack(dice).mean()


def test_binary_loss_is_bce_plus_dice_per_image():
    torch.manual_seed(0)
    logits, target = torch.randn(3, 1, 8, 8), (torch.rand(3, 8, 8) > 0.7).to(torch.uint8)
    assert segmentation_loss(logits, target).item() == pytest.approx(textbook_loss(logits, target).item(), rel=1e-5)


def test_two_softmax_channels_equal_one_sigmoid_channel():
    torch.manual_seed(0)
    logit, target = torch.randn(2, 1, 6, 6), (torch.rand(2, 6, 6) > 0.5).to(torch.uint8)
    two = torch.cat([torch.zeros_like(logit), logit], 1)
    assert segmentation_loss(two, target).item() == pytest.approx(segmentation_loss(logit, target).item(), rel=1e-5)
    assert torch.allclose(probabilities(two), probabilities(logit), atol=1e-6)
    assert torch.equal(classes(two), classes(logit))


@pytest.mark.parametrize("channels", [1, 3])
def test_ignored_pixels_change_nothing_and_void_batches_give_zero(channels):
    torch.manual_seed(0)
    logits = torch.randn(2, channels, 6, 6, requires_grad=True)
    target = torch.randint(0, max(channels, 2), (2, 6, 6)).to(torch.uint8)
    target[:, :3] = 255
    changed = logits.detach().clone()
    changed[:, :, :3] += 5
    assert segmentation_loss(changed, target).item() == pytest.approx(segmentation_loss(logits, target).item())
    void = segmentation_loss(logits, torch.full_like(target, 255))
    void.backward()
    assert void.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_soft_targets_of_zero_and_one_equal_hard_ones():
    logits, target = torch.randn(2, 1, 6, 6), (torch.rand(2, 6, 6) > 0.5).to(torch.uint8)
    assert segmentation_loss(logits, target.float()).item() == pytest.approx(segmentation_loss(logits, target).item())


def test_depth_loss_is_a_fraction_of_the_maximum():
    output, target = torch.tensor([[[[0.5, 1.0]]]]), torch.tensor([[[[8.0, 20.0]]]])
    assert depth_loss(output, target, 20.0).item() == pytest.approx((2 / 20 + 0) / 2)


def test_void_pixels_beside_soft_targets_do_not_train():
    torch.manual_seed(0)
    logits, soft = torch.randn(1, 1, 4, 4), torch.rand(1, 4, 4)
    soft[:, :2] = IGNORE
    changed = logits.clone()
    changed[:, :, :2] += 3
    assert segmentation_loss(logits, soft).item() == pytest.approx(segmentation_loss(changed, soft).item())
    assert segmentation_loss(logits, soft).item() < 5


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("loss", [segmentation_loss, batch_dice_loss])
def test_a_batch_without_a_revealed_pixel_contributes_nothing(channels, loss):
    logits = torch.randn(2, channels, 8, 8, requires_grad=True)
    value = loss(logits, torch.full((2, 8, 8), IGNORE, dtype=torch.uint8))
    value.backward()
    assert value == 0
    assert (logits.grad == 0).all()


def test_discrepancy_agrees_with_its_equation():
    torch.manual_seed(0)
    p1, e = torch.rand(3, 8, 8), torch.rand(3, 5, 4, 4)
    p = torch.stack([1 - p1, p1], 1)
    small = torch.nn.functional.interpolate(p, (4, 4), mode="area")
    expected = []
    for y, maps in zip(small, e, strict=True):
        f = [(y[c] * maps).mean((1, 2)) for c in (0, 1)]
        expected.append(max(0.0, (f[0] @ f[1] / (f[0].norm() * f[1].norm())).item() - 0.2))
    assert Discrepancy(0.1, 0.2)(p, e).item() == pytest.approx(np.mean(expected), rel=1e-5)
    assert Discrepancy(0.1, 0.2)(torch.stack([torch.ones(1, 8, 8), torch.zeros(1, 8, 8)], 1), e[:1]).item() == 0


def test_detach_mask_stops_the_gradient_through_the_masks():
    for detach in (False, True):
        p1 = torch.rand(1, 4, 4, requires_grad=True)
        e = torch.rand(1, 3, 4, 4, requires_grad=True)
        Discrepancy(0.1, -0.5, detach)(torch.stack([1 - p1, p1], 1), e).backward()
        assert e.grad.abs().sum() > 0
        assert (p1.grad is None) == detach
