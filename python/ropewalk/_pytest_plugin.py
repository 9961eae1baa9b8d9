"""The pytest plugin: `pytest --ropewalk` runs the tests on Ropewalk.

A deadlock is then an exception in the test that has it. A test that takes longer than
`--ropewalk-timeout` fails, and the failure says who waits for what, with all stacks; the tests
after it run.
"""

from __future__ import annotations

import signal
import sys
import threading

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

_TIMEOUT = "ropewalk_timeout"
_HAS_ALARM = hasattr(signal, "setitimer")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    group = parser.getgroup("ropewalk")
    group.addoption(
        "--ropewalk",
        action="store_true",
        help="run the tests on Ropewalk's threading and queue; a deadlock fails its test",
    )
    group.addoption(
        "--ropewalk-timeout",
        type=float,
        metavar="SECONDS",
        help="with --ropewalk: a test that takes longer fails with who waits for what",
    )
    parser.addini(_TIMEOUT, "as --ropewalk-timeout", default="0")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Install before the first conftest is imported."""
    if early_config.known_args_namespace.ropewalk:
        import ropewalk

        report = ropewalk.install()
        if report.fallback:
            raise pytest.UsageError(f"--ropewalk: {report.fallback}")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", f"{_TIMEOUT}(seconds): with --ropewalk, the test fails if it takes longer"
    )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say that the tests run on Ropewalk."""
    if not config.getoption("ropewalk"):
        return None
    import ropewalk

    return f"ropewalk: {ropewalk.__version__}"


def _limit(item: pytest.Item) -> float:
    marker = item.get_closest_marker(_TIMEOUT)
    if marker is not None and marker.args:
        return float(marker.args[0])
    given = item.config.getoption("ropewalk_timeout")
    return float(item.config.getini(_TIMEOUT) if given is None else given)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Watch a test, its fixtures included."""
    limit = _limit(item) if item.config.getoption("ropewalk") and _HAS_ALARM else 0.0
    if limit <= 0 or threading.current_thread() is not threading.main_thread():
        return (yield)

    def too_late(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"the test took longer than {limit:g} s\n{_who_waits()}", pytrace=False)

    # The detector then knows that this is no handler of the program's, which could help it.
    too_late._ropewalk_watchdog = True  # type: ignore[attr-defined]
    before = signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test in which another thread than its own was told of the deadlock."""
    if not item.config.getoption("ropewalk"):
        return (yield)
    from ropewalk import DeadlockError

    found: list[str] = []
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if isinstance(args.exc_value, DeadlockError):
            found.append(f"DeadlockError: {args.exc_value}")
        else:
            before(args)

    threading.excepthook = hook
    try:
        result: object = yield
    finally:
        if threading.excepthook is hook:
            threading.excepthook = before
    if found:
        pytest.fail("\n".join(found), pytrace=False)
    return result


def _who_waits() -> str:
    """Return who waits for what, with all stacks."""
    from ropewalk import _answers, _ps, _tables, inspect

    frames = sys._current_frames()
    snapshot = inspect.snapshot()
    lines = [_tables.deadlock_line(snapshot, deadlock) for deadlock in snapshot.deadlocks]
    for thread in snapshot.threads:
        stack = _answers.stack(frames.get(thread.ident))
        lines += _ps.thread_lines(snapshot, thread, stack)
    return "\n".join(lines)
