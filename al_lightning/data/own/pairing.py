"""Which target belongs to which image, by one rule for the whole set that is found from the names.

A key is a path without suffix, below the folder of the images or of the targets: "patient1/frame_07". A rule takes
something off the names of both sides; what is left has to be equal. The rule that pairs most images wins.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Affix(NamedTuple):
    """What a name has before and after the part that image and target share; case does not count."""

    prefix: str = ""
    suffix: str = ""

    def core(self, name: str) -> str | None:
        """The name without prefix and suffix; None where it lacks one of them or nothing is left."""
        low, prefix, suffix = name.lower(), self.prefix.lower(), self.suffix.lower()
        if len(name) <= len(prefix) + len(suffix) or not (low.startswith(prefix) and low.endswith(suffix)):
            return None
        return name[len(prefix) : len(name) - len(suffix)]

    def __str__(self) -> str:
        return f"{self.prefix}<name>{self.suffix}"


PLAIN = Affix()


def _affixes(words: str) -> tuple[Affix, ...]:
    """Each word after and before a name, with or without a sign between."""
    joined = [(word, joint) for word in words.split() for joint in ("_", "-", ".", " ", "") if joint or len(word) > 1]
    return (
        *(Affix("", f"{joint}{word}") for word, joint in joined),
        *(Affix(f"{word}{joint}", "") for word, joint in joined),
    )


TARGET_AFFIXES = {
    "segmentation": _affixes(
        "mask masks segmentation segm seg gt groundtruth ground_truth annotation annotations anno annot label labels "
        "manual manual1 lesion matte target gtFine_labelIds gtFine_labelTrainIds labelIds labelTrainIds train_id L"
    ),
    "depth": _affixes("depth depths depthmap depth_map disp disparity gt groundtruth target label"),
}
IMAGE_AFFIXES = _affixes(
    "image images img im rgb orig original color colour frame FrameBuffer leftImg8bit training test input photo raw"
)
IMAGE_WORDS = ("image", "img", "im", "rgb", "original", "orig", "color", "colour", "frame", "input", "photo", "raw")
TARGET_WORDS = {
    "segmentation": ("mask", "masks", "segmentation", "seg", "gt", "groundtruth", "annotation", "label", "target"),
    "depth": ("depth", "depthmap", "disparity", "gt", "groundtruth", "target", "label"),
}
"""Names of files that lie in a folder of their own with the other side."""
DERIVED = _affixes("superpixels overlay overlays thumbnail preview")
"""What a name has that shows another image once more; such files are no images of their own."""
INDEX = re.compile(r"(?:[ _.-]\d+|[ _]?\(\d+\))$")
"""The end of a name that counts several targets of one image: x_mask_1, x_2, x (1)."""


class Rule(NamedTuple):
    """How keys of images and targets are made equal."""

    image: Affix = PLAIN
    target: Affix = PLAIN
    fold: bool = False
    """Case does not count."""
    by_name: bool = False
    """Folders do not count."""
    alone: bool = False
    """The prefix is the whole name, so that folders have to be equal: p1/image with p1/mask."""

    def key(self, path: str, affix: Affix) -> str | None:
        """What has to be equal; None where the name lacks the affix."""
        folder, _, name = path.rpartition("/")
        if self.alone:
            return folder if name.lower() == affix.prefix.lower() else None
        core = affix.core(name)
        if core is None:
            return None
        key = core if self.by_name else f"{folder}/{core}"
        return key.casefold() if self.fold else key

    def describe(self, affix: Affix) -> str:
        """A name of one side, with <name> for what both have in common."""
        return f"<folder>/{affix.prefix}" if self.alone else str(affix)


@dataclass
class Pairs:
    """What one rule pairs."""

    rule: Rule
    targets: dict[str, list[str]] = field(default_factory=dict)
    """Image -> its targets, of which there should be one."""
    orphans: list[str] = field(default_factory=list)
    """Targets without image."""
    indexed: int = 0
    """Targets that are paired without the number at their end."""

    @property
    def merit(self) -> tuple[int, int, int, int]:
        """Greater is better: images paired, few orphans, few numbers taken off, few liberties."""
        liberties = (self.rule.image != PLAIN) + (self.rule.target != PLAIN) + 2 * self.rule.fold
        return len(self.targets), -len(self.orphans), -self.indexed, -liberties


def apply(rule: Rule, images: Iterable[str], targets: Iterable[str]) -> Pairs | None:
    """What a rule pairs; None where it gives two images, or two targets of different names, one key.

    Args:
        rule (Rule): the rule.
        images (Iterable[str]): keys of the images.
        targets (Iterable[str]): keys of the targets.
    """
    image_of: dict[str, str] = {}
    for image in images:
        key = rule.key(image, rule.image)
        if key is not None and image_of.setdefault(key, image) != image:
            return None
    pairs = Pairs(rule)
    rest = []
    for target in targets:
        image_found = image_of.get(rule.key(target, rule.target) or "")
        if image_found is None:
            rest.append(target)
        elif image_found in pairs.targets:
            return None
        else:
            pairs.targets[image_found] = [target]
    for target in rest:
        keys = (rule.key(INDEX.sub("", target), rule.target) or "", INDEX.sub("", rule.key(target, rule.target) or ""))
        image_found = next((image_of[key] for key in keys if key in image_of), None)
        if image_found is None:
            pairs.orphans.append(target)
        else:
            pairs.targets.setdefault(image_found, []).append(target)
            pairs.indexed += 1
    return pairs


def pair_up(images: Sequence[str], targets: Sequence[str], task: str) -> Pairs | None:
    """The pairs of the rule that pairs most; None where no rule pairs anything.

    Names that differ in known words are tried, then what stands around the names of one side in those of the other.
    Folders have to be equal; only where nothing pairs so, names that are unique without their folders do.

    Args:
        images (Sequence[str]): keys of the images.
        targets (Sequence[str]): keys of the targets.
        task (str): segmentation or depth.

    Example:
        >>> pairs = pair_up(["a", "b"], ["a_mask", "c_mask"], "segmentation")
        >>> str(pairs.rule.target), pairs.targets, pairs.orphans
        ('<name>_mask', {'a': ['a_mask']}, ['c_mask'])
    """
    plain = apply(Rule(), images, targets)
    if plain is not None and plain.targets and not plain.orphans and not plain.indexed:
        return plain
    image_names, target_names = ([path.rpartition("/")[2] for path in paths] for paths in (images, targets))
    known = [
        (image, target)
        for image in (PLAIN, *present(IMAGE_AFFIXES, image_names))
        for target in (
            PLAIN,
            *present(TARGET_AFFIXES[task], [*target_names, *(INDEX.sub("", n) for n in target_names)]),
        )
    ]
    whole = _alone(image_names, target_names, task)
    learned = [(PLAIN, affix) for affix in around(image_names, target_names)]
    learned += [(affix, PLAIN) for affix in around(target_names, image_names)]
    half = min(len(images), len(targets)) / 2
    for by_name in (False, True):
        found: list[Pairs] = []
        for fold in (False, True):
            tried = [(apply(Rule(*affixes, fold, by_name), images, targets), 1.0) for affixes in known]
            tried += [(apply(Rule(*affixes, fold, by_name), images, targets), half) for affixes in learned]
            tried += [(apply(rule, images, targets), 1.0) for rule in whole if not fold and not by_name]
            found += [pairs for pairs, least in tried if pairs is not None and len(pairs.targets) >= least]
        if found:
            return max(found, key=lambda pairs: pairs.merit)
    return None


def split_flat(files: Sequence[str], task: str) -> tuple[list[str], Pairs] | None:
    """(images, pairs) of folders that hold both kinds, told apart by known words in the names of targets.

    Args:
        files (Sequence[str]): keys of all files.
        task (str): segmentation or depth.

    Returns:
        None where no word tells them apart, or two words do so differently.

    Example:
        >>> images, pairs = split_flat(["t_1", "t_1_anno", "t_2"], "segmentation")
        >>> images, pairs.targets
        (['t_1', 't_2'], {'t_1': ['t_1_anno']})
    """
    names = [file.rpartition("/")[2] for file in files]
    found: list[tuple[list[str], Pairs]] = []
    for target in present(TARGET_AFFIXES[task], [*names, *(INDEX.sub("", name) for name in names)]):
        is_target = {
            file
            for file, name in zip(files, names, strict=True)
            if target.core(name) is not None or target.core(INDEX.sub("", name)) is not None
        }
        for image in (PLAIN, *present(IMAGE_AFFIXES, names)):
            rest = [file for file in files if file not in is_target]
            images = [file for file in rest if image.core(file.rpartition("/")[2]) is not None]
            for fold in (False, True):
                pairs = apply(Rule(image, target, fold), images, [file for file in files if file in is_target])
                found += [(images, pairs)] if pairs and pairs.targets else []
    for rule in _alone(names, names, task):
        images, masks = (
            [file for file in files if rule.key(INDEX.sub("", file) if indexed else file, affix) is not None]
            for affix, indexed in ((rule.image, False), (rule.target, True))
        )
        pairs = apply(rule, images, masks)
        found += [(images, pairs)] if pairs and pairs.targets else []
    best = max(found, key=lambda both: both[1].merit, default=None)
    if best is None or any(_contradict(best[1], other) for _, other in found):
        return None
    return best


def _contradict(best: Pairs, other: Pairs) -> bool:
    """Whether another rule pairs as many images, and some of them with other targets."""
    if len(other.targets) < len(best.targets) or len(other.orphans) > len(best.orphans):
        return False
    held = {target for several in best.targets.values() for target in several}
    return any(image in held or best.targets.get(image, several) != several for image, several in other.targets.items())


def _alone(images: Iterable[str], targets: Iterable[str], task: str) -> list[Rule]:
    """Rules by which a file's whole name says what it is."""
    left = {name.lower() for name in images}
    right = {name for target in targets for name in (target.lower(), INDEX.sub("", target.lower()))}
    return [
        Rule(Affix(image), Affix(target), alone=True)
        for image in IMAGE_WORDS
        if image in left
        for target in TARGET_WORDS[task]
        if target in right
    ]


