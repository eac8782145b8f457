"""What the findings about a data set are made of, and what one of them is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from afl_core.base.remote import is_here
from afl_core.base.words import number_of
from afl_core.data.check.duplicates import find_duplicates
from afl_core.data.check.index import FileFacts
from afl_core.data.check.references import ReferenceFacts
from afl_core.data.layouts import Cohort
from afl_core.errors import group_problems

Level = Literal["error", "question", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """Something to know about a data set.

    Attributes:
        level: error (cases cannot be used, or results would be wrong), question (yours to answer), warning,
            or note.
        what: The finding as a sentence, with the number of items.
        items: Every case or file that it is about.
        todo: Advice; "" where nothing is due.
    """

    level: Level
    what: str
    items: tuple[str, ...]
    todo: str = ""


@dataclass(frozen=True)
class Facts:
    """What the findings are made of: the cohort, its files, its references and its split."""

    cohort: Cohort
    files: Mapping[Path, FileFacts]
    references: Mapping[str, ReferenceFacts]
    splits: Mapping[str, Sequence[str]]
    split_problem: str

    @cached_property
    def same(self) -> tuple[tuple[tuple[str, str], ...], ...]:
        """Groups of files with the same bytes, each as case and kind of file; empty references are none."""
        with_tumour = {case_id for case_id, reference in self.references.items() if reference.volume_ml > 0}
        files = {
            path: (case.case_id, name)
            for case in self.cohort.cases
            for name, path in (*case.sequences.items(), *([("reference", case.reference)] if case.reference else []))
            if (name != "reference" or case.case_id in with_tumour)
            and self.files[path].shape
            and (self.references or is_here(path))  # nothing is fetched for headers alone
            and not self.files[path].problem
        }
        groups = find_duplicates({path: self.files[path].size for path in files})
        return tuple(tuple(sorted(files[path] for path in paths)) for paths in groups)


def by_cause(one: str, many: str, problems: Sequence[tuple[str, str]], todo: str) -> Iterator[Finding]:
    """A finding for every cause of many problems, named by the first of them; one for those that stand alone."""
    alone = list[str]()
    problem_of = dict(problems)
    for names, first in group_problems(problem_of):
        items = tuple(problem_of[name] if name in problem_of[name] else f"{name}: {problem_of[name]}" for name in names)
        if len(names) == 1:
            alone += items
        else:
            yield Finding("error", f"{len(items)} {many}, the first: {first.rstrip('.')}", items, todo)
    if alone:
        yield Finding("error", f"{len(alone)} {one if len(alone) == 1 else many}", tuple(alone), todo)


def counted(items: Sequence[object], noun: str) -> str:
    """A number and its noun.

    >>> counted(("a",), "case"), counted((), "case")
    ('1 case', '0 cases')
    """
    return number_of(len(items), noun)
