"""The object metrics of GlaS against an implementation by loops over objects, and over pairs of pixels."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from scipy.spatial.distance import directed_hausdorff

from al_lightning.metrics.objects import (
    ObjectMetrics,
    ObjectSums,
    glas_scores,
    label_objects,
    object_scores,
    object_sums,
)

GLAS = "Warwick QU Dataset (Released 2016_07_08)"


def pixel_pairs(a, b):
    """Hausdorff distance of two masks, every pixel of one against every pixel of the other."""

    def directed(from_, to):
        return max(min((r - y) ** 2 + (c - x) ** 2 for y, x in to) for r, c in from_)

    p, q = np.argwhere(a).tolist(), np.argwhere(b).tolist()
    return math.sqrt(max(directed(p, q), directed(q, p)))


def scipy_pairs(a, b):
    p, q = np.argwhere(a), np.argwhere(b)
    return max(directed_hausdorff(p, q)[0], directed_hausdorff(q, p)[0])


def by_loops(prediction, truth, hausdorff):
    """One image -> TP, FP, FN, and for each side a list of (area, Dice, distance), written from the definitions."""
    found = [prediction == k for k in np.unique(prediction) if k]
    true = [truth == k for k in np.unique(truth) if k]

    def partner(one, others):
        shared = [(one & other).sum() for other in others]
        return int(np.argmax(shared)) if max(shared, default=0) else None

    def side(ones, others):
        rows = []
        for one in ones:
            k = partner(one, others)
            if not others:
                rows.append((one.sum(), 0.0, math.hypot(*truth.shape)))
            elif k is None:
                rows.append((one.sum(), 0.0, min(hausdorff(one, other) for other in others)))
            else:
                dice = 2 * (one & others[k]).sum() / (one.sum() + others[k].sum())
                rows.append((one.sum(), dice, hausdorff(one, others[k])))
        return rows

    hits = 0
    for one in found:
        k = partner(one, true)
        hits += k is not None and (one & true[k]).sum() / true[k].sum() > 0.5
    return hits, len(found) - hits, len(true) - hits, side(true, found), side(found, true)


def scores_by_loops(images):
    """Results of `by_loops` of one image or many -> F1, Dice, Hausdorff distance."""
    tp, fp, fn = (sum(image[k] for image in images) for k in range(3))
    sides = [[row for image in images for row in image[k]] for k in (3, 4)]
    if not any(sides):
        return 1.0, 1.0, 0.0
    means = [np.average([r[1:] for r in rows], axis=0, weights=[r[0] for r in rows]) for rows in sides if rows]
    dice, distance = np.mean(means, axis=0)
    return 2 * tp / (2 * tp + fp + fn), dice, distance


def expected(predictions, truths, hausdorff=scipy_pairs):
    images = [by_loops(p, t, hausdorff) for p, t in zip(predictions, truths, strict=True)]
    names = ("object_f1", "object_dice", "object_hausdorff")
    result = dict(zip(names, scores_by_loops(images), strict=True))
    means = np.mean([scores_by_loops([image]) for image in images], axis=0)
    result |= {f"{name}_image": value for name, value in zip(names, means, strict=True)}
    result["object_hausdorff_undefined"] = sum(bool(image[3]) != bool(image[4]) for image in images)
    return result


def random_map(rng, height, width):
    """Ids that are spots, discs, rings, crescents, scattered pixels or ids in two pieces, and gaps between numbers."""
    labels = np.zeros((height, width), dtype=np.int64)
    y, x = np.mgrid[:height, :width]
    for k in rng.permutation(9)[: rng.integers(0, 7)] + 1:
        radius = rng.uniform(0.5, max(height, width) / 2.5 + 0.5)
        r = np.hypot(y - rng.uniform(0, height), x - rng.uniform(0, width))
        shape = r <= radius
        match rng.integers(0, 4):
            case 0:
                shape &= r > radius * rng.uniform(0.4, 0.9)
            case 1:
                shape &= np.hypot(y - rng.uniform(0, height), x - rng.uniform(0, width)) > radius
            case 2:
                shape &= rng.random(shape.shape) < 0.4
        labels[shape] = k
    return labels


@pytest.mark.filterwarnings("ignore:.*are taken as one object")
@pytest.mark.parametrize(
    ("maps", "largest", "hausdorff"), [(70, 12, pixel_pairs), (100, 36, scipy_pairs)], ids=["pixel pairs", "scipy"]
)
def test_random_maps_agree_with_loops(maps, largest, hausdorff):
    rng = np.random.default_rng(maps)
    sizes = [rng.integers(1, largest + 1, 2) for _ in range(maps)]
    truths = [random_map(rng, *size) for size in sizes]
    predictions = [
        np.roll(t, rng.integers(-3, 4, 2), (0, 1)) if rng.random() < 0.3 else random_map(rng, *t.shape) for t in truths
    ]
    for prediction, truth in zip(predictions, truths, strict=True):
        want = expected([prediction], [truth], hausdorff)
        assert glas_scores([prediction], [truth]) == pytest.approx(want, abs=1e-9)
    want = expected(predictions, truths, hausdorff)
    assert glas_scores(predictions, truths) == pytest.approx(want, abs=1e-9)
    assert want["object_hausdorff_undefined"] > 0
    assert 0 < want["object_f1"] < 1


def test_perfect_prediction_and_an_object_cut_into_exact_halves():
    truth = np.zeros((12, 14), dtype=np.int64)
    truth[2:6, 2:8] = 7
    truth[8:11, 3:12] = 3
    assert object_scores(object_sums(truth, truth)) == (1, 1, 0)
    one = np.where(truth == 7, 1, 0)
    halves = one.copy()
    halves[:, 5:] *= 2
    sums = object_sums(halves, one)
    assert (sums.true_positives, sums.false_positives, sums.false_negatives) == (0, 2, 1)
    halves[2, 5] = 1  # one pixel more than half
    sums = object_sums(halves, one)
    assert (sums.true_positives, sums.false_positives, sums.false_negatives) == (1, 1, 0)


@pytest.mark.parametrize("shape", ["ring around a disc", "ring inside a square"])
def test_distance_to_a_hollow_object_is_attained_inside_the_other(shape):
    y, x = np.mgrid[:41, :41]
    r = np.hypot(y - 20, x - 20)
    ring = (r > 12) & (r <= 15)
    other = r <= 10 if shape == "ring around a disc" else (abs(y - 20) <= 16) & (abs(x - 20) <= 16)
    edges = [m & ~ndimage.binary_erosion(m) for m in (ring, other)]
    found = object_scores(object_sums(ring, other.astype(int))).object_hausdorff
    assert found == pytest.approx(scipy_pairs(ring, other), abs=1e-12)
    assert found > 12  # from the centre
    assert scipy_pairs(*edges) < found - 2


@pytest.mark.parametrize("side", ["prediction", "truth"])
def test_without_overlap_the_nearest_object_is_found_behind_one_of_the_same_reach(side):
    """Two ends, one row off, reach as far as the bar but are 8 columns from its middle; a bar 5 rows off is nearer."""
    bar, others = np.zeros((9, 23), dtype=np.int64), np.zeros((9, 23), dtype=np.int64)
    bar[1, 3:20] = 1
    others[2, [3, 19]], others[6, 3:20] = 2, 3
    prediction, truth = (bar, others) if side == "prediction" else (others, bar)
    sums = object_sums(prediction, truth)
    of_bar = sums.prediction_hausdorff if side == "prediction" else sums.truth_hausdorff
    assert scipy_pairs(bar, others == 2) == math.hypot(8, 1)
    assert of_bar == 17 * 5
    assert object_scores(sums) == pytest.approx((0, 0, (5 + (2 * math.hypot(8, 1) + 17 * 5) / 19) / 2))


def test_background_is_never_the_partner():
    """The published bug: the mode over an object's pixels, zeros kept, is the background here."""
    truth = np.zeros((20, 20), dtype=np.int64)
    truth[5:8, 5:8] = 4
    prediction = np.zeros((20, 20), dtype=bool)
    prediction[4:10, 4:10] = True
    assert Counter(truth[prediction].tolist()).most_common(1)[0][0] == 0
    sums = object_sums(prediction, truth)
    assert (sums.true_positives, sums.false_positives, sums.false_negatives) == (1, 0, 0)
    assert object_scores(sums).object_dice == pytest.approx(2 * 9 / (9 + 36))
    assert object_scores(sums).object_hausdorff == pytest.approx(2 * math.sqrt(2))


