"""The way of a thread's uncaught exception to `threading.excepthook`."""

from __future__ import annotations

import sys

import ropewalk.threading as _threading
from ropewalk._unannotated import unannotated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, TracebackType
    from typing import Any, TextIO

# Code that stands between CPython's start of a thread and the user's function. Its frames are
# taken off the beginning of a traceback: they tell a user nothing.
_machinery: set[CodeType] = set()


def below_the_program(*codes: CodeType) -> None:
    """Take the frames of these functions off the beginning of uncaught exceptions."""
    _machinery.update(codes)


def without_machinery(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback from the user's first frame on.

    When there is none (the target was called with wrong arguments, say), our innermost frame
    stays: it is where the call was made.
    """
    while (
        traceback is not None
        and traceback.tb_next is not None
        and traceback.tb_frame.f_code in _machinery
    ):
        traceback = traceback.tb_next
    return traceback


def invoke(thread: _threading.Thread) -> None:
    """Give the exception that is being handled to `threading.excepthook`.

    An exception of the hook itself goes to `sys.excepthook`, as in the stdlib.
    """
    # Late in the exit of the interpreter a daemon thread can find any global gone.
    hook: Callable[[Any], object] | None = _threading.excepthook
    if hook is None:
        hook = _threading.__excepthook__
    kind, value, traceback = sys.exc_info()
    traceback = without_machinery(traceback)
    if value is not None:
        value.__traceback__ = traceback
    try:
        hook(_threading.ExceptHookArgs((kind, value, traceback, thread)))
    except Exception as error:
        error.__suppress_context__ = True
        del error
        stderr: TextIO | None = sys.stderr if sys.stderr is not None else thread._stderr
        print("Exception in threading.excepthook:", file=stderr, flush=True)
        sys.excepthook(*sys.exc_info())
    finally:
        # An exception in a frame that its own traceback holds is a cycle.
        kind = value = traceback = None


unannotated(globals())
