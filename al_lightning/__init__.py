"""Active learning for dense prediction with PyTorch Lightning.

The stub __init__.pyi lists the public names; each is imported when it is first used, so that a command that needs no
torch starts at once.
"""

import lazy_loader

from al_lightning.version import __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
