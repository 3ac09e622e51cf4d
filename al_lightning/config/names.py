"""Names that become folders: one folder each, within `runs_dir`, on any system. Imports no torch."""

from __future__ import annotations

import re

from al_lightning.config.schema import ConfigError

FORBIDDEN = '<>:"/\\|?*'
"""Characters that a file name cannot hold on one system or another."""
DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
"""Names of devices on Windows, with or without a suffix."""
LONGEST = 255
"""Bytes of a folder's name."""
MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
"""package.module:Name."""


def check_folder_name(key: str, name: str) -> None:
    """Refuse a name that is not one folder below its parent on every system.

    Raises:
        ConfigError: it is empty, a path, reserved, too long, or holds characters that some system has no files of.

    Example:
        >>> check_folder_name("name", "polyps-2")
        >>> check_folder_name("name", "../x")
        Traceback (most recent call last):
        ...
        al_lightning.config.schema.ConfigError: name='../x': holds '/'; expected a name that can be a folder name
    """
    expected = "expected a name that can be a folder name"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise ConfigError(f"{key}={name[:80]!r}: holds control characters; {expected}")
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise ConfigError(f"{key}={name[:80]!r}: holds half of a character (a surrogate); {expected}") from None
    if length > LONGEST:
        raise ConfigError(f"{key}={name[:40]}...: {length} bytes long; a folder's name takes {LONGEST}")
    if found := next((character for character in name if character in FORBIDDEN), None):
        raise ConfigError(f"{key}={name!r}: holds {found!r}; {expected}")
    if not name.strip(". ") or name != name.strip(" ") or name.endswith("."):
        raise ConfigError(f"{key}={name!r}: is empty, or ends in a dot or begins or ends with a space; {expected}")
    if DEVICES.fullmatch(name):
        raise ConfigError(f"{key}={name!r}: is the name of a device on Windows; {expected}")


def check_entry_name(key: str, name: str) -> None:
    """Refuse a name of a table's entry that is neither a plain name nor package.module:Name.

    Raises:
        ConfigError: see `check_folder_name`; or what stands around the colon is no module and attribute.
    """
    if ":" in name and not MODULE.fullmatch(name):
        raise ConfigError(f"{key}={name[:80]!r}: expected a name, or package.module:Name")
    check_folder_name(key, name.replace(":", "."))
