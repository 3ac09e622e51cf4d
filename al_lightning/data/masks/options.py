"""The options that say what masks mean, and the readings that they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from al_lightning.core.task import IGNORE
from al_lightning.data.errors import DataError
from al_lightning.data.masks.reading import MaskReading
from al_lightning.data.masks.rules import common_palette, refuse_colours
from al_lightning.data.masks.survey import Seen

Masks = Literal["auto", "threshold", "index", "palette", "colours", "alpha", "outline"]


@dataclass(frozen=True)
class MaskOptions:
    """What a user says of the masks; the loader `folder` documents each."""

    masks: Masks = "auto"
    threshold: float | None = None
    foreground: Sequence[int] | None = None
    void: Sequence[int] = ()
    colours: Mapping[str, Sequence[int]] | None = None
    invert: bool = False
    allow_missing_classes: bool = False
    page: int | None = None

    def how(self, classes: tuple[str, ...]) -> str:
        """The reading that the options ask for, or auto.

        Raises:
            DataError: options contradict each other or the classes.
        """
        implied = {
            name: how
            for name, how in (("threshold", "threshold"), ("foreground", "foreground"), ("colours", "colours"))
            if getattr(self, name) is not None
        }
        if len(implied) > 1:
            raise DataError(f"{' and '.join(implied)}: each says by itself what masks mean; keep one of the options")
        for name, how in implied.items():
            fits = {"threshold": ("threshold", "alpha", "outline"), "foreground": ("index", "palette")}.get(
                name, (how,)
            )
            if self.masks not in ("auto", *fits):
                raise DataError(f"masks={self.masks}: does not go with {name}; remove one of the two options")
        if self.masks == "colours" and self.colours is None:
            raise DataError("masks=colours: needs dataset.options: {colours: {class: [red, green, blue], ...}}")
        how = self.masks if self.masks in ("alpha", "outline") else next(iter(implied.values()), self.masks)
        two = self.masks in ("threshold", "alpha", "outline") or "threshold" in implied or "foreground" in implied
        if len(classes) != 2 and (two or self.invert):
            name = "invert=true" if self.invert else f"masks={how}"
            raise DataError(f"{name}: needs two classes, but classes={list(classes)}; set masks=index")
        return how


def given(how: Any, found: Sequence[Seen], classes: tuple[str, ...], options: MaskOptions) -> MaskReading:
    """The reading that the options ask for; for more than two classes auto is index.

    Raises:
        DataError: a colour of the options is impossible, or with auto files hold colours or different palettes.
    """
    known: dict[str, Any] = {"page": options.page, "invert": options.invert, "threshold": options.threshold}
    void = tuple(dict.fromkeys((*options.void, *(() if how == "foreground" else (IGNORE,)))))
    if how == "foreground":
        return MaskReading("foreground", classes, foreground=tuple(options.foreground or ()), void=void, **known)
    if how == "colours":
        return MaskReading("colours", classes, colours=_table(options.colours or {}, classes, options), **known)
    if how in ("threshold", "outline", "alpha"):
        deep = [one.values[-1] for one in found if one.bits > 8 and one.values]
        white = next((2.0**k - 1 for k in range(8, 65) if deep and 2.0**k - 1 >= max(deep)), None)
        noisy = any(one.lossy for one in found)
        return MaskReading(how, classes, 255.0, white, noisy=noisy, **known)
    entries: tuple[tuple[int, int, int, int], ...] = ()
    if how == "auto":
        refuse_colours(found, classes)
        if gif := next((one for one in found if one.palette and one.path.suffix.lower() == ".gif"), None):
            raise DataError(
                f"{gif.path}: a GIF, whose palette may be numbered anew when it is saved, so indices are not certain; "
                "save PNG, or name the colours: dataset.options: {colours: {class: [red, green, blue], ...}}, or set "
                "{masks: index}",
                about="masks",
                choices=[{"masks": "index"}],
            )
        entries = tuple((index, *colour) for index, colour in common_palette(found).items())
    return MaskReading("palette" if how == "palette" else "index", classes, void=void, palette=entries, **known)


def _table(
    colours: Mapping[str, Sequence[int]], classes: tuple[str, ...], options: MaskOptions
) -> tuple[tuple[int, int, int, int], ...]:
    """(red, green, blue, class) of the option `colours`.

    Raises:
        DataError: a name is no class, a class has no colour, or a colour is none or is named twice.
    """
    numbers = {name: number for number, name in enumerate(classes)} | {"void": IGNORE}
    named: dict[tuple[int, ...], str] = {}
    for name, colour in colours.items():
        if name not in numbers:
            raise DataError(f"colours.{name}: no such class; expected {', '.join(classes)} or void")
        if len(colour) != 3 or not all(0 <= channel <= 255 for channel in colour):
            raise DataError(f"colours.{name}={list(colour)}: expected [red, green, blue], each 0 to 255")
        if (other := named.setdefault(tuple(colour), name)) != name:
            raise DataError(f"colours.{name}={list(colour)}: {other} has the same colour")
    missing = [name for name in classes if name not in colours]
    if missing and not options.allow_missing_classes:
        raise DataError(f"colours: no colour for {', '.join(missing)}; add [red, green, blue] for each class")
    return tuple((int(c[0]), int(c[1]), int(c[2]), numbers[name]) for name, c in colours.items())
