"""Tables on standard output: no word and no number is ever cut."""

import io

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from afl_core.cli import terminal

HEADINGS = ["source", "lesion Dice", "lesion HD95", *(f"column {k}" for k in range(9)), "a_name_without_any_space"]
ROW = ["nnU-Net [fold 0]", "0.345 of 12", "341.28", *(f"{k}.00" for k in range(9)), "1234567890.123"]


@pytest.mark.parametrize("columns", [20, 80, 400])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_no_number_of_a_table_is_cut(monkeypatch, columns, is_terminal):
    file = io.StringIO()
    console = Console(file=file, width=columns, force_terminal=is_terminal, color_system=None, markup=False)
    monkeypatch.setattr(terminal, "output", console)
    table = Table(*HEADINGS, box=None, padding=(0, 1, 0, 0))
    table.add_row(*ROW)
    terminal.print_result(table)
    written = Text.from_ansi(file.getvalue()).plain
    assert "…" not in written
    assert {*" ".join(HEADINGS).split(), *" ".join(ROW).split()} <= set(written.split())
    if not is_terminal:
        assert len(written.splitlines()) == 2


def test_text_wraps_in_a_terminal(monkeypatch):
    file = io.StringIO()
    console = Console(file=file, width=40, force_terminal=True, color_system=None)
    monkeypatch.setattr(terminal, "output", console)
    table = Table("check", "found", box=None)
    table.add_row("name", "a long sentence of many words that must go on in the next line")
    terminal.print_result(table)
    assert max(map(len, Text.from_ansi(file.getvalue()).plain.splitlines())) <= 40