def test_a_tie_goes_to_the_smaller_id():
    truth = np.array([[9, 9, 2, 2, 2, 2]])
    prediction = np.array([[1, 1, 1, 1, 0, 0]])
    sums = object_sums(prediction, truth)  # shares two pixels with both: half of 2, all of 9
    assert sums.true_positives == 0
    assert sums.prediction_dice == pytest.approx(4 * 4 / 8)


def test_the_part_is_weighed_by_objects_and_area_and_the_mean_by_image():
    first = np.zeros((30, 30), dtype=np.int64)
    for k in range(3):
        first[2:8, 10 * k : 10 * k + 6] = k + 1  # 108 pixels, all found
    second = np.zeros((10, 40), dtype=np.int64)
    second[4:6, 2:4] = 5  # 4 pixels, missed by 20
    found = glas_scores([first > 0, np.roll(second, 20, 1) > 0], [first, second])
    want = {"object_f1": 2 * 3 / (6 + 1 + 1), "object_dice": 108 / 112, "object_hausdorff": 20 * 4 / 112}
    want |= {"object_f1_image": 0.5, "object_dice_image": 0.5, "object_hausdorff_image": 10}
    assert found == pytest.approx({**want, "object_hausdorff_undefined": 0})


def test_empty_sides():
    empty, full = np.zeros((30, 40), dtype=np.int64), np.zeros((30, 40), dtype=np.int64)
    full[3:9, 4:9] = 1

    def of(predictions, truths):
        found = glas_scores(predictions, truths)
        parts = ("", "_image")
        scores = [[found[f"object_{name}{part}"] for name in ("f1", "dice", "hausdorff")] for part in parts]
        return *scores, found["object_hausdorff_undefined"]

    assert of([empty], [empty]) == ([1, 1, 0], [1, 1, 0], 0)
    assert of([empty], [full]) == ([0, 0, 50], [0, 0, 50], 1)
    assert of([full], [empty]) == ([0, 0, 50], [0, 0, 50], 1)
    # a miss in one of two images of the same object: all of the prediction is right, half of the truth is found
    whole, mean, undefined = of([full, empty, empty], [full, full, empty])
    assert whole == pytest.approx([2 / 3, (0.5 + 1) / 2, (25 + 0) / 2])
    assert mean == pytest.approx([2 / 3, 2 / 3, 50 / 3])
    assert undefined == 1
    with pytest.raises(ValueError, match="no image"):
        glas_scores([], [])


