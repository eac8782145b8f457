"""A protocol on files of other codes: its regions are taken by the data set's own labels of the same meaning."""

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from afl_core.data.labels import EXAMPLE_CODES, SYNONYMS, WHOLE, Scheme
from afl_core.data.layouts import Cohort
from afl_core.errors import UsageError
from afl_core.evaluation.protocol_doubts import doubt_task
from afl_core.metrics.protocols import PROTOCOLS, Protocol

_PARTS: Mapping[str, "re.Pattern[str]"] = MappingProxyType(
    {
        "et": re.compile(r"(?<!non)(?<!non )enhanc|\bet\b"),
        "netc": re.compile(r"necro|non ?enhanc|\bncr\b|\bnetc?\b|\bnec\b|^core$"),
        "cc": re.compile(r"\bcyst|\bcc\b"),
        "ed": re.compile(r"o?edema|\bed\b|\bsnfh\b"),
        "rc": re.compile(r"cavity|\brc\b"),
    }
)
"""Part of a tumour to how a label that is one is called, in lower case."""

_CORE = ("et", "netc", "cc")


def by_labels(protocol: Protocol, scheme: Scheme) -> Protocol:
    """The protocol with the labels of a data set; as it is where every label may occur, or where it has no labels.

    Regions that the scheme does not name are left out; `label_notes` says so.

    Raises:
        UsageError: If the scheme names none of the protocol's regions, or the whole alone of several labels.
    """
    if not scheme.values or not protocol.labels:
        return protocol
    named_regions = _regions_by(scheme, protocol)
    if not named_regions or (set(named_regions) == {"wt"} and len(scheme.values) > 1):
        raise UsageError(
            f"The labels of the data set name no region of {protocol.title}",
            received=scheme.title,
            todo=f"Say what they are, such as {EXAMPLE_CODES}, or --labels any where they are those of the protocol",
        )
    return replace(protocol, regions=named_regions, labels=tuple(sorted(scheme.values)))


def label_notes(rule: Protocol) -> list[str]:
    """Where `by_labels` changed a protocol: the labels that make its regions, and regions that are left out."""
    theirs = PROTOCOLS[rule.name].regions
    said = []
    if any(set(labels) != set(theirs[region]) for region, labels in rule.regions.items()):
        regions = ", ".join(f"{region.upper()} {'+'.join(map(str, of))}" for region, of in rule.regions.items())
        said.append(f"The regions of {rule.title} are taken by the data set's own labels: {regions}.")
    if absent := [region.upper() for region in theirs if region not in rule.regions]:
        said.append(f"{rule.title} also has {', '.join(absent)}, which the data set's labels do not name.")
    return said


def fitting_protocol(cohort: Cohort) -> str:
    """The first protocol whose regions the data set's labels name, of its cases' task if possible; or ""."""
    fitting = [rule for rule in PROTOCOLS.values() if len(rule.regions) > 1 and _fits(rule, cohort.scheme)]
    ids = [case.case_id for case in cohort.cases]
    of_task = [rule for rule in fitting if not doubt_task(rule, ids)]
    return next((rule.name for rule in of_task or fitting), "")


def _fits(rule: Protocol, scheme: Scheme) -> bool:
    return bool(scheme.values) and len(_regions_by(scheme, rule)) == len(rule.regions)


def _regions_by(scheme: Scheme, protocol: Protocol) -> dict[str, tuple[int, ...]]:
    """The regions of a protocol that a scheme names, by its own labels."""
    parts = {part: _labels(scheme, pattern) for part, pattern in _PARTS.items()}
    cavity, core = set(parts["rc"]), tuple(sorted(label for part in _CORE for label in parts[part]))
    whole = tuple(label for label in scheme.regions[WHOLE] if label not in cavity)
    known: dict[str, tuple[int, ...]] = parts | {
        "snfh": parts["ed"],
        "tc": core if parts["et"] and parts["netc"] else (),
        "wt": whole,
        "gtv": whole if len(scheme.values) == 1 else (),
    }
    own = {SYNONYMS.get(region, region): labels for region, labels in scheme.regions.items() if region != WHOLE}
    found = {region: tuple(own.get(region) or known.get(region, ())) for region in protocol.regions}
    return {region: labels for region, labels in found.items() if labels}


def _labels(scheme: Scheme, pattern: "re.Pattern[str]") -> tuple[int, ...]:
    called = {label: re.sub("[-_]", " ", what.lower()) for label, what in scheme.values.items()}
    return tuple(label for label, what in called.items() if pattern.search(what))
