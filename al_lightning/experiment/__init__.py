"""Experiments: from a config to stage rows on disk. Not named `run`, which is the function `al_lightning.run`.

The stub __init__.pyi lists what can be imported from here; each is imported when it is first used, because `select`
needs no Lightning.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
