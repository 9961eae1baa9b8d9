"""The pytest plugin: `pytest --ropewalk` runs the tests on Ropewalk.

A deadlock is then an exception in the test that has it. A test that takes longer than
`--ropewalk-timeout` fails, and the failure says who waits for what, with all stacks; the tests
after it run.
"""

from __future__ import annotations

import linecache
import math
import signal
import sys
import threading

import pytest

from ropewalk._pytest_alarm import Alarm, is_pytest_timeouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

_TIMEOUT = "ropewalk_timeout"
_HAS_ALARM = hasattr(signal, "setitimer")
# The seconds that a test may still take.
_LEFT = pytest.StashKey[float]()
# The failure that deadlocks of other threads are, for the report of a piece that fails by itself.
_DEADLOCK = pytest.StashKey[BaseException]()


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
    """Make the marker known, and refuse a limit that nobody would watch."""
    if config.getoption(_TIMEOUT) is not None and not config.getoption("ropewalk"):
        raise pytest.UsageError("--ropewalk-timeout does nothing without --ropewalk")
    config.addinivalue_line(
        "markers", f"{_TIMEOUT}(seconds): with --ropewalk, the test fails if it takes longer"
    )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say that the tests run on Ropewalk."""
    if not config.getoption("ropewalk"):
        return None
    import ropewalk

    return f"ropewalk: {ropewalk.__version__}"


def _seconds(given: object, where: str) -> float:
    """Return a time limit; 0 for none."""
    try:
        seconds = -1.0 if isinstance(given, bool) else float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise pytest.UsageError(
            f"{where} wants a number of seconds (0 for no limit), not {given!r}"
        )
    return seconds


def _limit(item: pytest.Item) -> float:
    marker = item.get_closest_marker(_TIMEOUT)
    if marker is not None:
        where = f"{item.nodeid}: the marker {_TIMEOUT}"
        given = [*marker.args, *marker.kwargs.values()]
        if len(given) != 1 or set(marker.kwargs) - {"seconds"}:
            raise pytest.UsageError(f"{where} is {_TIMEOUT}(seconds)")
        return _seconds(given[0], where)
    option = item.config.getoption(_TIMEOUT)
    if option is not None:
        return _seconds(option, "--ropewalk-timeout")
    return _seconds(item.config.getini(_TIMEOUT), f"{_TIMEOUT} of the configuration")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse time limits that are none before the first test runs."""
    if config.getoption("ropewalk"):
        for item in items:
            _limit(item)


def _can_have_alarm() -> bool:
    """Whether it is the main thread, and no handler is set that Python could not restore."""
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and signal.getsignal(signal.SIGALRM) is not None


class _Deadlocks:
    """The hook of threads that end with an exception, while a piece of a test runs.

    It may come back later, as the test has found it there and restores it. So what it does depends
    on the piece that runs then, if one does, and not on its own.
    """

    # That of the piece that runs.
    _now: _Deadlocks | None = None

    def __enter__(self) -> _Deadlocks:
        self.told: list[str] = []
        self._is_over = False
        self._before = threading.excepthook
        self._outer, _Deadlocks._now = _Deadlocks._now, self
        threading.excepthook = self
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        _Deadlocks._now = self._outer
        hook = threading.excepthook
        # What the test itself has put there stays.
        while isinstance(hook, _Deadlocks) and hook._is_over:
            hook = hook._before
        threading.excepthook = hook

    def __call__(self, args: threading.ExceptHookArgs) -> None:
        from ropewalk import DeadlockError

        now = _Deadlocks._now
        if now is not None and isinstance(args.exc_value, DeadlockError):
            now.told.append(f"DeadlockError: {args.exc_value}")
        else:
            self._before(args)


def _watched(item: pytest.Item) -> Generator[None, object, object]:
    """Run a piece of a test, and fail it if another thread than its own has a deadlock."""
    if not item.config.getoption("ropewalk"):
        return (yield)
    failure = None
    with _Deadlocks() as deadlocks:
        try:
            result = yield from _timed(item)
        except KeyboardInterrupt as error:
            # There is no report of it.
            for told in deadlocks.told:
                error.add_note(told)
            raise
        finally:
            if deadlocks.told:
                failure = pytest.fail.Exception("\n".join(deadlocks.told), pytrace=False)
                item.stash[_DEADLOCK] = failure
    if failure:
        raise failure
    return result


def _timed(item: pytest.Item) -> Generator[None, object, object]:
    """Run a piece of a test with what is left of its time."""
    if not (_HAS_ALARM and _can_have_alarm()):
        return (yield)
    limit = _limit(item)
    if limit == 0 and not is_pytest_timeouts(signal.getsignal(signal.SIGALRM)):
        return (yield)
    alarm = Alarm(limit, item.stash[_LEFT] if limit else math.inf, _who_waits)
    try:
        with alarm:
            result: object = yield
    finally:
        item.stash[_LEFT] = alarm.left
    if alarm.failure:
        # The test has caught the exception.
        pytest.fail(alarm.failure, pytrace=False)
    return result


# The innermost ones: nothing of pytest's own or of other plugins' is ended by the alarm then, and
# that of pytest-timeout is set already.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Watch the setup."""
    if item.config.getoption("ropewalk"):
        item.stash[_LEFT] = _limit(item)
    return (yield from _watched(item))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Watch a test."""
    return (yield from _watched(item))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Watch the teardown."""
    return (yield from _watched(item))


# The innermost one: what a skip has hidden is a failure before anybody asks if one is expected.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show a deadlock of another thread with what the test ended with by itself."""
    report = yield
    failure = item.stash.get(_DEADLOCK, None)
    if failure is None:
        return report
    del item.stash[_DEADLOCK]
    if call.excinfo is None or call.excinfo.value is failure:
        return report
    if report.skipped:
        call.excinfo = pytest.CallInfo.from_call(lambda: _raise(failure), call.when).excinfo
        return pytest.TestReport.from_item_and_call(item, call)
    section = ("a deadlock of other threads", str(failure))
    add = getattr(report.longrepr, "addsection", None)
    if add is not None:
        # It is shown with --show-capture=no as well.
        add(*section)
    else:
        report.sections.append(section)
    return report


def _raise(error: BaseException) -> None:
    raise error


def _who_waits() -> str:
    """Return who waits for what, with all stacks."""
    from ropewalk import _answers, _ps, _tables, inspect

    found = {
        ident: _answers.stack(frame, linecache.getline)
        for ident, frame in sys._current_frames().items()
    }
    snapshot = inspect.snapshot()
    lines = [_tables.deadlock_line(snapshot, deadlock) for deadlock in snapshot.deadlocks]
    for thread in _ps.with_strangers(snapshot, found):
        lines += _ps.thread_lines(snapshot, thread, found.get(thread.ident))
    return "\n".join(lines)
