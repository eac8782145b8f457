"""The forms of `breakdown.json`, which every export is held to; docs/schemas has them as JSON Schemas."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class DataPart(_Part):
    """The data set: name of its folder, and of its layout."""

    name: str
    kind: str


class MetricPart(_Part):
    """The metric that is compared."""

    key: str
    label: str
    unit: str
    better: Literal["higher", "lower"]
    definition: str
    empty_rule: str
    digits: int


class OptionsPart(_Part):
    """The choices behind the numbers, as `afl breakdown` takes them."""

    metric: str
    level: Literal["case", "lesion"]
    sources: tuple[str, ...]
    by: tuple[str, ...] | None
    bins: str
    edges: dict[str, tuple[float, float]]
    pool_seeds: bool
    opened: tuple[str, ...] = ()


class BinsPart(_Part):
    """The bins of one axis: the two edges between the three, their names, and where the edges come from.

    There are no edges where each value of a covariate is a bin. An exploratory axis is a covariate, which was chosen
    after the data were seen.
    """

    axis: str
    low: float | None
    high: float | None
    unit: str
    how: str
    names: tuple[str, ...]
    exploratory: bool


class SentencePart(_Part):
    """A record of a pair in words, and what stands behind it."""

    axis: str
    bin: str
    minus: str
    source: str
    text: str
    evidence: str


class RecordPart(_Part):
    """A row of `Breakdown.records`; null is a value that is not there, or the open end of a bin."""

    axis: str
    bin: str
    low: float | None
    high: float | None
    n: int
    units: int
    source: str
    mean: float | None
    mean_low: float | None
    mean_high: float | None
    minus: str
    mean_difference: float | None
    ci_low: float | None
    ci_high: float | None
    ci_level: float | None
    p: float | None
    p_holm: float | None
    effect: float | None
    n_higher: int | None
    n_lower: int | None
    n_equal: int | None
    p_method: str
    runs_low: float | None
    runs_high: float | None
    runs_share: float | None
    penalised: int | None = None
    unpenalised_difference: float | None = None


class SourcePart(_Part):
    """A compared source; of a mean over seeds, its seeds."""

    kind: str
    fingerprint: str = ""
    summary: str = ""
    seeds: "dict[str, SourcePart]" = {}


class SettingsPart(BaseModel):
    """How the rows were measured (`SettingsSection`); other versions may add to it, or leave out the region."""

    model_config = ConfigDict(extra="allow", frozen=True)

    nsd_tolerance_mm: float
    matcher: str
    region: str = "whole"


class VersionsPart(_Part):
    """Package to version: when the masks were measured, and when the statistics were."""

    evaluation: dict[str, str]
    breakdown: dict[str, str]


class BreakdownDocument(_Part):
    """The whole file; imported tables have no settings of ours."""

    results: str
    published: Literal[False]
    data: DataPart
    metric: MetricPart
    options: OptionsPart
    bins: tuple[BinsPart, ...]
    unbinned: tuple[str, ...]
    sentences: tuple[SentencePart, ...]
    records: tuple[RecordPart, ...]
    tests: int
    reference_units: int
    left_out: dict[str, int]
    empty_masks: dict[str, dict[str, int]]
    seed: int
    resamples: int
    sources: dict[str, SourcePart]
    settings: SettingsPart | None
    versions: VersionsPart


class RegionsDocument(_Part):
    """The whole file where several regions are compared: of each the same as of one, and what is not compared."""

    results: str
    tests: int
    correction: str
    regions: dict[str, BreakdownDocument]
    not_compared: dict[str, str]
