"""The noise of Monte Carlo passes: a hash of seed, image, layer, pass and position, and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from learner_parts import OPTIONS, POLYP, batch
from torch import nn

from al_lightning.core.learner import set_mc_passes
from al_lightning.learners import LEARNERS
from al_lightning.learners.noise import keyed_dropout, scramble, words


def dropped(layer: nn.Module, rows: list[int], shape: tuple[int, ...], calls: int = 1) -> torch.Tensor:
    """(calls, rows, ...): which values of ones become another value."""
    ones = torch.ones(len(rows), *shape)
    with keyed_dropout([layer.eval()], torch.tensor(rows)):
        return torch.stack([layer(ones) for _ in range(calls)]) == 0


def by_numpy(seed: int, row: int, layer: int, call: int, number: int) -> np.ndarray:
    """The hash of the values of one image, in unsigned arithmetic."""

    def mix(x, key, salt):
        x = (x ^ key).astype(np.uint32)
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D) ^ salt
        return (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)

    def unsigned(*numbers):
        return [np.array([word & 0xFFFFFFFF], dtype=np.uint32) for word in words(*numbers)]

    own = [mix(np.array([row], np.uint32), *unsigned(seed, stream)) for stream in (1, 2)]
    key, salt = (a ^ b for a, b in zip(own, unsigned(seed, 3 + call, layer), strict=True))
    return mix(np.arange(number, dtype=np.uint32), key, salt).view(np.int32)


@pytest.mark.parametrize("p", [0.1, 0.5, 1 / 3])
def test_masks_are_the_hash_in_unsigned_arithmetic(p):
    """So that they are those of any device: there is no other arithmetic than of whole numbers."""
    torch.manual_seed(2**63 + 5)
    found = dropped(nn.Dropout(p), [0, 7, 2**31 - 1], (3, 5, 4), calls=2)
    for call in range(2):
        for place, row in enumerate([0, 7, 2**31 - 1]):
            below = by_numpy(2**63 + 5, row, 0, call, 60) < round(p * 2**32) - 2**31
            assert np.array_equal(found[call, place].flatten().numpy(), below)


def test_masks_depend_on_seed_row_layer_and_call_and_not_on_the_batch():
    torch.manual_seed(1)
    layers = [nn.Dropout(0.5).eval(), nn.Dropout(0.5).eval()]
    with keyed_dropout(layers, torch.tensor([4, 9])):
        one = [layer(torch.ones(2, 500)) for _ in range(2) for layer in layers]
    assert all(not torch.equal(a, b) for i, a in enumerate(one) for b in one[:i]), "calls and layers have their own"
    torch.rand(7)
    with keyed_dropout(layers, torch.tensor([9, 1, 3])):
        other = [layer(torch.ones(3, 500)) for _ in range(2) for layer in layers]
    assert all(torch.equal(a[1], b[0]) for a, b in zip(one, other, strict=True))
    torch.manual_seed(2)
    with keyed_dropout(layers, torch.tensor([4, 9])):
        assert not torch.equal(layers[0](torch.ones(2, 500)), one[0])
    assert torch.equal(layers[0](torch.ones(2, 500)), torch.ones(2, 500)), "nothing is dropped afterwards"


@pytest.mark.parametrize("p", [0.02, 0.5, 0.9])
def test_masks_are_as_good_as_random(p):
    """Rates of single images, and products of pairs of images, passes and neighbours, have the variance of chance."""
    torch.manual_seed(0)
    n, found = 8192, dropped(nn.Dropout(p), list(range(24)), (8192,), calls=10).double()
    rates = (found.sum(-1) - n * p) / math.sqrt(n * p * (1 - p))
    assert abs(rates.mean()) < 0.3
    assert 0.85 < rates.std() < 1.15
    signs = ((found - p) / math.sqrt(p * (1 - p))).reshape(240, n)
    pairs = (signs @ signs.T / math.sqrt(n))[torch.ones(240, 240).triu(1).bool()]
    assert abs(pairs.std() - 1) < 0.05
    assert pairs.abs().max() < 6
    for lag in (1, 2, 4, 16, 64, 1024):
        z = (signs[:, lag:] * signs[:, :-lag]).sum(1) / math.sqrt(n - lag)
        assert abs(z.mean()) < 0.3, lag
        assert 0.8 < z.std() < 1.2, lag


def test_values_that_stay_are_scaled_as_by_pytorch():
    x = torch.randn(6, 40, 10, 10, generator=torch.Generator().manual_seed(0))
    for kind in (nn.Dropout, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout):
        layer = kind(0.3)
        torch.manual_seed(0)
        theirs = layer.train()(x)
        with keyed_dropout([layer.eval()], torch.arange(6)):
            ours = layer(x)
        constant = theirs.flatten().mode().values
        assert ours.flatten().mode().values.item() == pytest.approx(constant.item(), abs=1e-6), kind
        kept = ((ours - constant).abs() > 1e-5) & ((theirs - constant).abs() > 1e-5)
        assert 0.3 < kept.double().mean() < 0.7, kind
        torch.testing.assert_close(ours[kept], theirs[kept])
        with keyed_dropout([kind(1.0).eval()], torch.arange(6)):
            pass
    whole = dropped(nn.Dropout2d(0.5), [1, 2], (64, 4, 4))[0].flatten(2)
    assert torch.equal(whole.all(-1), whole.any(-1)), "a channel is dropped as a whole"
    assert 0.3 < whole[..., 0].double().mean() < 0.7
    assert dropped(nn.Dropout(1.0), [3], (50,)).all()


def test_parts_of_an_image_next_to_each_other_are_its_own():
    """Windows of a transformer: the first dimension is a multiple of the batch."""
    torch.manual_seed(0)
    alone = dropped(nn.Dropout(0.5), [8], (4, 30))[0]
    with keyed_dropout([layer := nn.Dropout(0.5).eval()], torch.tensor([2, 8])):
        windows = layer(torch.ones(8, 30)) == 0
    assert torch.equal(windows[4:], alone[0])


def test_layers_that_cannot_be_keyed_are_refused():
    class Mine(nn.modules.dropout._DropoutNd):
        pass

    with pytest.raises(ValueError, match=r"dropout layer Mine.*Dropout2d"), keyed_dropout([Mine(0.5)], torch.arange(2)):
        pass
    layer = nn.Dropout(0.5).eval()
    with (
        pytest.raises(ValueError, match=r"\(3, 4\) for a batch of 2 images.*first dimension"),
        keyed_dropout([layer], torch.arange(2)),
    ):
        layer(torch.ones(3, 4))


def test_hash_is_known():
    assert scramble(torch.tensor([0, 1, -1], dtype=torch.int32), 0, 0).tolist() == [
        int(value) for value in by_hand([0, 1, 2**32 - 1])
    ]


def by_hand(numbers: list[int]) -> list[int]:
    found = []
    for x in numbers:
        x = (x ^ x >> 16) * 0x7FEB352D & 0xFFFFFFFF
        x = (x ^ x >> 15) * 0x846CA68B & 0xFFFFFFFF
        found.append(x - 2**32 if x >= 2**31 else x)
    return found


@pytest.mark.parametrize(("name", "size"), [("unet", 16), ("fcn8s", 32), ("pix2pix", 32), ("smp", 64)])
def test_passes_of_an_image_do_not_depend_on_its_batch(name, size):
    learner, whole = LEARNERS[name](POLYP, (size, size), **OPTIONS[name]).eval(), batch(5, size)
    set_mc_passes(learner, 3)
    with torch.no_grad():
        together = learner.predict_step(whole, 0)
        torch.rand(3)
        for places in ([4], [3, 1], [2, 0, 4, 1]):
            part = learner.predict_step({key: value[places] for key, value in whole.items()}, 0)
            for field in ("mean", "square", "votes", "entropy"):
                expected = getattr(together.passes, field)[places]
                torch.testing.assert_close(getattr(part.passes, field), expected, atol=1e-5, rtol=1e-4)
    assert (together.passes.square - together.passes.mean**2).max() > 1e-6, "the passes differ"
