"""Blocks of a page that are computed: they stand between `<!-- NAME -->` and `<!-- end -->`, the words outside."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path


def table(head: str, body: Iterable[Iterable[object]]) -> str:
    """A Markdown table; the columns of the head are set apart by ` | `."""
    rule = "|".join("---" for _ in head.split(" | "))
    lines = [" | ".join(map(str, cells)) for cells in body]
    return "\n".join([f"| {head} |", f"|{rule}|", *(f"| {line} |" for line in lines)])


def renewed(text: str, blocks: Mapping[str, Callable[[], str]]) -> str:
    """The page with every block computed anew.

    Raises:
        ValueError: If the page does not have a block once.
    """
    for name, block in blocks.items():
        head, tail = f"<!-- {name} -->", "<!-- end -->"
        pattern = re.compile(rf"{head}.*?{tail}", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"The page needs one block named {name}, from {head} to {tail}")
        new = f"{head}\n\n{block()}\n\n{tail}"
        text = pattern.sub(lambda _, new=new: new, text)
    return text


def renew(page: Path, blocks: Mapping[str, Callable[[], str]]) -> None:
    """Write the page with every block computed anew."""
    page.write_text(renewed(page.read_text(encoding="utf-8"), blocks), encoding="utf-8")
