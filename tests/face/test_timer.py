"""`Timer`: the stdlib's and ours as twins, and what only the timer wheel can get wrong."""

# ruff: noqa: ANN401 - the twins are modules and have no types
from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading as stdlib
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from ropewalk import threading as ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, ModuleType

LIMIT = 30.0
# Long enough never to be due while a test runs.
NEVER = 3_600.0


@contextlib.contextmanager
def pending(threading: ModuleType, **options: Any) -> Iterator[Any]:
    """A started timer that is not due, cancelled at the end."""
    timer = threading.Timer(NEVER, print, **options)
    timer.start()
    try:
        yield timer
    finally:
        timer.cancel()
        timer.join(LIMIT)
        assert not timer.is_alive()


def test_calls_once_with_arguments(threading: ModuleType) -> None:
    got: list[object] = []
    started = time.monotonic()
    timer = threading.Timer(0.02, lambda *a, **k: got.append((a, k)), [1], {"x": 2})
    timer.start()
    timer.join(LIMIT)
    assert time.monotonic() - started >= 0.02
    assert got == [((1,), {"x": 2})]
    assert timer.finished.is_set()
    assert not timer.is_alive()
    assert timer not in threading.enumerate()
    with pytest.raises(RuntimeError, match=r"^threads can only be started once$"):
        timer.start()


def test_inside_the_function_it_is_the_current_thread(threading: ModuleType) -> None:
    got: list[Any] = []

    def work() -> None:
        me = threading.current_thread()
        got.extend([me, me.ident == threading.get_ident(), me.is_alive()])
        got.append(me.native_id == threading.get_native_id())
        got.append(me in threading.enumerate())
        got.append(threading._active[threading.get_ident()] is me)
        try:
            me.join()
        except RuntimeError as error:
            got.append(str(error))

    timer = threading.Timer(0, work)
    timer.start()
    timer.join(LIMIT)
    assert got == [timer, True, True, True, True, True, "cannot join current thread"]


def test_cancelled_before_it_is_due(threading: ModuleType) -> None:
    called: list[int] = []
    timer = threading.Timer(NEVER, called.append, [1])
    timer.start()
    assert timer.is_alive()
    timer.cancel()
    timer.join(LIMIT)
    assert not timer.is_alive()
    assert timer.finished.is_set()
    assert not called
    timer.cancel()


@pytest.mark.parametrize("how", ["cancel", "finished"])
def test_ended_before_it_is_started(threading: ModuleType, how: str) -> None:
    called: list[int] = []
    timer = threading.Timer(0.01, called.append, [1])
    timer.cancel() if how == "cancel" else timer.finished.set()
    timer.start()
    timer.join(LIMIT)
    assert not timer.is_alive()
    assert not called


def test_finished_set_by_hand_ends_it(threading: ModuleType) -> None:
    timer = threading.Timer(NEVER, print)
    timer.start()
    timer.finished.set()
    timer.join(LIMIT)
    assert not timer.is_alive()


def test_while_it_waits_it_is_a_live_thread(threading: ModuleType) -> None:
    for other in threading.enumerate():
        # Of an earlier test, and about to end.
        mine = other is threading.current_thread()
        if not (mine or isinstance(other, threading._DummyThread)):
            other.join(1.0)
    before = threading.active_count()
    with pending(threading) as timer:
        assert timer.is_alive()
        assert timer in threading.enumerate()
        assert threading.active_count() == before + 1
        timer.join(0)
        assert timer.is_alive()
        with pytest.raises(RuntimeError, match=r"^cannot set daemon status of active thread$"):
            timer.daemon = True
    assert threading.active_count() == before


def test_who_asks_for_its_ident_gets_one(threading: ModuleType) -> None:
    with pending(threading) as timer:
        ident = timer.ident
        assert isinstance(ident, int)
        assert threading._active[ident] is timer
        assert ident in sys._current_frames()
        assert timer.native_id not in (None, threading.get_native_id())
        assert repr(timer) == f"<Timer({timer.name}, started {ident})>"


def test_asked_for_its_ident_it_still_fires_in_time(threading: ModuleType) -> None:
    got: list[float] = []
    started = time.monotonic()
    timer = threading.Timer(0.05, lambda: got.append(time.monotonic() - started))
    timer.start()
    assert timer.ident is not None
    timer.join(LIMIT)
    assert len(got) == 1
    assert got[0] >= 0.05


def test_join_goes_on_when_the_timer_becomes_a_thread() -> None:
    import ropewalk

    with pending(ours) as timer:
        left: list[bool] = []

        def join() -> None:
            timer.join()
            left.append(timer.is_alive())

        joining = ours.Thread(target=join)
        joining.start()
        deadline = time.monotonic() + LIMIT
        while joining.ident not in ropewalk.blocked_threads():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert timer.ident is not None
        assert timer.is_alive()
        assert not left
        timer.cancel()
        joining.join(LIMIT)
        assert left == [False]


