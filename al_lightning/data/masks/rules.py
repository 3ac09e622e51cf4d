"""What the masks of two classes are, from what a sample of their files holds; a sample that is not clear is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from al_lightning.core.task import IGNORE
from al_lightning.data.errors import DataError
from al_lightning.data.masks.decode import FEW, TOO_GREY
from al_lightning.data.masks.reading import MaskReading
from al_lightning.data.masks.survey import RIM, Colour, Seen, listed, union
from al_lightning.data.walk import many

BLACK = 16
"""Largest channel of the black that is the background of a palette of class numbers."""
DEPTHS = tuple(2.0**k - 1 for k in range(8, 33))
"""Largest numbers of 8, 9, ... bits: white, in files of more bits than the camera has."""


def auto(found: Sequence[Seen], classes: tuple[str, ...], page: int | None) -> MaskReading:
    """How masks of two classes are read.

    Args:
        found (Sequence[Seen]): the files that were looked at.
        classes (tuple[str, ...]): two names.
        page (int | None): option of the user.

    Raises:
        DataError: more than one reading is possible, or none; the message says what was seen and which option settles
            it.
    """
    if alpha := _by_alpha(found, classes, page):
        return alpha
    refuse_colours(found, classes)
    palettes = [one for one in found if one.kind == "palette"]
    if palettes:
        return _by_palette(palettes, [one for one in found if one.kind == "grey"], classes, page)
    for one in found:
        if not one.whole:
            raise DataError(
                f"{one.path}: the mask holds fractions, {listed(one.values)}; say above which number is "
                f"{classes[1]}: dataset.options: {{threshold: 0.5}}",
                about="masks",
                choices=[{"threshold": 0.5}],
            )
    shallow = _family([one for one in found if one.bits == 8], classes)
    deep = _family([one for one in found if one.bits > 8], classes)
    if shallow and deep and (shallow.how != deep.how):
        first, second = (next(one for one in found if (one.bits > 8) is wanted) for wanted in (False, True))
        raise DataError(
            f"{first.path}: some masks hold {listed(union([first]))}, others {listed(union([second]))} "
            f"({second.path.name}); save all alike"
        )
    chosen = shallow or deep or MaskReading("threshold", classes, given=False)
    if shallow and deep:
        chosen = replace(chosen, deep_white=deep.deep_white, noisy=shallow.noisy or deep.noisy)
    return replace(chosen, page=page)


def refuse_colours(found: Sequence[Seen], classes: tuple[str, ...]) -> None:
    """Refuse files of colours, of which nothing says what they mean.

    Raises:
        DataError: there is one.
    """
    coloured = [one for one in found if one.kind == "colours"]
    if not coloured:
        return
    one = coloured[0]
    many = f"{len(coloured)} of {len(found)} masks looked at"
    if not one.drawing:
        raise DataError(
            f"{one.path}: looks like a photograph and not like a mask, with {one.different} colours ({many}); are the "
            "folders of images and masks exchanged?"
        )
    names = [*classes[: len(one.colours)], *["void"] * (len(one.colours) - len(classes))]
    named = [(name, list(colour)) for name, colour in zip(names, _dark_first(one.colours), strict=False)]
    table = ", ".join(f"{name}: {colour}" for name, colour in named)
    raise DataError(
        f"{one.path}: the mask is in colours, {_colours(one.colours)} ({many}), and nothing says which is which class; "
        f"say it: dataset.options: {{masks: colours, colours: {{{table}}}}}, or save class numbers",
        about="masks",
        choices=[{"masks": "colours", "colours": dict(named)}],
    )


def _family(found: Sequence[Seen], classes: tuple[str, ...]) -> MaskReading | None:
    """The reading of grey files of 8 bits, or of those of more; None where all are empty."""
    bright = [one for one in found if one.values and one.values[-1] > 0]
    if not bright:
        return None
    values = union(bright)
    depth = 255.0 if bright[0].bits == 8 else max(values)
    lossy = [one for one in bright if one.lossy]
    if set(values) <= {0, 1}:
        if lossy:
            raise DataError(
                f"{lossy[0].path}: the masks hold {listed(values)} in a format that changes numbers (JPEG and the "
                "like), so class numbers are not certain; save them as PNG, or set dataset.options: {masks: index}",
                about="masks",
                choices=[{"masks": "index"}],
            )
        return MaskReading("index", classes, given=False, void=())
    if set(values) == {0, 1, IGNORE} and not lossy:
        return _with_void(bright, classes)
    low = {value for value in values if value <= depth / 4}
    high = {value for value in values if value >= 3 * depth / 4}
    two_levels = len(values) <= 2 and min(values) <= max(values) / 4 and max(values) > depth / 2
    if depth not in DEPTHS and bright[0].bits > 8:
        two_levels = two_levels and depth > 32767
        high = high if two_levels else set()
    if not two_levels:
        _check_ends(bright, values, low, high, depth, classes)
    white = max(values) if two_levels else depth
    noisy = any(0 < value <= depth / 8 for value in values)
    if bright[0].bits == 8:
        return MaskReading("threshold", classes, white, noisy=noisy, given=False)
    return MaskReading("threshold", classes, deep_white=white, noisy=noisy, given=False)


def _check_ends(
    found: Sequence[Seen],
    values: dict[float, int],
    low: set[float],
    high: set[float],
    depth: float,
    classes: tuple[str, ...],
) -> None:
    """Refuse levels that are not around black and white.

    Raises:
        DataError: the message says what they are instead.
    """
    if not high:
        raise _unclear(found, values, classes)
    mixed = [one for one in found if one.values[-1] == 1 and not one.lossy]
    if mixed:
        other = next(one for one in found if one.values[-1] > 1)
        raise DataError(
            f"{mixed[0].path}: {listed(mixed[0].values)} in {many(len(mixed), 'mask')}, but {listed(other.values)} in "
            f"{len(found) - len(mixed)} others such as {other.path.name}; save all alike"
        )
    total, bright = sum(values.values()), sum(values[value] for value in high)
    middle = sum(count for value, count in values.items() if value not in low | high)
    few = len(values) <= FEW and not any(one.lossy for one in found)
    numbers = len(high) == 1 and any(0 < value <= depth / 8 for value in values)  # noise would be at both ends
    odd = few and (numbers or len(set(values) - low - high) == 1)
    if odd or sum(one.painted for one in found) > RIM * bright:
        raise _unclear(found, values, classes)
    if middle > bright or middle > 2 * TOO_GREY * total:
        most = max(found, key=lambda one: one.different)
        raise DataError(
            f"{most.path}: {100 * middle / total:.0f} % of the pixels of the masks are half way between black and "
            f"white ({len(found)} looked at), as in a photograph; are the folders of images and masks exchanged? If "
            "these are probabilities: dataset.options: {threshold: 127}",
            about="masks",
            choices=[{"threshold": 127}],
        )


def _unclear(found: Sequence[Seen], values: dict[float, int], classes: tuple[str, ...]) -> DataError:
    """Numbers that are neither class numbers nor black and white."""
    one = max(found, key=lambda one: one.different)
    brightest = int(max(values))
    others = sorted(int(v) for v in values if v not in (0, brightest))
    more = f", [{others[-1]}] or [{others[-1]}, {brightest}]" if others else ""
    meant = [[brightest], *([[others[-1]], [others[-1], brightest]] if others else [])]
    return DataError(
        f"{one.path}: the masks hold {listed(values)} ({len(found)} looked at), which are neither class numbers 0 and "
        f"1 nor black and white; say which are {classes[1]}: dataset.options: {{foreground: [{brightest}]}}{more}, "
        "and with void: [N] what counts for nothing",
        about="masks",
        choices=[{"foreground": numbers} for numbers in meant],
    )


def _with_void(found: Sequence[Seen], classes: tuple[str, ...]) -> MaskReading:
    """0, 1 and 255: class numbers with void, unless 0 and 1 are in some files and 0 and 255 in others."""
    white = [one for one in found if IGNORE in one.values and 1 not in one.values]
    both = [one for one in found if IGNORE in one.values and 1 in one.values]
    if len(white) > len(both):
        ones = [one for one in found if 1 in one.values]
        raise DataError(
            f"{ones[0].path}: 1 in {many(len(ones), 'mask')}, but 255 without 1 in {len(white)} others such as "
            f"{white[0].path.name}; save all alike, or set dataset.options: {{masks: index}} if 255 is void in all",
            about="masks",
            choices=[{"masks": "index"}],
        )
    return MaskReading("index", classes, given=False)


def _by_palette(found: Sequence[Seen], grey: Sequence[Seen], classes: tuple[str, ...], page: int | None) -> MaskReading:
    """Palettes of colours whose index 0 is black: the index is the class number, 255 is void.

    A program that makes a palette of a picture in colours numbers them as it likes.
    """
    if other := next((one for one in grey if one.values[-1] > 0), None):
        raise DataError(
            f"{other.path}: grey levels {listed(other.values)}, but a palette of colours in "
            f"{many(len(found), 'mask')} such as {found[0].path.name}; save all alike"
        )
    known = common_palette(found)
    values = union(found)
    if not set(values) <= {0, 1, IGNORE} or (IGNORE in values and 1 not in values):
        names = ", ".join(f"{int(v)} {list(known[int(v)])}" for v in list(values)[:6])
        best = max((int(v) for v in values if v not in (0, IGNORE)), default=IGNORE)
        void = f", void: [{IGNORE}]" if IGNORE in values and best != IGNORE else ""
        raise DataError(
            f"{found[0].path}: the palette indices are {names} ({len(found)} masks looked at), which are no class "
            f"numbers 0 and 1; say which are {classes[1]}: dataset.options: {{foreground: [{best}]{void}}}",
            about="masks",
            choices=[{"foreground": [best], **({"void": [IGNORE]} if void else {})}],
        )
    if max(known.get(0, (0, 0, 0))) > BLACK:
        raise DataError(
            f"{found[0].path}: the palette has {list(known[0])} at 0 and {list(known.get(1, ()))} at 1, and background "
            f"is black where palettes are class numbers; if 0 is {classes[0]}: dataset.options: {{masks: palette}}, "
            "or name the colours: {colours: {class: [red, green, blue], ...}}",
            about="masks",
            choices=[{"masks": "palette"}],
        )
    entries = tuple((index, *colour) for index, colour in sorted(known.items()))
    voids = (IGNORE,) if IGNORE in values else ()
    return MaskReading("palette", classes, given=False, void=voids, palette=entries, page=page)


def common_palette(found: Sequence[Seen]) -> dict[int, Colour]:
    """index -> colour over all files.

    Raises:
        DataError: an index has one colour here and another there.
    """
    known: dict[int, tuple[Colour, Seen]] = {}
    for one in found:
        for index, colour in one.palette.items():
            before, where = known.setdefault(index, (colour, one))
            if before != colour:
                raise DataError(
                    f"{one.path}: the palette has {list(colour)} at {index}, and that of {where.path.name} "
                    f"{list(before)}, so indices are no class numbers; name the colours: dataset.options: "
                    "{colours: {class: [red, green, blue], ...}}",
                    about="masks",
                )
    return {index: colour for index, (colour, _) in known.items()}


def _by_alpha(found: Sequence[Seen], classes: tuple[str, ...], page: int | None) -> MaskReading | None:
    """The reading of masks that are in the alpha channel; None where alpha says nothing of its own."""
    differs = [one for one in found if one.alpha == "differs"]
    alone = [one for one in found if one.alpha == "alone"]
    opaque = [one for one in found if one.alpha == "opaque" and one.different > 1]
    if differs or (alone and opaque):
        one = (differs or opaque)[0]
        raise DataError(
            f"{one.path}: colours and transparency of the masks say different things ({len(differs) + len(alone)} of "
            f"{len(found)} looked at are transparent in places); say where the mask is: dataset.options: "
            "{masks: alpha}, or save it without alpha",
            about="masks",
            choices=[{"masks": "alpha"}],
        )
    return MaskReading("alpha", classes, given=False, page=page) if alone else None


def _dark_first(colours: Sequence[Colour]) -> list[Colour]:
    return sorted(colours, key=sum)


def _colours(colours: Sequence[Colour]) -> str:
    return ", ".join(str(list(colour)) for colour in _dark_first(colours))
