"""Pairs of label maps for the challenges' protocols: several lesions, touching, merged, missed, empty, tiny."""

import nibabel as nib
import numpy as np
from scipy import ndimage

SHAPE = (48, 40, 32)
NCR, ED, ET = 1, 2, 3
MM1 = (1.0, 1.0, 1.0)


def grown(*tumours):
    """Labels of balls, each (centre, radius in voxels): edema outside, then enhancing, then necrosis."""
    labels = np.zeros(SHAPE, np.uint8)
    for centre, radius in tumours:
        apart = np.sqrt(
            sum((axis - c) ** 2 for axis, c in zip(np.ogrid[tuple(map(slice, SHAPE))], centre, strict=True))
        )
        labels[apart <= radius] = ED
        labels[apart <= 0.7 * radius] = ET
        labels[apart <= 0.35 * radius] = NCR
    return labels


def boxed(*boxes):
    """Labels of boxes, each (label, first voxel, size)."""
    labels = np.zeros(SHAPE, np.uint8)
    for label, first, size in boxes:
        labels[tuple(slice(a, a + n) for a, n in zip(first, size, strict=True))] = label
    return labels


def noisy(seed, *, sigma=2.0, cut=1.6):
    """Labels of blobs cut out of smooth noise, and of the same noise with some more: many lesions of all sizes."""
    rng = np.random.default_rng(seed)
    truth, more = (ndimage.gaussian_filter(rng.normal(size=SHAPE), sigma) for _ in range(2))
    pair = []
    for field in (truth + 0.4 * more, truth):
        z = field / field.std()
        labels = np.zeros(SHAPE, np.uint8)
        for label, above in ((ED, cut), (ET, cut + 0.35), (NCR, cut + 0.8)):
            labels[z > above] = label
        pair.append(labels)
    return pair


def pairs():
    """Name to prediction, reference (uint8, shape (48, 40, 32)) and spacing in mm."""
    empty, one = boxed(), grown(((16, 16, 16), 7))
    two = grown(((12, 14, 16), 6), ((34, 24, 16), 5))
    made = {
        "both empty": (empty, empty),
        "prediction empty": (empty, two),
        "reference empty": (two, empty),
        "the same": (one, one),
        "shifted": (grown(((18, 17, 16), 7)), one),
        "larger": (grown(((16, 16, 16), 9)), one),
        "smaller": (grown(((16, 16, 16), 4)), one),
        "apart": (grown(((36, 28, 20), 6)), one),
        "two found": (grown(((13, 14, 16), 6), ((34, 25, 17), 4)), two),
        "one of two": (grown(((13, 14, 16), 6)), two),
        "one too many": (two, one),
        "one merges two": (boxed((ED, (6, 8, 10), (34, 22, 12)), (ET, (10, 12, 12), (26, 14, 8))), two),
        "one split in two": (boxed((ET, (8, 10, 10), (5, 12, 12)), (ET, (15, 10, 10), (9, 12, 12))), one),
        "dilation merges": (
            boxed((ET, (10, 10, 10), (6, 6, 6))),
            boxed((ET, (10, 10, 10), (6, 6, 6)), (ET, (21, 10, 10), (6, 6, 6))),
        ),
        "dilation does not merge": (
            boxed((ET, (10, 10, 10), (6, 6, 6))),
            boxed((ET, (10, 10, 10), (6, 6, 6)), (ET, (23, 10, 10), (6, 6, 6))),
        ),
        "touching by a corner": (
            boxed((ET, (10, 10, 10), (5, 5, 5)), (ET, (16, 16, 16), (5, 5, 5))),
            boxed((ET, (10, 10, 10), (5, 5, 5)), (ET, (15, 15, 15), (5, 5, 5))),
        ),
        "beside the lesion": (boxed((ET, (18, 10, 10), (3, 3, 3))), boxed((ET, (10, 10, 10), (6, 6, 6)))),
        "tiny lesions": (
            boxed((ET, (5, 5, 5), (1, 1, 1)), (ET, (20, 20, 20), (2, 2, 1)), (ET, (40, 5, 5), (1, 1, 1))),
            boxed((ET, (5, 5, 5), (1, 1, 1)), (ET, (20, 20, 20), (2, 2, 2)), (ET, (30, 8, 8), (1, 1, 2))),
        ),
        "at the limits of size": (
            boxed((ED, (4, 4, 4), (5, 5, 2)), (ED, (20, 4, 4), (17, 3, 1)), (ED, (4, 30, 4), (5, 2, 2))),
            boxed((ED, (4, 4, 4), (5, 5, 2)), (ED, (20, 4, 4), (17, 3, 1)), (ED, (4, 30, 4), (19, 1, 1))),
        ),
        "small lesion hardly met": (
            boxed((ET, (10, 10, 10), (8, 8, 8))),
            boxed((ET, (17, 17, 17), (2, 2, 2)), (ET, (30, 10, 10), (4, 4, 4))),
        ),
        "other labels": (boxed((ED, (10, 10, 10), (8, 8, 8))), boxed((NCR, (10, 10, 10), (8, 8, 8)))),
        "one component, three lesions": (
            boxed((ET, (4, 10, 10), (40, 4, 4))),
            boxed((ET, (4, 8, 10), (8, 8, 4)), (ET, (20, 8, 10), (6, 8, 4)), (ET, (34, 8, 10), (9, 8, 4))),
        ),
        "two claim one": (
            boxed((ET, (10, 10, 10), (4, 8, 8)), (ET, (15, 10, 10), (3, 8, 8))),
            boxed((ET, (10, 10, 10), (8, 8, 8))),
        ),
        "a chain to assign": (
            boxed((ET, (8, 10, 10), (8, 6, 6)), (ET, (17, 10, 10), (8, 6, 6))),
            boxed((ET, (13, 10, 10), (7, 6, 6)), (ET, (22, 10, 10), (9, 6, 6))),
        ),
        "at the edge of the grid": (boxed((ET, (0, 0, 0), (6, 6, 6))), boxed((ET, (0, 0, 0), (5, 7, 6)))),
        **{f"noise {seed}": tuple(noisy(seed)) for seed in (1, 2, 3)},
        **{f"speckle {seed}": tuple(noisy(seed, sigma=1.0, cut=2.2)) for seed in (4, 5)},
    }
    spaced = {name: (*pair, MM1) for name, pair in made.items()}
    spaced["noise of 2 mm"] = (*noisy(6), (2.0, 2.0, 2.0))
    spaced["noise of 1 x 1 x 3 mm"] = (*noisy(7), (1.0, 1.0, 3.0))
    return spaced


