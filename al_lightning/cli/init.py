"""`al-lightning init`: from a folder of images to the YAML of an experiment."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from al_lightning.cli.arguments import Commands

if TYPE_CHECKING:
    from al_lightning.data.init.choices import Choice, Question
    from al_lightning.data.init.finding import Finding


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("init", help="look at a folder of images and write the YAML of an experiment")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="your images with their masks or depth")
    parser.add_argument("known", nargs="*", metavar="dataset.options.KEY=VALUE", help="what you know of them already")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the YAML; <name of the folder>.yaml")
    parser.add_argument(
        "--simulate", action="store_true", help="leave images without mask out, and ask nobody for them"
    )
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    parser.set_defaults(command=init)


def init(options: argparse.Namespace) -> int:
    """Look, ask what is not clear where somebody can answer, say what was found, and write the YAML.

    Raises:
        ConfigError: the file is there already.
        FileNotFoundError, DataError: what is in the folder cannot be read; what is not decided is in the YAML.
    """
    from al_lightning.config import ConfigError, load
    from al_lightning.config.defaults import name_of
    from al_lightning.data.errors import DataError
    from al_lightning.data.init.choices import nobody
    from al_lightning.data.init.look import look
    from al_lightning.data.init.partly import ask_people, can_ask, can_leave_out, is_partly, only_labelled

    root = options.folder.expanduser().absolute()
    name = name_of(root.resolve())
    output: Path = options.output or Path(f"{name}.yaml")
    _check_output(output, options.force)
    finding = look(root, _known(options.known), ask if sys.stdin.isatty() and sys.stdout.isatty() else nobody)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"-o {output}: {output.parent} cannot be made ({error.strerror})") from None
    if options.simulate and finding.people:
        raise ConfigError(f"--simulate: no image in {root} has a mask that could be looked up; leave the option out")
    if is_partly(finding):
        if can_ask(finding) and not options.simulate:
            command = f"al-lightning init {shlex.quote(str(options.folder))} --simulate"
            ask_people(finding, command if can_leave_out(finding) else "")
        elif not can_leave_out(finding):
            raise ConfigError("--simulate: an image has several masks, so that no CSV can list those that have some")
        else:
            beside = output.with_suffix(".csv").absolute()
            _check_output(beside, options.force)
            only_labelled(finding, beside)
    text, told = _written(finding, name, output)
    for line in told:
        print(line)
    output.write_text(text, encoding="utf-8")
    try:
        load([output])
    except ConfigError as error:
        raise ConfigError(f"{output}: written, but cannot be read again: {error}") from None
    print(f"\nwritten: {output}")
    if missing := finding.missing:
        count = len(missing.choices)
        listed = f"{output} lists {count} possible answer{'s' * (count != 1)}" if count else f"{output} is a beginning"
        raise DataError(f"dataset.options.{missing.option} is not decided: {missing.why}; {listed}")
    print(f"next: al-lightning check {shlex.quote(str(output))}")
    print(f"      al-lightning run {shlex.quote(str(output))}")
    return 0


def ask(question: Question) -> Choice | None:
    """Let the user choose by number."""
    from rich.console import Console
    from rich.prompt import IntPrompt

    from al_lightning.data.init.choices import flow

    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(f"\n{question.option} is not {'clear' if question.needed else 'certain'}: {question.why}")
    for number, choice in enumerate(question.choices, 1):
        console.print(f"  {number}  {flow(choice.options)[1:-1] or 'as it is'}\n       {choice.says}")
    last = len(question.choices) + 1
    console.print(f"  {last}  leave it open: the file lists these as comments")
    numbers = [str(number) for number in range(1, last + 1)]
    try:
        answer = IntPrompt.ask("Which", choices=numbers, default=last if question.needed else 1, console=Console())
    except EOFError:  # Ctrl-D
        return None
    return None if answer == last else question.choices[answer - 1]


def _known(words: list[str]) -> dict[str, Any]:
    """Options of the loader from words key=value.

    Raises:
        ConfigError: another key, or no key at all.
    """
    from al_lightning.config import ConfigError, load
    from al_lightning.config.static import precheck
    from al_lightning.data.table import DATASETS

    for word in words:
        if not word.startswith("dataset.options.") or "=" not in word:
            raise ConfigError(
                f"{word}: expected dataset.options.KEY=VALUE, such as dataset.options.task=depth; change other keys in "
                "the file that is written"
            )
    if not words:
        return {}
    fixed = ["name=x", "learner.name=x", "strategy.name=x", "budget={initial: 1, per_stage: 1, stages: 1}"]
    found = load([], ["dataset.name=folder", *fixed, *words]).dataset.options
    precheck("dataset", DATASETS, "folder", found, ("root", "size"))
    return dict(found)


def _check_output(output: Path, force: bool) -> None:
    from al_lightning.config import ConfigError

    if output.is_dir():
        raise ConfigError(f"-o {output}: is a folder; name a file such as {output / 'mine.yaml'}")
    if output.exists() and not force:
        raise ConfigError(f"{output}: is there already; name another file with -o, or write over it with --force")


def _written(finding: Finding, name: str, output: Path) -> tuple[str, list[str]]:
    """(the YAML, what to say of the folder)."""
    from al_lightning.data.init import proposal, report
    from al_lightning.data.init.text import to_yaml

    sizes, looked_at = proposal.sizes_of(finding.images)
    size = proposal.size_for(sizes, proposal.largest_here())
    pool = proposal.pool_of(finding)
    budget = proposal.budget_of(finding)
    finding.lines = [
        proposal.sizes_line(sizes, len(finding.images), looked_at),
        *finding.lines,
        *report.lines_of(finding),
    ]
    words = f"al-lightning init {shlex.quote(str(finding.root))}", shlex.quote(str(output))
    text = to_yaml(finding, name, size, budget, pool, words)
    told = [f"{finding.root}", *(f"  {line}" for line in finding.lines)]
    told += [f"  not certain: {question.option}: {question.why}" for question in finding.open if not question.needed]
    return text, told
