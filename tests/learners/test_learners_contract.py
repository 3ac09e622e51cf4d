"""What every learner of the table must keep: one contract, no learner left out."""

from __future__ import annotations

import pytest
import torch
from learner_parts import POLYP, batch

from al_lightning.core.task import Task
from al_lightning.learners import LEARNERS


@pytest.mark.parametrize("name", LEARNERS.builtin())
@pytest.mark.parametrize("task", [POLYP, Task("segmentation", ("a", "b", "c"))], ids=["binary", "classes"])
def test_levels_and_the_map_before_the_classifier(name, task):
    """The gradient of the last layer's weights, which BADGE takes, follows from the probabilities and this map."""
    if (name, len(task.classes)) == ("pix2pix", 3):
        pytest.skip("pix2pix makes one map")
    options = {"unet": {"widths": [4, 8]}, "smp": {"architecture": "FPN", "encoder": "mobilenet_v2"}}
    options |= {"deeplabv3plus": {"encoder": "mobilenet_v2"}}
    learner = LEARNERS[name](task, (64, 64), **options.get(name, {"multiplier": 1 / 32})).eval()
    with torch.no_grad():
        found = learner.predict_step(batch(size=64), 0)
    assert list(found.levels) == sorted(found.levels, key=lambda key: int(key.split(".")[1]))
    assert found.level(list(found.levels)[-1]) is found.features is found.level("deepest")
    with pytest.raises(ValueError, match=r"level='encoder\.99': the learner gives deepest, encoder\."):
        found.level("encoder.99")
    if name == "fcn8s":
        assert "before_classifier" not in learner.provides, "it adds the scores of three levels"
        return
    x = found.before_classifier()
    network = learner.generator if name == "pix2pix" else learner.network
    layer = network.classifier
    assert x.shape[0] == 2
    assert layer.weight.shape[1] == x.shape[1]
    # Against autograd: dL/dW of the sum of one logit over all its pixels is the sum of the patches of x.
    layer.weight.grad = None
    layer(x)[:, 0].sum().backward()
    patches = torch.nn.functional.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    assert torch.allclose(layer.weight.grad[0].flatten(), patches.sum((0, 2)), rtol=1e-3, atol=1e-2)
