"""A checkpoint proves itself whole, and what is in it comes back as plain values."""

from __future__ import annotations

import enum
import io
import zipfile
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from al_lightning.core.checkpoint_file import CheckpointError, digest_of, load_weights, pack, unpack


class Colour(enum.Enum):
    RED = "red"


VALUES = {
    "a path": (Path("a") / "b", "a/b"),
    "numpy numbers": ((np.float64(0.5), np.int8(3), np.bool_(True)), (0.5, 3, True)),
    "numpy text": (np.str_("x"), "x"),
    "an enum": (Colour.RED, "red"),
    "sets": ([{1, 2}, frozenset({3})], [{1, 2}, {3}]),
    "a counter": (Counter([1, 1, 2]), Counter({1: 2, 2: 1})),
    "ordered": (OrderedDict(b=1, a=2), OrderedDict(b=1, a=2)),
    "defaults": (defaultdict(list, {"a": [1]}), {"a": [1]}),
    "torch": ((torch.float16, torch.device("cpu"), torch.Size([2, 3])), (torch.float16, torch.device("cpu"), (2, 3))),
    "numbers": (
        [1, -2.5, float("inf"), 1 + 2j, None, True, b"\0", 2**70],
        [1, -2.5, float("inf"), 1 + 2j, None, True, b"\0", 2**70],
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back_plain(tmp_path, name):
    given, expected = VALUES[name]
    (tmp_path / "x.ckpt").write_bytes(pack({"value": given})[0])
    found = unpack(tmp_path / "x.ckpt")["value"]
    assert found == expected
    assert type(found) is type(expected)


def test_the_state_of_random_streams_and_of_schedulers_comes_back(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.rand(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    schedulers = [
        torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 2, 5]),
        torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10),
        torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer),
        torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3),
    ]
    random = np.random.RandomState(3).get_state()
    given = {
        "state_dict": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedulers": [scheduler.state_dict() for scheduler in schedulers],
        "random": [random, torch.get_rng_state()],
    }
    path = tmp_path / "x.ckpt"
    path.write_bytes(pack(given)[0])
    found = unpack(path)
    assert found["state_dict"]._metadata == network.state_dict()._metadata
    for scheduler, state in zip(schedulers, found["schedulers"], strict=True):
        scheduler.load_state_dict(state)
    assert schedulers[0].milestones == Counter({2: 2, 5: 1})
    optimizer.load_state_dict(found["optimizer"])
    moments = [state["exp_avg"] for state in given["optimizer"]["state"].values()]
    again = [state["exp_avg"] for state in optimizer.state_dict()["state"].values()]
    assert all(torch.equal(one, other) for one, other in zip(moments, again, strict=True))
    np.random.RandomState().set_state(found["random"][0])
    assert found["random"][0][0] == random[0]
    np.testing.assert_array_equal(found["random"][0][1], random[1])
    assert found["random"][0][1].dtype == random[1].dtype
    assert torch.equal(found["random"][1], torch.get_rng_state())


def test_other_objects_are_refused_and_left_out_of_the_hyper_parameters(tmp_path):
    with pytest.raises(CheckpointError, match=r"would hold a Linear \(callbacks\.mine\[1\]\), which is no tensor"):
        pack({"callbacks": {"mine": [1, nn.Linear(1, 1)]}})
    with pytest.raises(CheckpointError, match="an array of object"):
        pack({"x": np.array([{}])})
    path = tmp_path / "x.ckpt"
    path.write_bytes(
        pack({"hyper_parameters": {"width": 4, "net": nn.Linear(1, 1), "deep": {"a": 1, "b": object()}}})[0]
    )
    assert unpack(path)["hyper_parameters"] == {"width": 4, "deep": {"a": 1}}


def test_every_cut_and_every_changed_byte_is_found(tmp_path):
    path = tmp_path / "x.ckpt"
    packed, digest = pack({"state_dict": {"w": torch.arange(50.0)}})
    data = bytes(packed)
    path.write_bytes(data)
    assert unpack(path, digest)["state_dict"]["w"].shape == (50,)
    assert digest_of(path) == digest
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None, "other programs can read it"
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        with pytest.raises(CheckpointError, match=r"x\.ckpt: "):
            unpack(path)
    for place in range(0, len(data), 3):
        path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        with pytest.raises(CheckpointError, match=r"x\.ckpt: "):
            unpack(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(CheckpointError):
        unpack(path, digest)


def test_a_checkpoint_of_lightning_without_a_digest_is_read_and_its_checksums_are_checked(tmp_path):
    path, network = tmp_path / "x.ckpt", nn.Linear(40, 50)
    torch.save({"state_dict": {name: value + 1 for name, value in network.state_dict().items()}}, path)
    before = network.weight.detach().clone()
    load_weights(network, path)
    torch.testing.assert_close(network.weight, before + 1)
    data = bytearray(path.read_bytes())
    data[data.index(network.weight.detach().numpy().tobytes()) + 8] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="is damaged"):
        load_weights(network, path)


def test_weights_of_another_network_name_the_first_difference(tmp_path):
    path = tmp_path / "x.ckpt"
    for state, match in (
        (
            nn.Linear(2, 4).state_dict(),
            r"x\.ckpt: holds the weights of another network \(weight has the shape \(4, 2\), and",
        ),
        ({"weight": torch.zeros(3, 2)}, r"it has no bias; 1 tensors, 2 in this one"),
        (nn.Linear(2, 3).state_dict() | {"extra": torch.zeros(1)}, r"this one has no extra; 3 tensors"),
        ({"weight": 3, "bias": torch.zeros(3)}, "weight is no tensor"),
        (3, "holds no weights"),
    ):
        path.write_bytes(pack({"state_dict": state})[0])
        with pytest.raises(CheckpointError, match=match):
            load_weights(nn.Linear(2, 3), path)
