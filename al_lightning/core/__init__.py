"""Tasks, predictions, queries, the pool, and the protocols of strategies, learners and oracles.

Import from the modules (`al_lightning.core.query`), or everything public from `al_lightning.types`. This file imports
nothing, so that a command that needs no torch does not load it.
"""
