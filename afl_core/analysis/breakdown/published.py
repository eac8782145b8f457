"""What the paper publishes, number by number, kept apart from everything that is measured here."""

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

SOURCE = (
    "Published: arXiv 2407.09828, its tables of losses and of networks. Scores there are soft, squared and averaged "
    "over background and tumour, on grids that were resized first; sensitivity and specificity are on those grids too. "
    "They cannot be compared with hard masks scored on a case's own grid, which is what this workbench measures."
)

MEASURES = ("IoU", "DSC", "sensitivity", "specificity")
DATA_SETS = ("PI-CAI", "BraTS")

Scores = tuple[float, float, float, float]
"""IoU, DSC, sensitivity, specificity."""

PUBLISHED_LOSSES: Mapping[str, tuple[Scores, Scores]] = MappingProxyType(
    {
        "Tversky": ((0.641, 0.654, 0.917, 0.948), (0.875, 0.921, 0.5221, 0.6499)),
        "CE": ((0.630, 0.705, 0.870, 0.876), (0.813, 0.881, 0.754, 0.843)),
        "IoU": ((0.654, 0.727, 0.917, 0.947), (0.893, 0.930, 0.701, 0.796)),
        "Dice": ((0.665, 0.739, 0.904, 0.952), (0.891, 0.933, 0.654, 0.745)),
        "DiceCE": ((0.670, 0.742, 0.938, 0.927), (0.829, 0.889, 0.845, 0.882)),
        "DiceFocal": ((0.685, 0.757, 0.896, 0.949), (0.884, 0.927, 0.954, 0.947)),
        "FL": ((0.690, 0.726, 0.715, 0.924), (0.869, 0.922, 0.954, 0.947)),
        "A-FL": ((0.696, 0.769, 0.951, 0.9501), (0.884, 0.927, 0.960, 0.955)),
    }
)
"""Loss, with the U-Net on a ResNet50, to its scores on PI-CAI and on BraTS."""

PUBLISHED_NETWORKS: Mapping[str, tuple[Scores, Scores, Scores, Scores]] = MappingProxyType(
    {
        "UNet": (
            (0.640, 0.710, 0.721, 0.749),
            (0.669, 0.740, 0.792, 0.825),
            (0.831, 0.894, 0.849, 0.827),
            (0.897, 0.940, 0.872, 0.849),
        ),
        "AttUNet": (
            (0.647, 0.721, 0.997, 0.940),
            (0.679, 0.750, 0.992, 0.948),
            (0.783, 0.855, 0.956, 0.936),
            (0.878, 0.926, 0.904, 0.929),
        ),
        "RegUNet": (
            (0.562, 0.622, 0.600, 0.950),
            (0.573, 0.635, 0.691, 0.944),
            (0.722, 0.807, 0.891, 0.925),
            (0.770, 0.841, 0.882, 0.947),
        ),
        "RRUNet": (
            (0.634, 0.709, 0.967, 0.946),
            (0.672, 0.740, 0.989, 0.949),
            (0.835, 0.874, 0.892, 0.927),
            (0.883, 0.905, 0.916, 0.937),
        ),
        "UNet-R50": (
            (0.641, 0.715, 0.924, 0.947),
            (0.696, 0.769, 0.941, 0.949),
            (0.867, 0.922, 0.954, 0.947),
            (0.898, 0.951, 0.962, 0.949),
        ),
        "SegResNet": (
            (0.626, 0.701, 0.991, 0.934),
            (0.691, 0.763, 0.994, 0.943),
            (0.849, 0.908, 0.903, 0.967),
            (0.889, 0.941, 0.886, 0.949),
        ),
        "VNet": (
            (0.593, 0.656, 0.570, 0.958),
            (0.626, 0.689, 0.740, 0.947),
            (0.821, 0.884, 0.911, 0.947),
            (0.846, 0.897, 0.950, 0.928),
        ),
        "MRRN": (
            (0.634, 0.708, 0.918, 0.945),
            (0.688, 0.760, 0.893, 0.948),
            (0.827, 0.889, 0.827, 0.931),
            (0.899, 0.940, 0.915, 0.938),
        ),
    }
)
"""Network to its scores of FL on PI-CAI, A-FL on PI-CAI, FL on BraTS and A-FL on BraTS."""

PUBLISHED_ABSTRACT: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"PI-CAI": (0.696, 0.769), "BraTS": (0.883, 0.931)}
)
"""Data set to IoU and DSC of A-FL, as the abstract says them."""

PUBLISHED_GAINS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"FL": (5.5, 5.4), "the best baseline": (2.0, 1.2)}
)
"""What A-FL is said to surpass on PI-CAI, to the points of IoU and DSC, as the abstract says them."""

DISCREPANCIES: tuple[str, ...] = (
    "BraTS, A-FL, IoU and DSC: 0.883 and 0.931 in the abstract, 0.884 and 0.927 in the table of losses, 0.898 and "
    "0.951 in the table of networks. One evaluation cannot give the last two: a mean DSC of 0.951 forces a mean IoU of "
    "at least 0.907.",
    "PI-CAI, FL with the U-Net on a ResNet50, IoU and DSC: 0.690 and 0.726 in the table of losses, 0.641 and 0.715 in "
    "the table of networks. The abstract's gain of 5.5 and 5.4 points is against the latter.",
    "PI-CAI, A-FL, sensitivity and specificity: 0.951 and 0.9501 in the table of losses, 0.941 and 0.949 in the table "
    "of networks.",
    "BraTS, table of losses: the IoU loss (0.893, 0.930) and the Dice loss (0.891, 0.933) have a higher IoU and DSC "
    "than A-FL (0.884, 0.927), and DiceFocal has the same two values as A-FL.",
    "The figures by volume and by smoothness show mean DSC as bars; neither the bars' values nor the edges of the bins "
    "are published.",
)
"""Where the paper's own figures disagree, or cannot be checked."""


def published_losses() -> pd.DataFrame:
    """The table of losses; columns loss, data_set, IoU, DSC, sensitivity, specificity."""
    rows = [
        (loss, data_set, *scores)
        for loss, both in PUBLISHED_LOSSES.items()
        for data_set, scores in zip(DATA_SETS, both, strict=True)
    ]
    return pd.DataFrame(rows, columns=["loss", "data_set", *MEASURES])


def published_networks() -> pd.DataFrame:
    """The table of networks; columns network, data_set, loss, IoU, DSC, sensitivity, specificity."""
    order = [(data_set, loss) for data_set in DATA_SETS for loss in ("FL", "A-FL")]
    rows = [
        (network, *which, *scores)
        for network, four in PUBLISHED_NETWORKS.items()
        for which, scores in zip(order, four, strict=True)
    ]
    return pd.DataFrame(rows, columns=["network", "data_set", "loss", *MEASURES])
