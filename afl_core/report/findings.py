"""The numbers and choices that a report is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from afl_core.analysis.breakdown.options import Options
from afl_core.analysis.breakdown.records import Breakdown
from afl_core.analysis.breakdown.regions import RegionBreakdown
from afl_core.analysis.breakdown.units import Units
from afl_core.evaluation.comparison import Comparison


@dataclass(frozen=True, eq=False)
class Findings:
    """A comparison and its breakdown.

    Attributes:
        breakdown: The numbers by bin.
        options: The choices behind them.
        comparison: The results folder.
        command: Command that made the report.
        regions: Every region that is compared, the comparison's own first; () where it is one alone.
        problems: Every other region, to why it has no breakdown.
    """

    breakdown: Breakdown
    options: Options
    comparison: Comparison
    command: str
    regions: tuple[RegionBreakdown, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def units(self) -> Units:
        """The cases or lesions that were compared."""
        return self.breakdown.units

    @property
    def pair(self) -> tuple[str, str] | None:
        """The pair that charts and pictures show: the first two sources; None where there is one only."""
        return self.units.pairs[0] if self.units.pairs else None
