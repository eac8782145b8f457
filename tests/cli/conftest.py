"""How a test gives a command."""

import os
import sys

import pytest

from afl_core.cli import main, terminal


@pytest.fixture
def call(monkeypatch, capsys):
    """`call(command, *arguments)` gives exit status, standard output and standard error."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(terminal, "shown", terminal.Shown())  # what the command sets ends with the test
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["afl", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main.main()
        said = capsys.readouterr()
        return left.value.code or 0, said.out, said.err

    return run
