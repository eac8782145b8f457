"""The numbers of the Overview page: those that Breakdown has over everything, of cases and of lesions."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from afl_core.analysis.breakdown.measures import Level
from afl_core.analysis.breakdown.options import Options, choose_breakdown, evaluated_sources
from afl_core.analysis.breakdown.overall import Overall, overall
from afl_core.analysis.breakdown.records import Breakdown
from afl_core.analysis.breakdown.sentences import evidence_sentence, mean_sentence, pair_sentence
from afl_core.analysis.breakdown.units import Units
from afl_core.evaluation.comparison import Comparison

Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Summary:
    """What the results show over everything; seeds of one configuration are averaged.

    Attributes:
        breakdowns: Level to the breakdown with which the Breakdown page opens there; lesions only where there are any.
        metrics: Level to the headline metrics over everything.
    """

    breakdowns: Mapping[Level, Breakdown]
    metrics: Mapping[Level, tuple[Overall, ...]]

    @property
    def units(self) -> Units:
        """The cases, with their Dice."""
        return self.breakdowns["case"].units

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of what is compared, in order."""
        return self.units.sources

    def sentences(self, pair: Pair | None) -> tuple[str, ...]:
        """What each level shows, in the words of the Breakdown page."""
        return tuple(
            pair_sentence(breakdown.pair(*pair).iloc[0].to_dict(), breakdown.units)
            if pair
            else mean_sentence(breakdown.records.iloc[0].to_dict(), breakdown.units)
            for breakdown in self.breakdowns.values()
        )

    def evidence(self, pair: Pair) -> str:
        """The counts, levels and tests behind these sentences."""
        return " ".join(
            f"{level.capitalize()}s: " + evidence_sentence(of.pair(*pair).iloc[0].to_dict(), of.units, tests=of.n_tests)
            for level, of in self.breakdowns.items()
        )


def summarize(workspace: Comparison) -> Summary | None:
    """The summary of results; None where no source has a row."""
    return _summarize(_key(workspace), workspace) if _has_rows(workspace) else None


def break_down_cases(workspace: Comparison) -> Breakdown | None:
    """The summary's breakdown of cases alone, as for a region that is not looked at; None where no source has a row."""
    return _break_down(_key(workspace), "case", workspace) if _has_rows(workspace) else None


def _has_rows(workspace: Comparison) -> bool:
    rows = workspace.rows
    return not rows.empty and bool(evaluated_sources(rows, workspace.manifest, pool_seeds=True))


def _key(workspace: Comparison) -> str:
    return repr((workspace.state, workspace.left_out))


@st.cache_resource(max_entries=64, show_spinner="Computing intervals")
def _break_down(key: str, level: Level, _workspace: Comparison) -> Breakdown:
    return choose_breakdown((_workspace.rows, _workspace.lesions), _workspace.manifest, Options(level=level))


@st.cache_resource(max_entries=16, show_spinner="Computing intervals")
def _summarize(key: str, _workspace: Comparison) -> Summary:
    tables, manifest = (_workspace.rows, _workspace.lesions), _workspace.manifest
    lesions = _workspace.lesions
    levels: list[Level] = ["case"]
    if not lesions.empty and (lesions["kind"] == "reference").any():
        levels.append("lesion")
    return Summary(
        {level: _break_down(key, level, _workspace) for level in levels},
        {level: overall(tables, manifest, Options(level=level)) for level in levels},
    )