def confidences(*balls):
    """A detection map of balls, each (centre, radius, confidence); a later one lies on an earlier one."""
    values = np.zeros(SHAPE, np.float32)
    for centre, radius, confidence in balls:
        values[grown((centre, radius)) > 0] = confidence
    return values


def detections():
    """Name of a cohort to its cases, each a detection map and a reference: ties, rivals, misses, empty ones."""
    one, two = grown(((16, 16, 16), 6)) > 0, grown(((12, 14, 16), 6), ((34, 24, 16), 5)) > 0
    none = np.zeros(SHAPE, bool)
    found = {
        "found": (confidences(((16, 16, 16), 5, 0.9)), one),
        "shifted": (confidences(((19, 16, 16), 5, 0.6)), one),
        "hardly met": (confidences(((23, 16, 16), 5, 0.8)), one),
        "rivals on one": (confidences(((12, 16, 16), 3, 0.5), ((20, 16, 16), 3, 0.7)), one),
        "one of two": (confidences(((12, 14, 16), 5, 0.6), ((30, 8, 16), 2, 0.6)), two),
        "both": (confidences(((12, 14, 16), 5, 0.4), ((34, 24, 16), 4, 0.9)), two),
        "nothing said": (confidences(), two),
        "false alarm": (confidences(((36, 30, 20), 4, 0.6)), none),
        "two false": (confidences(((36, 30, 20), 4, 0.3), ((10, 10, 10), 3, 0.9)), none),
        "quiet": (confidences(), none),
    }
    kept = ("found", "both", "false alarm", "quiet")
    rng = np.random.default_rng(3)
    many = []
    for k in range(24):
        lesions = [(rng.integers(6, 28, 3), rng.uniform(2, 5)) for _ in range(k % 3)]
        near = [(centre + rng.integers(-3, 4, 3), radius * rng.uniform(0.5, 1.3)) for centre, radius in lesions]
        said = [*near, (rng.integers(6, 28, 3), rng.uniform(1, 4))][: 1 + k % 4]
        balls = [(*ball, rng.integers(1, 10) / 10) for ball in said]
        many.append((confidences(*balls), grown(*lesions) > 0))
    return {
        "all": list(found.values()),
        "no lesion is missed": [found[name] for name in kept],
        "equal confidences": [(np.where(values > 0, np.float32(0.5), 0), of) for values, of in found.values()],
        "made at random": [pair for pair in many if _is_plain(pair[0])],
        "one missed alone": [found["nothing said"], found["quiet"]],
    }


def _is_plain(values):
    """Whether each component has one value."""
    labels, count = ndimage.label(values, structure=np.ones((3, 3, 3)))
    return all(len(np.unique(values[labels == k])) == 1 for k in range(1, count + 1))


def probabilities():
    """Name to a map of probabilities, shape (48, 40, 32): peaks apart, beside one another, equal, flat and specks."""
    x, y, z = np.ogrid[tuple(map(slice, SHAPE))]

    def peak(centre, width, height):
        apart = sum((axis - c) ** 2 for axis, c in zip((x, y, z), centre, strict=True))
        return height * np.exp(-apart / (2 * width**2))

    speck = np.zeros(SHAPE)
    speck[40:42, 30:32, 20:22] = 0.95
    noise = ndimage.gaussian_filter(np.random.default_rng(5).random(SHAPE), 2)
    made = {
        "one peak": peak((16, 16, 16), 4, 0.8),
        "two apart": peak((12, 14, 16), 3, 0.8) + peak((34, 24, 16), 3, 0.3),
        "two that touch": np.maximum(peak((14, 16, 16), 3, 0.9), peak((24, 16, 16), 3, 0.5)),
        "two of one height": np.maximum(peak((12, 14, 16), 3, 0.5), peak((34, 24, 16), 3, 0.5)),
        "a speck above a peak": np.maximum(speck, peak((16, 16, 16), 4, 0.6)),
        "a speck alone": speck,
        "nothing": np.zeros(SHAPE),
        "too low": peak((16, 16, 16), 4, 0.009),
        "noise": (noise - noise.min()) / np.ptp(noise) * 0.7,
        "many peaks": sum(peak((6 + 7 * k, 8 + 4 * k, 16), 1.8, 0.3 + 0.1 * k) for k in range(6)),
    }
    return {name: values.astype(np.float32) for name, values in made.items()}


def save_block(path, first, label=3):
    """A file of labels with a block of 216 voxels from `first` on."""
    labels = np.zeros((30, 16, 16), np.uint8)
    labels[first : first + 6, 4:10, 4:10] = label
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(labels, np.eye(4)), path)
