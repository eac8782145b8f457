"""The words of the pages, each explained once: docs/glossary.md shows them, and the pages' help texts repeat them.

The formulas are those of the code. What a metric means stands in `METRICS` and `MEASURES` and is taken from there.
"""

from collections.abc import Mapping
from types import MappingProxyType

from afl_core.analysis.breakdown.measures import MEASURES
from afl_core.glossary import words
from afl_core.metrics import METRICS

_BETTER = {"higher": "Higher is better.", "lower": "Lower is better.", "zero": "Nearer to 0 is better."}

_METRICS = {metric.label: f"{metric.definition} {_BETTER[metric.better]}" for metric in METRICS.values()}
_METRICS |= {
    measure.label: f"{measure.definition} {_BETTER[measure.better]}"
    for measure in MEASURES["lesion"].values()
    if measure.label not in _METRICS
}

SECTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        title: MappingProxyType(terms)
        for title, terms in (
            ("Data", words.DATA),
            ("Size and shape", words.SHAPE),
            ("Losses", words.LOSS),
            ("Metrics", _METRICS),
            ("Measuring", words.MEASURING),
            ("Statistics", words.STATISTICS),
            ("Patients over time", words.FOLLOW_UP),
            ("Training", words.TRAINING),
            ("Results", words.RESULTS),
        )
    }
)
"""Subject to its terms, and each term to its explanation."""

TERMS: Mapping[str, str] = MappingProxyType({term: text for terms in SECTIONS.values() for term, text in terms.items()})
"""Every term of the pages to its explanation, which a help text repeats word for word."""


def explain(*terms: str) -> str:
    """Several terms with their explanations as a list, for the help text of a choice between them.

    >>> explain("Step", "Epoch").splitlines()[1]
    '- Epoch: One pass over the training cases.'
    """
    return "\n".join(f"- {term}: {TERMS[term]}" for term in terms)


def as_markdown() -> str:
    """The page docs/glossary.md.

    >>> as_markdown().splitlines()[0]
    '# Glossary'
    """
    lines = [
        "# Glossary",
        "",
        "The words of the pages, each explained once, by subject. [map.md](map.md) says where the code is.",
    ]
    for title, terms in SECTIONS.items():
        lines += ["", f"## {title}", "", *(f"- **{term}**: {text}" for term, text in terms.items())]
    return "\n".join(lines) + "\n"