def test_attributes_are_read_when_they_are_needed(threading: ModuleType) -> None:
    """A function changed after the start is the one that is called."""
    got: list[str] = []
    timer = threading.Timer(0.5, got.append, ["old"])
    timer.start()
    timer.function = lambda *words: got.extend(word.upper() for word in words)
    timer.args = ["new"]
    timer.join(LIMIT)
    assert got == ["NEW"]


def test_repeating_timer_by_subclass(threading: ModuleType) -> None:
    """The recipe that everybody has: a subclass with its own run()."""
    ticks: list[Any] = []

    class Repeat(threading.Timer):  # type: ignore[name-defined, misc]
        def run(self) -> None:
            while not self.finished.wait(self.interval):
                self.function(*self.args, **self.kwargs)

    def tick() -> None:
        ticks.append(threading.current_thread())
        if len(ticks) == 3:
            timer.cancel()

    timer = Repeat(0.005, tick)
    timer.start()
    timer.join(LIMIT)
    assert ticks == [timer] * 3


def test_run_overridden_on_the_instance(threading: ModuleType) -> None:
    ran: list[str] = []
    other = threading.Timer(0, ran.append, ["the other's"])
    for run in (lambda: ran.append("its own"), other.run):
        timer = threading.Timer(60, ran.append, ["the function"])
        timer.run = run
        timer.start()
        timer.join()
    assert ran == ["its own", "the other's"]


