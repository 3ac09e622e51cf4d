from __future__ import annotations

import pytest
import torch
from torch import nn

from al_lightning.learners import LEARNERS
from al_lightning.learners.dense import DenseLearner, classes, dropout_layers, probabilities, segmentation_loss
from al_lightning.learners.unet import unet
from al_lightning.networks.unet import PlainUNet
from al_lightning.types import Task

POLYP = Task()


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


def batch(n: int = 2, size: int = 16) -> dict:
    return {"rows": torch.arange(n), "image": torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8)}


@pytest.mark.parametrize("options", [{"widths": [4, 8]}, {"encoder": "resnet18"}])
def test_predict_fills_what_it_provides(options):
    size = (32, 32)
    learner = LEARNERS["unet"](POLYP, size, **options).eval()
    with torch.no_grad():
        found = learner.predict_step(batch(size=32), 0)
    for name in learner.provides:
        assert getattr(found, name) is not None
    assert found.probabilities.shape == (2, 2, 32, 32)
    assert torch.allclose(found.probabilities.sum(1), torch.ones(2, 32, 32))
    assert found.latent.shape == (2, learner.network.width)
    assert torch.allclose(found.latent, found.features.mean((2, 3)))


def test_default_latent_has_512_dimensions():
    assert unet(POLYP, (16, 16)).network.width == 512


def test_a_score_does_not_depend_on_the_neighbours_in_the_batch():
    learner = unet(POLYP, (16, 16), widths=[4, 8]).eval()
    whole = batch(4)
    with torch.no_grad():
        together = learner.predict_step(whole, 0).probabilities
        alone = [
            learner.predict_step({"rows": whole["rows"][i : i + 1], "image": whole["image"][i : i + 1]}, 0)
            for i in range(4)
        ]
    assert torch.allclose(together, torch.cat([a.probabilities for a in alone]), atol=1e-6)


@pytest.mark.parametrize("attention", [False, True])
def test_mc_passes_switch_only_dropout_and_run_the_encoder_once(monkeypatch, attention):
    options = {"widths": [4, 8], "dropout": 0.5, "attention": attention}
    learner = unet(POLYP, (16, 16), mc_passes=7, **options).eval()
    network = learner.network
    encodes = []
    original = PlainUNet.encode
    monkeypatch.setattr(PlainUNet, "encode", lambda self, x: (encodes.append(1), original(self, x))[1])
    modes = []
    network.merge[0][1].register_forward_hook(
        lambda *_: modes.append(any(m.training for m in network.modules() if isinstance(m, nn.BatchNorm2d)))
    )
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    images = batch()
    with torch.no_grad():
        torch.manual_seed(3)
        found = learner.predict_step(images, 0)
        assert (len(encodes), modes) == (1, [False] * 7)
        assert found.passes.count == 7
        # The same passes through the whole network, one after another.
        torch.manual_seed(3)
        network.dropout.train()
        each = torch.stack([probabilities(learner(images["image"])) for _ in range(7)])
        network.dropout.eval()
        assert torch.allclose(found.probabilities, each.mean(0), atol=1e-5)
        assert torch.allclose(found.passes.square, (each**2).mean(0), atol=1e-5)
        assert each.std(0).max() > 1e-3, "the passes differ"
        assert torch.allclose(found.deterministic(), probabilities(learner(images["image"])), atol=1e-6)
    assert not any(m.training for m in dropout_layers(network))
    assert all(torch.equal(before[k], v) for k, v in learner.state_dict().items())


def test_mc_passes_without_dropout_are_refused():
    with pytest.raises(ValueError, match=r"mc_passes=5.*no dropout layer.*learner\.options\.dropout"):
        unet(POLYP, (16, 16), mc_passes=5, widths=[4, 8])


def test_sizes_and_weights_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match=r"multiples of 16.*dataset\.options\.size=96"):
        unet(POLYP, (100, 100))
    with pytest.raises(ValueError, match="encoder_weights='imagenet'"):
        unet(POLYP, (16, 16), encoder_weights="imagenet")
    with pytest.raises(ValueError, match="resnet18"):
        unet(POLYP, (32, 32), encoder="resnet81")


def test_depth_output_is_a_share_of_the_maximum():
    learner = DenseLearner(PlainUNet(1, (4, 8)), Task("depth", (), 20.0)).eval()
    assert learner.monitor == ("val/rmse_cm", "min")
    with torch.no_grad():
        images = batch()
        assert torch.allclose(learner.predict_step(images, 0).depth, learner(images["image"]) * 20)


def test_objects_are_scored_at_their_own_size_where_the_task_has_them():
    learner = unet(Task("segmentation", ("background", "gland"), objects=True), (16, 16), widths=[4, 8])
    truth = torch.zeros(20, 24, dtype=torch.int32)
    truth[2:8, 2:8], truth[10:18, 12:22] = 1, 2
    logits = torch.nn.functional.interpolate((truth > 0).float()[None, None] * 20 - 10, (40, 48))
    learner.update("test", logits, {"native": [(truth > 0).to(torch.uint8)], "objects": [truth]})
    found = learner.results("test")
    assert {"test/miou", "test/object_f1", "test/object_dice", "test/object_hausdorff"} <= set(found)
    assert found["test/object_f1"] == 1
    assert found["test/object_hausdorff"] == 0
