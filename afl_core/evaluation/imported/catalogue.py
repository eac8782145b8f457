"""What the columns of other tools' tables are: name with its origin, unit, better direction and definition."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Column:
    """A metric in a table of another tool.

    Attributes:
        name: Name of the column.
        label: Name of the metric, without the tool's.
        better: The direction that is better.
        unit: Unit of the values; "" where they lie between 0 and 1.
        definition: What the tool computes, in a sentence.
        empty_rule: What an empty mask gives there, in words.
    """

    name: str
    label: str
    better: Better
    unit: str
    definition: str
    empty_rule: str = "as the tool has it"


@dataclass(frozen=True)
class Tool:
    """A tool, and the metrics that are taken from its tables.

    Attributes:
        name: Name of the format on the command line.
        label: Name of the tool, which stands behind each of its metrics.
        columns: The metrics; other columns are left out.
    """

    name: str
    label: str
    columns: tuple[Column, ...]

    def key(self, column: Column) -> str:
        """Name of the metric's column in results, which none of ours has.

        >>> NNUNET.key(NNUNET.columns[0])
        'nnunet.dice'
        """
        return f"{self.name}.{re.sub(r'[^a-z0-9]+', '_', column.name.lower()).strip('_')}"


_BOTH = "both empty: no value; one of them empty: 0"

NNUNET = Tool(
    "nnunet",
    "nnU-Net",
    (
        Column("Dice", "Dice", "higher", "", "2 TP / (2 TP + FP + FN) over the voxels of the label or region.", _BOTH),
        Column("IoU", "IoU", "higher", "", "TP / (TP + FP + FN) over the voxels of the label or region.", _BOTH),
    ),
)

AUDIT = Tool(
    "audit",
    "AUDIT",
    (
        Column("dice", "Dice", "higher", "", "Dice of the region."),
        Column("jacc", "Jaccard", "higher", "", "Intersection over union of the region."),
        Column("sens", "Sensitivity", "higher", "", "Share of the reference's voxels that are predicted."),
        Column("prec", "Precision", "higher", "", "Share of the predicted voxels that are in the reference."),
        Column("spec", "Specificity", "higher", "", "Share of the background that is not predicted."),
        Column("accu", "Accuracy", "higher", "", "Share of all voxels that are right."),
        Column("haus", "Hausdorff distance", "lower", "mm", "Largest surface distance, in one direction in AUDIT 0.2."),
        Column("dsc", "Dice, MetricsReloaded", "higher", "", "Dice of the region, by AUDIT's MetricsReloaded backend."),
        Column("iou", "IoU, MetricsReloaded", "higher", "", "Intersection over union, by the same backend."),
        Column("nsd", "NSD, MetricsReloaded", "higher", "", "Normalised surface Dice, by the same backend."),
        Column("hd", "Hausdorff distance, MetricsReloaded", "lower", "mm", "Hausdorff distance, by the same backend."),
        Column("assd", "ASSD, MetricsReloaded", "lower", "mm", "Mean surface distance, by the same backend."),
    ),
)

_MATCHED = "over the instances that panoptica matched"

PANOPTICA = Tool(
    "panoptica",
    "panoptica",
    (
        Column("global_bin_dsc", "Dice", "higher", "", "Dice of the whole group, instances joined."),
        Column("global_bin_iou", "IoU", "higher", "", "Intersection over union of the whole group, instances joined."),
        Column("global_bin_assd", "ASSD", "lower", "own unit", "Mean surface distance of the group; mm or voxels."),
        Column("global_bin_hd95", "HD95", "lower", "own unit", "95 % Hausdorff distance of the group; mm or voxels."),
        Column("global_bin_nsd", "NSD", "higher", "", "Normalised surface Dice of the whole group."),
        Column("rq", "Recognition quality", "higher", "", "F1 of the instances: TP / (TP + FP/2 + FN/2)."),
        Column("prec", "Instance precision", "higher", "", "Share of the predicted instances that are matched."),
        Column("rec", "Instance recall", "higher", "", "Share of the reference's instances that are matched."),
        Column("sq", "Segmentation quality", "higher", "", f"Mean IoU {_MATCHED}."),
        Column("pq", "Panoptic quality", "higher", "", "Recognition quality times segmentation quality."),
        Column("sq_dsc", "Segmentation quality, Dice", "higher", "", f"Mean Dice {_MATCHED}."),
        Column("pq_dsc", "Panoptic quality, Dice", "higher", "", "Recognition quality times mean Dice of the matched."),
        Column("sq_assd", "Instance ASSD", "lower", "own unit", f"Mean surface distance {_MATCHED}; mm or voxels."),
        Column("fp", "False positive instances", "lower", "count", "Predicted instances that match none."),
        Column("fn", "Missed instances", "lower", "count", "Instances of the reference that none matches."),
    ),
)

BRATS = Tool(
    "brats",
    "BraTS",
    (
        Column(
            "LesionWise_Score_Dice",
            "Lesion-wise Dice",
            "higher",
            "",
            "Mean Dice over lesions; one that is missed, and one that is none, counts 0.",
            "both empty: 1",
        ),
        Column(
            "LesionWise_Score_HD95",
            "Lesion-wise HD95",
            "lower",
            "mm",
            "Mean 95 % Hausdorff distance over lesions; one that is missed, and one that is none, counts the penalty.",
            "both empty: 0; missed: the penalty of the package, 374 mm or 373 mm",
        ),
        Column("Legacy_Dice", "Dice", "higher", "", "Dice of the whole region.", "both empty: 1"),
        Column("Legacy_HD95", "HD95", "lower", "mm", "95 % Hausdorff distance of the whole region.", "the penalty"),
        Column("Sensitivity", "Sensitivity", "higher", "", "Share of the reference's voxels that are predicted."),
        Column("Specificity", "Specificity", "higher", "", "Share of the background that is not predicted."),
        Column("Num_FP", "False positive lesions", "lower", "count", "Predicted lesions that are none."),
        Column("Num_FN", "Missed lesions", "lower", "count", "Lesions of the reference that are missed."),
    ),
)

TOOLS: Mapping[str, Tool] = MappingProxyType({tool.name: tool for tool in (NNUNET, AUDIT, PANOPTICA, BRATS)})
"""The tools whose tables are known, by the name of the format."""

TABLE = "table"
"""Format of any other table, whose columns are chosen."""
