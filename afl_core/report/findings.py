"""What a report is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from afl_core.analysis.breakdown import Breakdown
from afl_core.analysis.options import Options
from afl_core.analysis.units import Units
from afl_core.data.layouts import Cohort
from afl_core.paths import DEMO


@dataclass(frozen=True, eq=False)
class Findings:
    """A comparison and where it comes from.

    Attributes:
        breakdown: The numbers.
        options: The choices behind them.
        manifest: Of the results folder.
        tables: Its case rows and its lesion rows.
        folder: The results folder, with the predicted masks.
        cohort: The data set, or None where it is no longer there.
        problem: Why there is no cohort, or "".
        command: What made the report.
    """

    breakdown: Breakdown
    options: Options
    manifest: Mapping[str, Any]
    tables: tuple[pd.DataFrame, pd.DataFrame]
    folder: Path
    cohort: Cohort | None
    problem: str
    command: str

    @property
    def units(self) -> Units:
        """What was compared."""
        return self.breakdown.units

    @property
    def pair(self) -> tuple[str, str] | None:
        """The pair that charts and pictures show: the first two sources; None where there is one only."""
        return self.units.pairs[0] if self.units.pairs else None

    @property
    def is_demo(self) -> bool:
        """Whether the data are the synthetic demo cohort."""
        return Path(self.manifest["data"]["path"]) == DEMO.resolve()
