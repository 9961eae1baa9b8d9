"""What `ropewalk run` is told, and how it reaches the processes that the program starts."""

import os

VARIABLE = "ROPEWALK_RUN"
DEADLOCK_MODES = ("raise", "report", "off")


class Options:
    """The options of `ropewalk run`.

    Attributes:
        deadlock: what happens on a deadlock: `raise`, `report` or `off`.
        lock_order: whether two locks taken in both orders are reported.
        report: where it is told at the end what was waited for: a file, an empty string for
            standard error, or None. For the program itself, not for its children.
        trace: the file for a trace, or None. For the program itself as well.
    """

    __slots__ = ("deadlock", "lock_order", "report", "trace")

    def __init__(
        self,
        deadlock: str = "raise",
        *,
        lock_order: bool = False,
        report: str | None = None,
        trace: str | None = None,
    ) -> None:
        """Raise ValueError when `deadlock` is none of the three modes."""
        if deadlock not in DEADLOCK_MODES:
            raise ValueError(f"deadlock must be one of {', '.join(DEADLOCK_MODES)}: {deadlock!r}")
        self.deadlock = deadlock
        self.lock_order = lock_order
        self.report = report
        self.trace = trace

    def to_text(self) -> str:
        """The value of the environment variable ROPEWALK_RUN that stands for these options."""
        words = [f"deadlock={self.deadlock}"]
        if self.lock_order:
            words.append("lock-order")
        if self.report is not None:
            words.append(f"report={_quote(self.report)}")
        if self.trace is not None:
            words.append(f"trace={_quote(self.trace)}")
        return ",".join(words)

    def apply(self) -> None:
        """Put Ropewalk under the stdlib's names in this process, with these options."""
        from ropewalk import _install

        if _install.install().fallback:
            return
        from ropewalk import _ropewalk

        _ropewalk.set_deadlock_mode(self.deadlock)
        if self.lock_order:
            _ropewalk.set_lock_order(True)
        if self.report is not None or self.trace is not None:
            from ropewalk import _report

            os.environ[VARIABLE] = Options(self.deadlock, lock_order=self.lock_order).to_text()
            if self.report is not None:
                _report.arm(self.report or None)
            if self.trace is not None:
                _report.trace(self.trace)
        if hasattr(_ropewalk, "serve_when_needed"):
            _ropewalk.serve_when_needed()


def _quote(text: str) -> str:
    return text.replace("%", "%25").replace(",", "%2C")


def _unquote(text: str) -> str:
    return text.replace("%2C", ",").replace("%25", "%")


def parse(text: str) -> Options:
    """Read the value of ROPEWALK_RUN; words that it does not know are left out.

    A process may be started by a parent with another version of Ropewalk: what only one of the
    two knows must not keep the other from running.
    """
    deadlock = "raise"
    lock_order = False
    report = None
    trace = None
    for word in text.split(","):
        key, _, value = word.partition("=")
        if key == "deadlock" and value in DEADLOCK_MODES:
            deadlock = value
        elif key == "lock-order":
            lock_order = True
        elif key == "report":
            report = _unquote(value)
        elif key == "trace":
            trace = _unquote(value)
    return Options(deadlock, lock_order=lock_order, report=report, trace=trace)
