"""Tables of a comparison: its cases, and the metrics and lesions of one of them."""

from typing import Any

import numpy as np
import pandas as pd

from afl_core.analysis.statistics.paired import wide
from afl_core.evaluation.comparison import Comparison
from afl_core.metrics import METRICS

FALSE_POSITIVE = "false positive, "
"""Text before the name of the source, in place of the number of a lesion."""


def case_table(opened: Comparison, metric: str, *, sort: str = "") -> pd.DataFrame:
    """One row a case: volume, lesions, roughness, the metric of each source and the difference of the first two.

    Args:
        opened: The results; cases that were not evaluated yet have NaN.
        metric: Key of the metric in `METRICS`.
        sort: Column to sort by: a source, `difference` or `size`; else the name of the case.
    """
    ids = [case.case_id for case in opened.cohort.cases] if opened.cohort else []
    if opened.rows.empty:
        return pd.DataFrame(index=pd.Index(ids, name="case"))
    facts = opened.rows.drop_duplicates("case_id").set_index("case_id")
    facts = facts[["reference_volume_ml", "reference_lesions", "roughness"]]
    facts.columns = pd.Index(["volume (ml)", "lesions", "roughness"])
    values = wide(opened.rows, metric, opened.sources)
    table = facts.join(values)
    if len(opened.sources) > 1:
        table["difference"] = values[opened.sources[1]] - values[opened.sources[0]]
    table = table.reindex(sorted({*ids, *table.index}))
    table.index.name = "case"
    column = "volume (ml)" if sort == "size" else sort
    return table.sort_values(column, kind="stable") if column in table else table


def most_telling(table: pd.DataFrame) -> str:
    """The case on which the first two sources differ most; with one source the largest tumour; else the first case."""
    for column in ("difference", "volume (ml)"):
        if column in table and table[column].notna().any():
            return str(table[column].abs().idxmax())
    return str(table.index[0])


def rows_of(opened: Comparison, case_id: str) -> pd.DataFrame:
    """The rows of one case, by source."""
    rows = opened.rows
    return rows[rows["case_id"] == case_id].set_index("source") if not rows.empty else rows


def metric_table(rows: pd.DataFrame, sources: tuple[str, ...]) -> pd.DataFrame:
    """One row a metric: the value of each source, and the difference of the first two.

    Args:
        rows: The rows of `rows_of`.
        sources: Names of the sources in their order.
    """
    have = [source for source in sources if source in rows.index]
    keys = [key for key in METRICS if key in rows]
    table = pd.DataFrame({"metric": [METRICS[key].titled_direction for key in keys]})
    values = rows.loc[have, keys].to_numpy(float)  # (sources, metrics)
    for source, numbers in zip(have, values, strict=True):
        table[source] = [_number(n, rows[key].dtype) for key, n in zip(keys, numbers, strict=True)]
    if len(have) > 1:
        changes = zip(keys, values[1] - values[0], strict=True)
        table["difference"] = [_number(n, rows[key].dtype, "+") for key, n in changes]
    return table


def _number(value: float, kind: Any, sign: str = "") -> str:
    """Three decimals, or none for a count; a dash for what is undefined."""
    decimals = 0 if kind.kind in "iu" else 3
    return "–" if np.isnan(value) else f"{round(float(value), decimals) + 0.0:{sign}.{decimals}f}"  # never -0.000


def lesion_table(opened: Comparison, case_id: str) -> pd.DataFrame:
    """Reference lesions with the Dice of each source, then each source's false positives; with their voxel."""
    rows = opened.lesions
    rows = rows[rows["case_id"] == case_id] if not rows.empty else rows
    if rows.empty:
        return pd.DataFrame(columns=["lesion", "volume (ml)", "x", "y", "z"])
    lesions = rows[rows["kind"] != "false_positive"]
    facts = lesions.drop_duplicates("lesion_id").set_index("lesion_id")[["volume_ml", "roughness", "x", "y", "z"]]
    dice = lesions.pivot(index="lesion_id", columns="source", values="dsc").reindex(columns=list(opened.sources))
    table = facts.join(dice).reset_index(names="lesion").astype({"lesion": str})
    ignored = set(lesions.loc[lesions["kind"] == "ignored", "lesion_id"].astype(str))
    table["lesion"] = [f"{lesion}, ignored" if lesion in ignored else lesion for lesion in table["lesion"]]
    false = rows[rows["kind"] == "false_positive"]
    extra = false[["volume_ml", "x", "y", "z"]].assign(lesion=FALSE_POSITIVE + false["source"])
    columns = ["lesion", "volume_ml", *dice.columns, "roughness", "x", "y", "z"]
    return pd.concat([table, extra], ignore_index=True)[columns].rename(columns={"volume_ml": "volume (ml)"}).round(3)
