"""`xray.json`: its form, which docs/schemas has as a JSON Schema, and how it is made."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from afl_core.analysis.xray.findings import findings
from afl_core.analysis.xray.table import Preparation, summary, tumours


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class PreparationPart(_Part):
    """What is done to a mask before the loss sees it (`Preparation`)."""

    title: str
    spacing_mm: tuple[float, float, float] | None
    crop: tuple[int, int, int] | None
    grid: tuple[int, int, int] | None
    resize: Literal["nearest", "area"]


class FindingPart(_Part):
    """A statement about the released loss, and what was measured of it on these cases."""

    claim: str
    measured: str


class XrayDocument(_Part):
    """The whole file.

    Attributes:
        command: The command that made it.
        preparation: What was done to the masks first.
        cases: Number of cases.
        tumours: Number of cases with a tumour.
        summary: Quantity to its minimum, quartiles, 95th percentile, maximum and rank correlations; null is no value.
        findings: What is known of the released loss, with the numbers of these cases.
        problems: Case to why it could not be measured.
    """

    command: str
    preparation: PreparationPart
    cases: int
    tumours: int
    summary: dict[str, dict[str, float | None]]
    findings: tuple[FindingPart, ...]
    problems: dict[str, str]


def xray_json(table: pd.DataFrame, preparation: Preparation, *, problems: Mapping[str, str], command: str) -> str:
    """The findings on a table of `xray_table` as JSON."""
    document = {
        "command": command,
        "preparation": asdict(preparation),
        "cases": len(table),
        "tumours": len(tumours(table)),
        "summary": json.loads(summary(table).to_json(orient="index")) if len(tumours(table)) else {},
        "findings": [asdict(finding) for finding in findings(table)],
        "problems": dict(problems),
    }
    return XrayDocument.model_validate(document).model_dump_json(indent=1) + "\n"