def derived(images: Sequence[str]) -> list[str]:
    """Images that show another one once more, such as x_superpixels beside x."""
    rules = [Rule(affix) for affix in present(DERIVED, [image.rpartition("/")[2] for image in images])]
    here = {Rule().key(image, PLAIN) for image in images}
    return [image for image in images if any(rule.key(image, rule.image) in here for rule in rules)]


def around(inner: Iterable[str], outer: Iterable[str], at_most: int = 200) -> list[Affix]:
    """Affixes that most often stand around a name of `inner` in one of `outer`; each holds a letter.

    Args:
        inner (Iterable[str]): names.
        outer (Iterable[str]): names, some of which hold one of `inner`.
        at_most (int): names of `outer` that are looked at. Default 200.

    Example:
        >>> around(["case7", "case8"], ["m.case7.v2", "m.case8.v2"])
        [Affix(prefix='m.', suffix='.v2')]
    """
    names = {name for name in inner if name}
    counts: Counter[Affix] = Counter()
    for name in list(outer)[:at_most]:
        for start in range(len(name)):
            for end in range(start + 1, len(name) + 1):
                prefix, suffix = name[:start], name[end:]
                if name[start:end] in names and (prefix or suffix) and _joined(prefix[::-1]) and _joined(suffix):
                    counts[Affix(prefix, suffix)] += 1
    return [affix for affix, _ in counts.most_common(3)]


def present(affixes: Iterable[Affix], names: Iterable[str]) -> list[Affix]:
    """The affixes that some name has."""
    low = [name.lower() for name in names]
    ends = {name[-n:] for name in low for n in range(1, min(25, len(name)))}
    starts = {name[:n] for name in low for n in range(1, min(25, len(name)))}
    return [affix for affix in affixes if affix.prefix.lower() in starts or affix.suffix.lower() in ends]


def _joined(outside: str) -> bool:
    """Whether what stands beside a name, read away from it, is nothing, or a sign and then a letter somewhere."""
    return not outside or (not outside[0].isalnum() and any(letter.isalpha() for letter in outside))
