"""The terminal for as long as `ropewalk top` shows itself in it.

Plain ANSI sequences and the standard library: it works over ssh, and leaves the terminal as it was,
also while the program is stopped by Ctrl-Z and when a signal ends it.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import termios
import tty

from ropewalk import _tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType, TracebackType
    from typing import Any

REVERSE = "\x1b[7m"
_RED, _BOLD, _PLAIN = "\x1b[31m", "\x1b[1m", "\x1b[0m"
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"

_ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_OTHERS = (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)


class Ended(Exception):
    """A signal that ends programs has come."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def alarming() -> str:
    """Return the style of what is wrong: red, or bold where no colors are wanted."""
    return _BOLD if os.environ.get("NO_COLOR") else _RED


def why_not() -> str:
    """Return why there cannot be a screen, or an empty string."""
    if not (sys.stdin and sys.stdout and sys.stdin.isatty() and sys.stdout.isatty()):
        return "a terminal"
    if os.environ.get("TERM") == "dumb":
        return "a terminal whose cursor it can move, and TERM is 'dumb'"
    return ""


class Screen:
    """The terminal, for as long as it shows us."""

    def __init__(self) -> None:
        self._input = sys.stdin.fileno()
        self._saved: list[Any] = []
        self._handlers: dict[int, Any] = {}
        self._signals: list[int] = []
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)

    def __enter__(self) -> Screen:
        self._saved = termios.tcgetattr(self._input)
        # A signal is only noted, as the terminal may be in the middle of a page.
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in (*_ENDS, *_OTHERS):
            if signal.getsignal(number) != signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._note)
        self._show_us()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._show_what_was()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _show_us(self) -> None:
        # Keys that were pressed before are obeyed.
        tty.setcbreak(self._input, termios.TCSADRAIN)
        self._write(_ENTER)

    def _show_what_was(self) -> None:
        try:
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._saved)
            self._write(_LEAVE)
        except (termios.error, EOFError):
            # It is gone, with what was there.
            pass

    @staticmethod
    def _write(text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError as error:
            raise EOFError from error

    def show(self, lines: Sequence[tuple[str, str]]) -> None:
        """Draw one page over the last one, of lines with their styles.

        Raises:
            EOFError: there is no terminal any more.
        """
        size = shutil.get_terminal_size()
        page = "\n".join(
            # First: behind a line as wide as the terminal it would take the last letter.
            f"{_REST_OF_LINE}{style}{_tables.cut(text, size.columns)}{_PLAIN}"
            for style, text in lines[: max(size.lines - 1, 1)]
        )
        self._write(f"{_HOME}{page}\n{_REST_OF_SCREEN}")

    def wake(self) -> None:
        """Have `key` return; from another thread."""
        try:  # noqa: SIM105 - contextlib is slow to import
            os.write(self._waker, b"\0")
        except OSError:
            # It is full, and wakes already.
            pass

    def key(self, limit: float) -> str:
        """Return the key that is pressed within `limit` seconds, or an empty string.

        Raises:
            Ended: a signal came that ends us.
            EOFError: there is no terminal any more.
        """
        ready, _, _ = select.select([self._input, self._woken], [], [], limit)
        if self._woken in ready:
            os.read(self._woken, 4096)
        self._obey()
        if self._input not in ready:
            return ""
        try:
            keys = os.read(self._input, 16)
        except OSError as error:
            raise EOFError from error
        if not keys:
            raise EOFError
        return keys.decode(errors="replace")[:1]

    def _obey(self) -> None:
        """Do what the signals ask for that have come."""
        while self._signals:
            number = self._signals.pop(0)
            if number in _ENDS:
                raise Ended(number)
            if number == signal.SIGTSTP:
                self._show_what_was()
                signal.signal(number, signal.SIG_DFL)
                # It returns when we are to go on.
                os.kill(os.getpid(), number)
                signal.signal(number, self._note)
                self._show_us()
            elif number == signal.SIGCONT:
                # A shell may have changed the terminal while we were stopped.
                self._show_us()
