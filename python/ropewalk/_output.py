"""What the commands print: into any encoding, into pipes that close, onto disks that are full."""

from __future__ import annotations

import codecs
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# What the tables have of their own beyond ASCII; as wide, so that columns stay where they are.
_PLAINER = {"\u2026": "~", "\ufffd": "?"}


class _CannotWriteError(Exception):
    """Standard output takes no more; the `OSError` is the cause."""


def say(text: str = "") -> None:
    """Write a line to standard output."""
    # None when the descriptor is closed, which is no reason to fail (as for `print`).
    if sys.stdout is not None:
        try:
            sys.stdout.write(f"{text}\n")
        except OSError as error:
            raise _CannotWriteError from error


def complain(text: str) -> None:
    """Write a line to standard error."""
    # None when the descriptor is closed, as above.
    if sys.stderr is not None:
        try:  # noqa: SIM105 - contextlib is slow to import
            sys.stderr.write(f"{text}\n")
        except OSError:
            # There is nobody left to be told.
            pass


def flush() -> None:
    """Have written what was said."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as error:
            raise _CannotWriteError from error


def run(command: Callable[[], int]) -> int:
    """Carry out a command that prints by `say`.

    Returns:
        Its exit code: 1 if not all could be written, and as by SIGPIPE if nobody wants it.
    """
    if sys.stdout is None:
        return command()
    # A stream that somebody has put there, as in tests, may have no encoding.
    if hasattr(sys.stdout, "reconfigure"):
        codecs.register_error("ropewalk", _plainer)
        sys.stdout.reconfigure(errors="ropewalk")
    try:
        code = command()
        flush()
    except _CannotWriteError as error:
        _forget()
        if isinstance(error.__cause__, BrokenPipeError):
            return 128 + signal.SIGPIPE
        reason = getattr(error.__cause__, "strerror", None) or error.__cause__
        complain(f"ropewalk: the output cannot be written: {reason}")
        return 1
    return code


def _plainer(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    first = error.object[error.start]
    if first in _PLAINER:
        return _PLAINER[first], error.start + 1
    return codecs.backslashreplace_errors(error)


def _forget() -> None:
    """Have the interpreter's exit not try again to write what is left."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
