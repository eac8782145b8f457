"""Single runs out of a study, which are easily taken for its results."""

from afl_core.evaluation.manifest import Manifest


def study_warning(manifest: Manifest) -> list[str]:
    """A warning where each source is a single run out of a study, which has more runs of each, and other rates."""
    cards = [source.card for source in manifest.sources.values()]
    runs = [card for card in cards if card is not None and card.command.startswith("afl study")]
    if len(runs) < 2 or len({card.training.get("seed") for card in runs}) > 1:
        return []
    return [
        "Each source is one run of a loss out of a study, at a learning rate that all share. The study compares "
        "several runs of each, and each loss at a rate of its own, and comes to other results: take no difference from "
        "here before you have read it (docs/study.md)."
    ]
