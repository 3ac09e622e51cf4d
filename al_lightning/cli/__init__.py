"""The command line: one file a command, each with `add`, which declares it, and the function that does it.

Modules are imported by these functions, not above them, so that a misspelled word is told before torch is loaded.
"""

from al_lightning.cli.main import main, program

__all__ = ["main", "program"]