def test_components_of_masks_and_ids_of_maps():
    mask = np.array([[1, 0, 0, 1, 1], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]], dtype=bool)
    assert label_objects(mask).tolist() == [[1, 0, 0, 2, 2], [0, 1, 0, 0, 0], [0, 0, 0, 3, 0]]
    assert label_objects(mask, minimum_area=2).tolist() == [[1, 0, 0, 2, 2], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]
    probabilities = np.where(mask, 0.5, 0.499).astype(np.float32)
    assert np.array_equal(label_objects(probabilities), label_objects(mask))
    assert label_objects(np.array([[7, 0, 7], [0, 0, 2]], dtype=np.uint8)).tolist() == [[2, 0, 2], [0, 0, 1]]
    assert label_objects(np.array([[2**40, 0, 5]])).tolist() == [[2, 0, 1]]
    assert label_objects(np.array([[2**40, 3, 5]])).tolist() == [[3, 1, 2]]
    speck = np.zeros((9, 9), dtype=np.int64)
    speck[:3, :3], speck[8, 8] = 1, 2
    assert object_sums(speck, speck, minimum_area=2).false_negatives == 1  # the truth keeps its small objects
    with pytest.warns(UserWarning, match="2 pieces are taken as one object"):
        label_objects(np.array([[1, 0, 1]]))


