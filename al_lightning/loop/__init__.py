"""The loop of active learning: a Lightning callback that scores the pool, selects, and records what is revealed."""

from al_lightning.loop.callback import ActiveLearningLoop
from al_lightning.loop.pseudo import pseudo_targets
from al_lightning.loop.scorer import Scorer, check_measure, check_needs

__all__ = ["ActiveLearningLoop", "Scorer", "check_measure", "check_needs", "pseudo_targets"]
