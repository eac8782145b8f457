"""Which sources of a results folder another one of the same name replaces, told before their rows go."""

from collections.abc import Mapping, Sequence

from afl_core.errors import UsageError
from afl_core.evaluation.manifest_sections import SourceSection
from afl_core.evaluation.sources import Source


def described(sources: Sequence[Source]) -> dict[str, SourceSection]:
    """What a manifest records of sources, by name."""
    return {s.name: SourceSection(**s.describe() | {"path": str(s.path.resolve())}) for s in sources}


def replaced(held: Mapping[str, SourceSection], now: Mapping[str, SourceSection]) -> list[str]:
    """Names of the held sources that something else has now: other weights, another folder or another reading.

    Raises:
        UsageError: If names differ in capitals alone, which are one folder on some disks.
    """
    names = {name.lower(): name for name in held}
    for name in now:
        if (same := names.get(name.lower(), name)) != name:
            todo = f"Write it as {same}, or choose another name"
            raise UsageError("The results have a source of that name in other capitals", received=name, todo=todo)
    return [name for name in now if name in held and _identity(held[name]) != _identity(now[name])]


def replaced_sentence(held: Mapping[str, SourceSection], sources: Sequence[Source]) -> str:
    """Which sources give way to these, and how to keep both; "" where none does.

    What files mean is compared where both say it: before anything is measured, a folder may not yet.
    """
    now = {
        name: section
        if section.meaning or name not in held
        else section.model_copy(update={"meaning": held[name].meaning})
        for name, section in described(sources).items()
    }
    told = [_told(name, held[name], now[name]) for name in replaced(held, now)]
    return " ".join((*told, "To keep both, choose another name.")) if told else ""


def _told(name: str, held: SourceSection, now: SourceSection) -> str:
    """What becomes of a held source."""
    if held.path == now.path:
        return f"{name} has changed, or is read in another way: its rows in the results are measured anew."
    return f"The results have a source {name} already, from {held.path}: its rows are replaced by those of {now.path}."


def _identity(source: SourceSection) -> tuple[str, ...]:
    """The marks that tell a source from another of the same name; a checkpoint that was moved is the same."""
    if source.kind == "checkpoint":
        return source.kind, source.fingerprint
    return source.kind, source.path, source.option, source.meaning