@pytest.mark.parametrize(
    ("prediction", "truth", "message"),
    [
        (np.zeros((4, 5), bool), np.zeros((5, 4), int), "resize one to the other"),
        (np.zeros((4, 4), bool), np.zeros((4, 4), bool), "truth: a bool mask"),
        (np.zeros((4, 4), bool), np.zeros((4, 4)), "truth: float64"),
        (np.zeros((4, 4), bool), np.full((4, 4), -1), "truth: int64"),
        (np.full((4, 4), -1), np.zeros((4, 4), int), "prediction: int64"),
        (np.full((4, 4), 2.0), np.zeros((4, 4), int), r"outside \[0, 1\]"),
        (np.full((4, 4), np.nan), np.zeros((4, 4), int), r"outside \[0, 1\]"),
        (np.zeros((1, 4, 4), bool), np.zeros((1, 4, 4), int), "one .H, W. map per image"),
    ],
)
def test_what_is_refused(prediction, truth, message):
    with pytest.raises(ValueError, match=message):
        object_sums(prediction, truth)


def test_inputs_stay_as_they_were():
    rng = np.random.default_rng(3)
    prediction, truth = random_map(rng, 20, 20), random_map(rng, 20, 20)
    before = prediction.copy(), truth.copy()
    object_sums(prediction, truth, minimum_area=5)
    assert np.array_equal(before[0], prediction)
    assert np.array_equal(before[1], truth)


def test_metric_over_batches_and_ranks_agrees_with_the_function():
    rng = np.random.default_rng(4)
    truths = [random_map(rng, 18 + k, 25) for k in range(7)]
    predictions = [random_map(rng, 18 + k, 25) > 0 for k in range(7)]
    want = glas_scores(predictions, truths, minimum_area=3)
    ranks = [ObjectMetrics(minimum_area=3) for _ in range(3)]
    for rows, rank in ((range(3), 0), (range(3, 4), 1), (range(4, 7), 0)):  # the third rank sees no image
        ranks[rank].update(
            [torch.from_numpy(predictions[k]) for k in rows], [torch.from_numpy(truths[k]) for k in rows]
        )
    for other in ranks[1:]:
        ranks[0].merge_state(other)
    found = {name: value.item() for name, value in ranks[0].compute().items()}
    assert found == pytest.approx(want, rel=1e-5)
    ranks[0].reset()
    batch = torch.stack([torch.from_numpy(truths[0])] * 2)
    ranks[0].update((batch > 0).to(torch.bfloat16), batch)
    mask = truths[0] > 0
    found = {name: value.item() for name, value in ranks[0].compute().items()}
    assert found == pytest.approx(glas_scores([mask], [truths[0]], minimum_area=3), rel=1e-5)
    with pytest.raises(ValueError, match="shorter"):
        ranks[0].update(batch > 0, batch[:1])


def test_sums_of_images_add_up():
    rng = np.random.default_rng(5)
    pairs = [(random_map(rng, 22, 19), random_map(rng, 22, 19)) for _ in range(5)]
    total = ObjectSums(*np.sum([object_sums(p, t) for p, t in pairs], axis=0))
    found = glas_scores([p for p, _ in pairs], [t for _, t in pairs])
    assert list(object_scores(total)) == pytest.approx([v for n, v in found.items() if n.count("_") == 1])


@pytest.fixture(scope="module")
def annotations(real_data):
    files = sorted((real_data / GLAS).glob("testA_*_anno.bmp"))
    if not files:
        pytest.skip(f"no GlaS annotations at {real_data / GLAS}")
    return [np.asarray(Image.open(file)) for file in files]


def test_perfect_predictions_of_glas(annotations):
    found = glas_scores(annotations, annotations)
    assert list(found.values()) == [1, 1, 0, 1, 1, 0, 0]


def test_eroded_and_shifted_glands_agree_with_loops(annotations):
    truths = [image[40:150, 60:190] for image in annotations[:6]]
    predictions = [ndimage.binary_erosion(t > 0, iterations=4) for t in truths[:3]]
    predictions += [np.roll(t > 0, (15, 22), (0, 1)) for t in truths[3:]]
    want = expected([ndimage.label(p, np.ones((3, 3)))[0] for p in predictions], truths)
    assert glas_scores(predictions, truths) == pytest.approx(want, abs=1e-9)
    assert 0 < want["object_f1"] < 1
    assert want["object_hausdorff"] > 3
