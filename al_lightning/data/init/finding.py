"""Finding: what is known of a folder, and what is open."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from al_lightning.data.dataset import DenseDataset
from al_lightning.data.init.choices import Ask, Choice, Options, Question


@dataclass
class Finding:
    """What was found in a folder."""

    root: Path
    loader: str = "folder"
    options: Options = field(default_factory=dict)
    """Of the loader, beside root and size."""
    dataset: DenseDataset | None = None
    """As the loader reads it; None where something is needed first."""
    lines: list[str] = field(default_factory=list)
    """What was found and decided, a line each."""
    open: list[Question] = field(default_factory=list)
    """What is not clear and was not answered; of what is not needed the first choice is taken."""
    images: list[Path] = field(default_factory=list)
    alike: tuple[list[tuple[int, int]], int] | None = None
    """(pairs of near-duplicates, as positions in `images`, how many were compared); None: not looked for yet."""
    unlabelled: int = 0
    """Images of the pool without target."""
    people: bool = False
    """Whether people are asked for the masks that are not there."""
    named_splits: bool = False
    """Whether a file or folders name the splits."""
    several: bool = False
    """Whether an image has several targets."""

    @property
    def missing(self) -> Question | None:
        """What is needed before the set can be read."""
        return next((question for question in self.open if question.needed), None)

    def answer(self, question: Question, ask: Ask) -> Choice:
        """The user's answer; without one the question stays open, and the first choice is taken."""
        choice = ask(question)
        if choice is None:
            self.open.append(question)
            return question.choices[0]
        return choice
