"""Time of Monte Carlo passes: with the encoder once or every time, and with the noise of PyTorch's dropout instead of
that by image and pass: `al-lightning bench mc-dropout`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from al_lightning.core.prediction import Batch, SampleStatistics
from al_lightning.core.task import Task
from al_lightning.learners.dense import DenseLearner
from al_lightning.learners.noise import dropout_layers
from al_lightning.networks.unet import PlainUNet


def full_passes(learner: DenseLearner, network: PlainUNet, batch: Batch) -> SampleStatistics:
    """The compared method: M passes of the whole network with dropout on."""
    image, passes = learner.normalise(batch["image"]), SampleStatistics()
    for layer in dropout_layers(network):
        layer.train()
    for _ in range(learner.mc_passes):
        p = network(image).float().sigmoid()
        passes.add(torch.cat([1 - p, p], 1))
    for layer in dropout_layers(network):
        layer.eval()
    return passes


def torch_noise(learner: DenseLearner, network: PlainUNet, batch: Batch) -> SampleStatistics:
    """The encoder once, and dropout from torch's stream."""
    maps, passes = network.encode(learner.normalise(batch["image"])), SampleStatistics()
    for layer in dropout_layers(network):
        layer.train()
    for output in network.decode_many(maps, learner.mc_passes):
        p = output.float().sigmoid()
        passes.add(torch.cat([1 - p, p], 1))
    for layer in dropout_layers(network):
        layer.eval()
    return passes


def bench_passes(size: int = 128, images: int = 4, passes: int = 20, repeats: int = 5) -> None:
    """Print median seconds for a batch in the U-Net of widths 32 to 512 with bottleneck dropout, all ways in turn."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    network = PlainUNet(1, dropout=0.5)
    learner = DenseLearner(network, Task()).eval().to(device)
    learner.mc_passes = passes
    batch: Batch = {
        "rows": torch.arange(images, device=device),
        "image": torch.randint(0, 256, (images, 3, size, size), dtype=torch.uint8, device=device),
    }
    ways: dict[str, Callable[[], object]] = {
        "encoder once": lambda: learner.predict_step(batch, 0),
        "torch": lambda: torch_noise(learner, network, batch),
        "full passes": lambda: full_passes(learner, network, batch),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    with torch.no_grad():
        for repeat in range(repeats + 1):
            for name, run in ways.items():
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                begin = time.perf_counter()
                run()
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                if repeat:
                    times[name].append(time.perf_counter() - begin)
    once, noise, full = (statistics.median(times[name]) for name in ways)
    title = f"{passes} passes, {images} images of {size} x {size}, {device}, median of {repeats}"
    table = Table("way", "seconds", "ratio", title=title)
    table.add_row("encoder and skips once", f"{once:.3f}", "1.00")
    table.add_row("the same with noise of torch", f"{noise:.3f}", f"{noise / once:.2f}")
    table.add_row("full passes", f"{full:.3f}", f"{full / once:.2f}")
    Console().print(table)
