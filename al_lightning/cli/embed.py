"""`al-lightning embed`: features of a folder of images, for `select`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from al_lightning.cli.arguments import Commands


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("embed", help="features of a folder of images without labels, for select")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of images, sub-folders included")
    parser.add_argument("-o", "--output", type=Path, default=Path("features.npy"), help="the .npy; ids go beside it")
    parser.add_argument("--run", type=Path, metavar="RUN_DIR", help="by the learner of this run, as last trained")
    parser.add_argument("--encoder", metavar="NAME", help="by this encoder of segmentation_models_pytorch or timm")
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="of the encoder: a file with its state dict, or imagenet to download; imagenet",
    )
    parser.add_argument(
        "--size", type=int, nargs="+", metavar="N", help="pixels that the encoder sees: one number, or height and width"
    )
    parser.add_argument("--components", type=int, default=128, metavar="N", help="of the pixels, without encoder; 128")
    parser.add_argument("--page", type=int, metavar="N", help="of files of several pages, from 1")
    parser.add_argument(
        "--window", type=float, nargs=2, metavar=("LOW", "HIGH"), help="black and white of more than 8 bits"
    )
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="images at once; 32")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1; auto")
    parser.add_argument("--force", action="store_true", help="replace features that are there")
    parser.set_defaults(command=embed)


def embed(options: argparse.Namespace) -> int:
    """Write the features, the ids beside them, and a list of what could not be read."""
    from rich.console import Console

    from al_lightning.cli.bars import bar
    from al_lightning.cli.devices import device_of
    from al_lightning.experiment import embed as embedding
    from al_lightning.experiment.features import ids_file
    from al_lightning.experiment.image_files import images_of

    _check(options)
    say = Console(highlight=False, markup=False, soft_wrap=True).print
    images, notes = images_of(options.folder)
    for line in notes:
        say(line)
    device = device_of(options.device)
    encode, size, how = _encoder(options, device)
    say(f"{len(images):,} images, {how}, {size[0]} x {size[1]} pixels, on {device}")
    with bar("images", len(images)) as progress:
        found = embedding.embed(
            images,
            options.output,
            encode,
            size,
            page=options.page,
            window=options.window or "auto",
            batch_size=options.batch_size,
            device=device,
            components=options.components,
            progress=progress,
            note=say,
        )
    if found.skipped:
        first = ", ".join(found.skipped[:3]) + ", ..." * (len(found.skipped) > 3)
        say(f"{len(found.skipped)} of {len(images)} not read ({first}): {embedding.skipped_file(options.output)}")
    rate = found.count / max(found.seconds, 1e-9)
    say(
        f"{found.features}: {found.count:,} x {found.dimensions}, ids in {ids_file(options.output).name}, "
        f"{found.seconds:.1f} s ({rate:,.1f} images/s)"
    )
    return 0


def _check(options: argparse.Namespace) -> None:
    if options.run is not None and options.encoder is not None:
        raise ValueError("--run and --encoder: both make features; give one of them")
    if options.weights is not None and options.encoder is None:
        raise ValueError(f"--weights {options.weights}: of which encoder? name it with --encoder")
    if options.run is not None and options.size is not None:
        raise ValueError("--size: with --run, images have the size that the run was trained with; leave it out")
    if options.size is not None and (len(options.size) > 2 or min(options.size) < 1):
        raise ValueError(
            f"--size {' '.join(map(str, options.size))}: expected one number of pixels, or height and width"
        )
    for name in ("batch_size", "components"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} {getattr(options, name)}: expected at least 1")
    if options.output.suffix.lower() != ".npy":
        raise ValueError(f"--output {options.output}: expected a name that ends in .npy")
    if options.output.exists() and not options.force:
        raise ValueError(f"--output {options.output}: is there already; choose another name, or --force to replace it")


def _encoder(options: argparse.Namespace, device: Any) -> tuple[Any, tuple[int, int], str]:
    """(what encodes a batch, or None for the pixels; (H, W); what to say of it)."""
    size = None if options.size is None else (options.size[0], options.size[-1])
    if options.run is not None:
        from al_lightning.experiment.run_encoder import run_encoder

        encode, of_run, stage = run_encoder(options.run, device)
        return encode, of_run, f"by the learner of {options.run}, stage {stage}"
    if options.encoder is not None:
        from al_lightning.networks.encoders import DOWNLOAD, ImageEncoder

        try:
            encoder = ImageEncoder(options.encoder, options.weights or DOWNLOAD, size).to(device)
        except (ValueError, FileNotFoundError) as error:
            raise type(error)(f"--encoder {options.encoder}: {error}") from None
        return encoder, encoder.size, f"by {options.encoder}, weights {options.weights or DOWNLOAD}"
    from al_lightning.experiment.embed import PIXELS

    how = f"by {options.components} principal components of their pixels (no --run and no --encoder)"
    return None, size or PIXELS, how