def test_who_replaces_start_sees_timers(
    threading: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    own_start = threading.Thread.start

    def start(thread: object) -> None:
        started.append(thread)
        own_start(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    timer = threading.Timer(0.001, int)
    timer.start()
    timer.join(LIMIT)
    assert not timer.is_alive()
    assert started == [timer]


def test_run_called_by_hand(threading: ModuleType) -> None:
    called: list[int] = []
    threading.Timer(0.01, called.append, [1]).run()
    assert called == [1]


def test_error_in_the_function_goes_to_the_hook(
    threading: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda it: got.append((it.exc_type, it.thread)))
    timer = threading.Timer(0, lambda: 1 / 0)
    timer.start()
    timer.join(LIMIT)
    assert got == [(ZeroDivisionError, timer)]
    assert not timer.is_alive()


@pytest.mark.parametrize("interval", ["soon", None])
def test_wrong_interval_is_an_error_of_the_thread(
    threading: ModuleType, interval: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda it: got.append(it.exc_type))
    timer = threading.Timer(interval, print)
    timer.start()
    if interval is None:
        # Waits for ever, as `Event.wait(None)` does.
        timer.cancel()
    timer.join(LIMIT)
    assert not timer.is_alive()
    assert got == ([] if interval is None else [TypeError])


def test_negative_interval_is_due_at_once(threading: ModuleType) -> None:
    called: list[int] = []
    timer = threading.Timer(-1, called.append, [1])
    timer.start()
    timer.join(LIMIT)
    assert called == [1]


def test_each_call_has_its_own_thread_local_data(threading: ModuleType) -> None:
    local = threading.local()
    found: list[bool] = []

    def work() -> None:
        found.append(hasattr(local, "mark"))
        local.mark = True

    for _ in range(5):
        timer = threading.Timer(0, work)
        timer.start()
        timer.join(LIMIT)
    assert found == [False] * 5


def test_functions_that_block_do_not_delay_others(threading: ModuleType) -> None:
    """Each is a thread of its own to the user: all of them wait for each other here."""
    barrier = threading.Barrier(12)
    timers = [threading.Timer(0.001 * n, barrier.wait, [LIMIT]) for n in range(12)]
    for timer in timers:
        timer.start()
    for timer in timers:
        timer.join(LIMIT)
    assert not barrier.broken
    assert not any(timer.is_alive() for timer in timers)


def test_order_of_many(threading: ModuleType) -> None:
    """Due moments far enough apart come in their order, whatever the order of the starts."""
    got: list[int] = []
    # How far that is depends on what else the machine has to do.
    for apart in (0.02, 0.1, 0.5, 2.0):
        got.clear()
        timers = [threading.Timer(apart * n, got.append, [n]) for n in (5, 1, 4, 2, 3)]
        for timer in timers:
            timer.start()
        for timer in timers:
            timer.join(LIMIT)
        if got == sorted(got):
            break
    assert got == [1, 2, 3, 4, 5]


def test_a_thousand_have_no_threads() -> None:
    import _thread

    before = _thread._count()
    timers = [ours.Timer(NEVER, print) for _ in range(1_000)]
    for timer in timers:
        timer.start()
    try:
        assert _thread._count() == before
        assert ours.active_count() >= 1_000
        assert stdlib.active_count() < 100
    finally:
        for timer in timers:
            timer.cancel()
    for timer in timers:
        timer.join(LIMIT)
    assert not any(timer.is_alive() for timer in timers)
    assert not set(timers) & set(ours._limbo)


def _while_timers_are_started_without_a_pause(work: Callable[[], object]) -> int:
    """Does the work while two threads compute and a third starts timers as fast as it can.

    Returns how many threads there were at most when a timer ran.
    """
    over = False
    most = 0

    def compute() -> None:
        while not over:
            pass

    def count() -> None:
        nonlocal most
        most = max(most, len(os.listdir("/proc/self/task")))

    def start() -> None:
        while not over:
            ours.Timer(0.0005, count).start()

    threads = [ours.Thread(target=each, daemon=True) for each in (compute, compute, start)]
    try:
        for thread in threads:
            thread.start()
        work()
    finally:
        over = True
        for thread in threads:
            thread.join(LIMIT)
    return most


@pytest.mark.skipif(sys.platform != "linux", reason="counts the threads in /proc")
def test_started_faster_than_they_can_run_they_do_not_become_more_and_more() -> None:
    before = len(os.listdir("/proc/self/task"))

    def work() -> None:
        for _turn in range(20):
            thread = ours.Thread(target=int)
            thread.start()
            thread.join(LIMIT)
            assert not thread.is_alive()

    # The stdlib's are a few as well: who starts a timer waits until its thread runs.
    assert _while_timers_are_started_without_a_pause(work) < before + 30


def test_a_function_that_raises_or_a_destructor_that_blocks_delays_no_others() -> None:
    go_on = ours.Event()
    ended: list[object] = []

    class Blocks:
        def __del__(self) -> None:
            ended.append(go_on.wait(LIMIT))

    def hook(args: object) -> None:
        ended.append(go_on.wait(LIMIT))

    def fail(_argument: object) -> None:
        raise OSError

    old_hook, ours.excepthook = ours.excepthook, hook
    try:
        ours.Timer(0.0, fail, [None]).start()
        # Its arguments, and what they refer to, go with it, in its thread.
        ours.Timer(0.2, print, [Blocks()], {"end": ""}).start()
        other = ours.Timer(0.3, go_on.set)
        other.start()
        other.join(LIMIT)
        assert go_on.is_set()
        deadline = time.monotonic() + LIMIT
        while len(ended) < 2 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert ended == [True, True]
    finally:
        ours.excepthook = old_hook


def test_tracers_see_what_was_started_after_them(threading: ModuleType) -> None:
    seen: list[str] = []

    def trace(frame: FrameType, _event: str, _arg: object) -> None:
        seen.append(frame.f_code.co_name)

    def the_function() -> None:
        pass

    threading.settrace(trace)
    try:
        timer = threading.Timer(0.02, the_function)
        timer.start()
    finally:
        threading.settrace(None)
    timer.join(LIMIT)
    assert "the_function" in seen


def test_hooks_are_called(threading: ModuleType) -> None:
    names: list[str] = []
    threading.setprofile(lambda frame, *_: names.append(frame.f_code.co_name))
    try:
        timer = threading.Timer(0, lambda: None)
        timer.start()
        timer.join(LIMIT)
    finally:
        threading.setprofile(None)
    assert "<lambda>" in names
    after = len(names)
    timer = threading.Timer(0, lambda: None)
    timer.start()
    timer.join(LIMIT)
    assert len(names) == after


@pytest.mark.parametrize("end", ["due", "cancelled", "never started"])
def test_collected_when_over(threading: ModuleType, end: str) -> None:
    class Argument: ...

    argument = Argument()
    timer = threading.Timer(0 if end == "due" else NEVER, id, [argument])
    if end != "never started":
        timer.start()
    if end == "cancelled":
        timer.cancel()
    if end != "never started":
        timer.join(LIMIT)
    gone = [weakref.ref(timer), weakref.ref(argument)]
    del timer, argument
    deadline = time.monotonic() + LIMIT
    while any(it() is not None for it in gone):
        # The thread that ran it may still be on its way out.
        assert time.monotonic() < deadline
        gc.collect()
        time.sleep(0.001)


def test_cancel_against_due() -> None:
    """However close they come, the function is called once or not at all, and join ends."""
    for n in range(300):
        called: list[int] = []
        timer = ours.Timer(0.0002 * (n % 5), called.append, [1])
        timer.start()
        time.sleep(0.0001 * (n % 9))
        timer.cancel()
        timer.join(LIMIT)
        assert not timer.is_alive()
        assert len(called) <= 1
