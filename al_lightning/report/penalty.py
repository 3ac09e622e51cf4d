"""Which strategy beats which: the pairwise penalty matrix.

S   seeds;   K   numbers of labelled images;   NaN marks a stage that a seed has not reached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from al_lightning.report.statistics import Floats, paired_difference, summarise


@dataclass(frozen=True)
class Setting:
    """The results of one data set and learner: the unit over which a penalty matrix counts."""

    values: Mapping[str, Floats]
    """strategy -> metric (S, K); the same seeds and the same numbers of labelled images for every strategy."""
    higher_is_better: bool = True
    baseline: str | None = None
    """The strategy that selects at random; None where there is none."""


def checkpoints(setting: Setting) -> list[int]:
    """Columns at which strategies are compared: the first, and the following while the baseline is below 99 % of
    its final value (for an error: above final / .99). All columns where there is no baseline.

    Example:
        >>> random = np.array([[0.60, 0.70, 0.80, 0.80]])
        >>> checkpoints(Setting({"random": random}, baseline="random"))
        [0, 1]
    """
    columns = max((values.shape[1] for values in setting.values.values()), default=0)
    if setting.baseline is None:
        return list(range(columns))
    mean = summarise(setting.values[setting.baseline]).mean
    known = np.flatnonzero(np.isfinite(mean))
    if len(known) == 0:
        return []
    final = mean[known[-1]]
    kept = [int(known[0])]
    for k in known[1:]:
        if (mean[k] > 0.99 * final) if setting.higher_is_better else (mean[k] < final / 0.99):
            break
        kept.append(int(k))
    return kept


def penalty_matrix(
    settings: Sequence[Setting],
    strategies: Sequence[str],
    alpha: float = 0.05,
    most_seeds: int = 5,
) -> Floats:
    """Pairwise penalty matrix (Ash et al., ICLR 2020; scripts/agg_results.py of their code).

    P[i, j] grows by 1 / (number of checkpoints) at each checkpoint of each setting where strategy i beats j:
    the paired differences over the first `most_seeds` common seeds have a mean in favour of i and p < alpha.
    Pairs with fewer than two common seeds are skipped. An entry is at most the number of settings.

    Args:
        settings: each adds at most 1 to an entry; a strategy may be missing in some.
        strategies: names, in the order of the matrix.
        alpha: significance level of the two-sided test.
        most_seeds: number of common seeds that a test uses at most.

    Returns:
        (n, n) for n strategies. Sum of line i: wins of i. Mean of column j: losses of j, lower is better.

    Example:
        >>> random = np.array([[0.60, 0.70], [0.65, 0.75]])
        >>> setting = Setting({"core": random + 0.01, "random": random}, baseline="random")
        >>> penalty_matrix([setting], ["core", "random"]).tolist()
        [[0.0, 1.0], [0.0, 0.0]]
    """
    matrix = np.zeros((len(strategies), len(strategies)))
    for setting in settings:
        columns = checkpoints(setting)
        sign = 1.0 if setting.higher_is_better else -1.0
        for i, winner in enumerate(strategies):
            for j, loser in enumerate(strategies):
                if i == j or winner not in setting.values or loser not in setting.values:
                    continue
                for k in columns:
                    z = sign * (setting.values[winner][:, k] - setting.values[loser][:, k])
                    z = z[np.isfinite(z)][:most_seeds]
                    if len(z) < 2:
                        continue
                    difference = paired_difference(z, np.zeros(len(z)))
                    if difference.mean > 0 and difference.p < alpha:
                        matrix[i, j] += 1 / len(columns)
    return matrix
