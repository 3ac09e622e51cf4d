"""LightningModules around the networks: one file a learner, their names in `table`.

The stub __init__.pyi lists what can be imported from here; each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
