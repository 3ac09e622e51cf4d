"""Pseudo-labels: the learner's own prediction as the target of images that nobody has labelled."""

from __future__ import annotations

import torch
from torch import Tensor

from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Pseudo
from al_lightning.core.task import IGNORE
from al_lightning.uncertainty import entropy


def pseudo_targets(prediction: Prediction, wanted: Pseudo) -> Tensor:
    """Pseudo-labels (B, H, W): float32 probability of the foreground, or uint8 classes.

    Raises:
        ValueError: soft targets for more than two classes, or a learner without probabilities.

    Example:
        >>> import numpy as np
        >>> p = torch.tensor([[0.9, 0.5], [0.1, 0.5]]).view(1, 2, 1, 2)  # two classes, two pixels
        >>> wanted = Pseudo(np.array([0]), "confident", threshold=0.5)
        >>> pseudo_targets(Prediction(torch.tensor([0]), probabilities=p), wanted).tolist()
        [[[0, 255]]]
    """
    single = prediction.deterministic if wanted.distribution == "deterministic" else None
    p = prediction.probabilities if single is None else single()
    if p is None:
        raise ValueError("pseudo-labels need a learner that provides 'probabilities'")
    if wanted.kind == "soft":
        if p.shape[1] != 2:
            raise ValueError(f"soft pseudo-labels are for 2 classes, not {p.shape[1]}; use hard ones")
        return p[:, 1].float()
    hard = p.argmax(1).to(torch.uint8)
    if wanted.kind == "hard":
        return hard
    return torch.where(entropy(p.float()) <= wanted.threshold, hard, IGNORE)
