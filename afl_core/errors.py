"""Errors that a person can act on: what happened, what was received, what to do."""


class AflError(Exception):
    """A mistake in the input, not in the program.

    Args:
        what: What happened, as a sentence without its full stop.
        received: The offending value, if one can be shown.
        todo: What the reader can do about it.
    """

    def __init__(self, what: str, *, received: object = None, todo: str = "") -> None:
        self.what, self.received, self.todo = what, received, todo
        super().__init__(what, received, todo)

    def __str__(self) -> str:
        """One line: what, then what was received, then what to do."""
        parts = [self.what if self.received is None else f"{self.what} (received: {self.received})"]
        return ". ".join([*parts, self.todo]).rstrip(". ") + "."

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the keyword arguments when the error crosses a process boundary."""
        return _rebuild, (type(self), self.what, self.received, self.todo)


def _rebuild(kind: type[AflError], what: str, received: object, todo: str) -> AflError:
    return kind(what, received=received, todo=todo)


class DataError(AflError):
    """A file or folder that cannot be read as a case."""


class GeometryError(AflError):
    """Arrays that do not lie on the same grid."""


class CheckpointError(AflError):
    """A checkpoint that is not ours, is damaged, or does not fit the case."""


class UsageError(AflError):
    """An option or argument with a value outside what is accepted."""
