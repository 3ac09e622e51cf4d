"""`al-lightning predict`: masks of new images, by the learner of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from al_lightning.cli.arguments import Commands


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("predict", help="masks, overlays and uncertainty of new images")
    parser.add_argument("run", type=Path, metavar="RUN_DIR")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of images, sub-folders included")
    parser.add_argument("-o", "--output", type=Path, default=Path("predictions"), help="folder of the masks")
    parser.add_argument("--stage", type=int, metavar="N", help="the learner of this stage; the last one")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="images at once; 8")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1; auto")
    parser.set_defaults(command=predict)


def predict(options: argparse.Namespace) -> int:
    """Write what the learner says of each image; images that are done are kept."""
    from rich.console import Console

    from al_lightning.cli.bars import bar
    from al_lightning.cli.devices import device_of
    from al_lightning.experiment import predict as predicting
    from al_lightning.experiment.image_files import images_of
    from al_lightning.experiment.trained import load_trained

    if options.batch_size < 1:
        raise ValueError(f"--batch-size {options.batch_size}: expected at least 1")
    say = Console(highlight=False, markup=False, soft_wrap=True).print
    images, notes = images_of(options.folder)
    for line in notes:
        say(line)
    device = device_of(options.device)
    found = load_trained(options.run, stage=options.stage, device=device)
    size = found.dataset.size
    who = f"{found.said or 'the learner'} of {options.run}"
    say(f"{len(images):,} images, by {who}, stage {found.stage}, {size[0]} x {size[1]} pixels")
    with bar("images", len(images)) as progress:
        done = predicting.predict(
            images, found, options.output, batch_size=options.batch_size, device=device, progress=progress
        )
    if done.skipped:
        say(f"{len(done.skipped)} of {len(images)} not read: {options.output / 'skipped.txt'}")
    say(f"{options.output}: masks/, overlays/, uncertainty/ and {done.table.name} of {done.count:,} images")
    return 0
