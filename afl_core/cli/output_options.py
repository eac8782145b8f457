"""The options that every command has: how much it prints, and whether a table is printed as JSON."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, TypeVar

import typer

from afl_core.cli import terminal

F = TypeVar("F", bound=Callable[..., Any])

QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print warnings, problems and errors alone, and what --json prints.")
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print a line a step, and the traceback of an unexpected error.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the table as JSON on standard output.")]


def command(app: typer.Typer, *, table: bool = False, **settings: Any) -> Callable[[F], F]:
    """A decorator that makes a function a command of `app`, with the options of this module.

    Args:
        app: Takes the command.
        table: Whether the command prints a table, so that it has --json.
        settings: Go to `app.command`.
    """
    options: dict[str, Any] = {"quiet": QuietOption, "verbose": VerboseOption} | ({"json": JsonOption} if table else {})

    def decorate(function: F) -> F:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            terminal.shown = terminal.Shown(**{name: kwargs.pop(name, False) for name in options})
            return function(*args, **kwargs)

        signature = inspect.signature(function)
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
            for name, kind in options.items()
        ]
        run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *more])  # type: ignore[attr-defined]
        run.__annotations__ = function.__annotations__ | options
        app.command(**settings)(run)
        return function

    return decorate
