"""`al-lightning export`: the learner of a run as TorchScript or ONNX."""

from __future__ import annotations

import argparse
from pathlib import Path

from al_lightning.cli.arguments import Commands

ENDINGS = {"torchscript": ".pt", "onnx": ".onnx"}


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("export", help="the learner of a run as TorchScript or ONNX, for other programs")
    parser.add_argument("run", type=Path, metavar="RUN_DIR")
    parser.add_argument("-o", "--output", type=Path, help="file of the model; its description is written beside it")
    parser.add_argument("--format", choices=[*ENDINGS], default="torchscript", help="torchscript")
    parser.add_argument("--stage", type=int, metavar="N", help="the learner of this stage; the last one")
    parser.set_defaults(command=export)


def export(options: argparse.Namespace) -> int:
    """Write the model and its description, after a comparison with the learner on images of the run."""
    from al_lightning.experiment import export as exporting
    from al_lightning.experiment.trained import load_trained

    ending = ENDINGS[options.format]
    output = options.output or Path(f"model{ending}")
    if output.suffix != ending:
        raise ValueError(f"--output {output}: expected a name that ends in {ending}")
    found = load_trained(options.run, stage=options.stage, mc_passes=1)
    written = exporting.export(found, output, options.format)
    print(
        f"{written.model} and {written.description.name}: equal to {found.said or 'the learner'} to "
        f"{written.difference:.2g} on {written.compared} images of the run"
    )
    return 0
