"""`ropewalk.futures`: bounds, limits, priorities, names, cancellation and progress."""

from __future__ import annotations

import queue
import sys
import time
import types
from typing import TYPE_CHECKING, Any

import pytest

from ropewalk import futures
from ropewalk.concurrent import futures as drop_in
from tests.futures.kit import LIMIT, Gate, Started, until

if TYPE_CHECKING:
    from collections.abc import Iterator


def asks() -> str:
    """A task that runs until it is to end."""
    until(futures.current_task().cancelled, "cancelled")
    return "asked"


def held(pool: futures.ThreadPoolExecutor) -> Gate:
    """Keep the pool's only thread busy until the gate is opened."""
    gate = Gate()
    pool.submit(gate)
    assert gate.entered.acquire(timeout=LIMIT)
    return gate


def test_it_is_a_thread_pool() -> None:
    with futures.ThreadPoolExecutor(2) as pool:
        assert isinstance(pool, drop_in.ThreadPoolExecutor)
        future = pool.submit(pow, 2, exp=3)
        assert isinstance(future, drop_in.Future)
        assert future.result() == 8
        assert list(pool.map(abs, [-1, -2])) == [1, 2]
        assert set(futures.as_completed([future])) == {future}
        assert futures.wait([future]).done == {future}


def test_a_full_queue_raises() -> None:
    with futures.ThreadPoolExecutor(1, max_pending=2, on_full="raise") as pool:
        gate = held(pool)
        waiting = [pool.submit(abs, -number) for number in range(2)]
        with pytest.raises(queue.Full):
            pool.submit(abs, 1)
        gate.open()
        assert [future.result(LIMIT) for future in waiting] == [0, 1]
        assert pool.submit(abs, -5).result(LIMIT) == 5


def test_a_full_queue_blocks() -> None:
    with futures.ThreadPoolExecutor(1, max_pending=1) as pool:
        gate = held(pool)
        pool.submit(abs, 1)
        submitting = Started(lambda: pool.submit(abs, -7)).until_blocked()
        gate.open()
        future: Any = submitting.result()
        assert future.result(LIMIT) == 7


def test_a_shutdown_ends_a_wait_for_a_place() -> None:
    pool = futures.ThreadPoolExecutor(1, max_pending=1)
    gate = held(pool)
    pool.submit(abs, 1)
    submitting = Started(lambda: pool.submit(abs, 1)).until_blocked()
    pool.shutdown(wait=False)
    with pytest.raises(RuntimeError, match=r"^cannot schedule new futures after shutdown$"):
        submitting.result()
    gate.open()
    pool.shutdown()


def test_higher_priorities_come_first() -> None:
    order: list[int] = []
    with futures.ThreadPoolExecutor(1) as pool:
        gate = held(pool)
        for priority in (0, -1, 5, 1, 0):
            pool.with_options(priority=priority).submit(order.append, priority)
        gate.open()
    assert order == [5, 1, 0, 0, -1]


def test_a_task_knows_itself() -> None:
    def look() -> tuple[str, bool, float | None]:
        task = futures.current_task()
        assert task.name in repr(task)
        return task.name, task.cancelled(), task.deadline

    with futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(look).result() == (look.__qualname__, False, None)
        name, _, deadline = pool.with_options(name="mine", timeout=50).submit(look).result()
        assert name == "mine"
        assert deadline is not None
        assert 0 < deadline - time.monotonic() < 50
    with pytest.raises(RuntimeError, match=r"^no task of ropewalk.futures runs in this thread$"):
        futures.current_task()


def test_a_running_task_is_asked_to_end() -> None:
    with futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(asks)
        until(future.running, "running")
        assert future.cancel() is False
        assert future.result(LIMIT) == "asked"
        assert not future.cancelled()

        def stops() -> None:
            task = futures.current_task()
            task.raise_if_cancelled()
            task.request_cancel()
            task.raise_if_cancelled()

        with pytest.raises(futures.CancelledError):
            pool.submit(stops).result(LIMIT)


def test_a_task_that_has_not_begun_is_cancelled() -> None:
    with futures.ThreadPoolExecutor(1) as pool:
        gate = held(pool)
        future = pool.submit(abs, 1)
        assert future.cancel() is True
        assert future.cancelled()
        gate.open()


def test_the_time_of_a_task() -> None:
    seen: list[str] = []

    def runs() -> None:
        seen.append(asks())

    with futures.ThreadPoolExecutor(1, timeout=0.05) as pool:
        future = pool.submit(runs)
        with pytest.raises(TimeoutError, match=r"^task '.*runs' ran for longer than 0.05 s$"):
            future.result(LIMIT)
        # The thread is free once the function has returned.
        assert pool.with_options(timeout=LIMIT).submit(abs, -3).result(LIMIT) == 3
        assert seen == ["asked"]
        assert pool.submit(abs, -2).result(LIMIT) == 2


def test_arguments_that_make_no_pool() -> None:
    for wrong in (
        {"max_pending": 0},
        {"on_full": "explode"},
        {"exit_policy": "never"},
        {"timeout": 0},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            futures.ThreadPoolExecutor(1, **wrong)

    class Hooked(futures.ThreadPoolExecutor):
        def _adjust_thread_count(self) -> None:
            raise AssertionError

    with pytest.raises(TypeError, match="overrides a private method"):
        Hooked(1)


# Progress


class Terminal:
    """A standard error that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


@pytest.mark.parametrize("library", ["tqdm", "rich", "none"])
def test_progress_is_drawn_on_a_terminal(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[object] = []

    def draw(items: Iterator[object], total: int, **options: object) -> Iterator[object]:
        drawn.append((total, sorted(options)))
        return items

    fakes = {
        "tqdm": types.SimpleNamespace(tqdm=draw) if library == "tqdm" else None,
        "rich": None,
        "rich.console": types.SimpleNamespace(Console=lambda stderr: stderr),
        "rich.progress": types.SimpleNamespace(track=draw),
    }
    if library != "rich":
        fakes["rich.console"] = fakes["rich.progress"] = None
    else:
        fakes["rich"] = types.SimpleNamespace()
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, name, fake)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with futures.ThreadPoolExecutor(2) as pool:
        assert list(pool.map(abs, iter([-1, -2, -3]), progress=True)) == [1, 2, 3]
        all_of_them = [pool.submit(abs, 1) for _ in range(2)]
        assert set(futures.as_completed(all_of_them, progress=True)) == set(all_of_them)
    options = {"tqdm": [], "rich": ["console"]}
    expected = [(3, options[library]), (2, options[library])] if library != "none" else []
    assert drawn == expected


def test_progress_is_not_drawn_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with futures.ThreadPoolExecutor(2) as pool:
        assert list(pool.map(abs, [-1], progress=True)) == [1]
