"""Files that hold images or labels in a form that is not read, and what makes them readable."""

from __future__ import annotations

from collections import Counter

KINDS = {
    "a video, whose frames have to be saved as images first": ".mp4 .avi .mov .mkv .mpg .mpeg .wmv .webm .m4v",
    "a volume, whose slices have to be saved as images first": ".nii .gz .nrrd .mha .mhd",
    "an array, which is read as depth alone and has to be saved as PNG first": ".npy .npz",
    "an archive, which has to be unpacked first": ".zip .tar .tgz .7z .rar",
    "an image of a kind that is not read, to be saved as PNG first": ".heic .heif .svg .raw .cr2 .nef",
    "a list of outlines, which have to be drawn as masks first": ".json .xml",
}
"""What a file is -> its suffixes."""


def advice(others: Counter[str]) -> str:
    """What the most frequent of files that were left out are; "" where that is not known.

    Example:
        >>> advice(Counter({".mp4": 5, ".txt": 9}))
        '.mp4 is a video, whose frames have to be saved as images first'
    """
    for suffix, _ in others.most_common():
        for what, suffixes in KINDS.items():
            if suffix in suffixes.split():
                return f"{suffix} is {what}"
    return ""
