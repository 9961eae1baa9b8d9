"""Barriers whose parts are attributes, as those of `multiprocessing`: the stdlib's and ours."""

# ruff: noqa: ANN401 - the twins are modules and have no types
from __future__ import annotations

import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from tests.face.programs import LIMIT, environment

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def made_of_parts(threading: Any, parties: int, action: Any = None, timeout: Any = None) -> Any:
    class Barrier(threading.Barrier):  # type: ignore[misc]
        def __init__(self) -> None:
            self._parties, self._action, self._timeout = parties, action, timeout
            self._cond = threading.Condition()
            self._state = self._count = 0

    return Barrier()


def test_all_meet_again_and_again(threading: ModuleType) -> None:
    acted: list[int] = []
    barrier: Any = made_of_parts(threading, 3, lambda: acted.append(barrier.n_waiting))
    places: list[list[int]] = [[], [], []]

    def work(mine: list[int]) -> None:
        mine.extend(barrier.wait(LIMIT) for _ in range(50))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert all(sorted(turn) == [0, 1, 2] for turn in zip(*places, strict=True))
    assert len(acted) == 50
    assert barrier.parties == 3
    assert barrier.n_waiting == 0
    assert not barrier.broken
    assert "waiters=0/3" in repr(barrier)


def test_one_that_waits_too_long_breaks_it(threading: ModuleType) -> None:
    barrier = made_of_parts(threading, 2, timeout=0.01)
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()
    assert barrier.broken
    assert "broken" in repr(barrier)
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait(LIMIT)
    barrier.reset()
    assert not barrier.broken


@pytest.mark.parametrize("how", ["abort", "reset"])
def test_who_waits_is_told(threading: ModuleType, how: str) -> None:
    barrier = made_of_parts(threading, 2)
    told: list[str] = []

    def work() -> None:
        try:
            barrier.wait(LIMIT)
        except threading.BrokenBarrierError:
            told.append(how)

    thread = threading.Thread(target=work)
    thread.start()
    while not barrier.n_waiting:
        pass
    getattr(barrier, how)()
    thread.join(LIMIT)
    assert told == [how]
    assert barrier.broken is (how == "abort")


def test_an_action_that_raises_breaks_it(threading: ModuleType) -> None:
    barrier = made_of_parts(threading, 1, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        barrier.wait()
    assert barrier.broken


def test_without_parts_it_says_what_is_missing(threading: ModuleType) -> None:
    class Barrier(threading.Barrier):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            pass

    with pytest.raises(AttributeError, match="has no attribute '_timeout'"):
        Barrier().wait()
    with pytest.raises(AttributeError, match="has no attribute '_parties'"):
        _ = Barrier().parties


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_meet(tmp_path: Path, method: str) -> None:
    program = f"""
    import multiprocessing, threading
    def work(barrier, places):
        for _ in range(3):
            places.put(barrier.wait())
        try:
            barrier.wait()
        except threading.BrokenBarrierError:
            places.put("broken")
    if __name__ == "__main__":
        context = multiprocessing.get_context({method!r})
        barrier = context.Barrier(2, timeout={LIMIT})
        places = context.Queue()
        process = context.Process(target=work, args=(barrier, places))
        process.start()
        for _ in range(3):
            assert barrier.wait() + places.get(timeout={LIMIT}) == 1
        barrier.abort()
        assert places.get(timeout={LIMIT}) == "broken"
        process.join()
        barrier.reset()
        print(barrier.broken, barrier.n_waiting, barrier.parties, process.exitcode)
    """
    path = tmp_path / "program.py"
    path.write_text(dedent(program))
    done = subprocess.run(
        [sys.executable, "-m", "ropewalk", "run", path],
        capture_output=True,
        text=True,
        timeout=2 * LIMIT,
        check=False,
        env=environment(),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "False 0 2 0\n", "")


class Untrue:
    def __bool__(self) -> bool:
        return False

    def __call__(self) -> None:
        raise AssertionError


@pytest.mark.parametrize("action", [None, 0, False, [], (), Untrue()], ids=repr)
def test_an_action_that_is_not_true_is_none(threading: ModuleType, action: Any) -> None:
    assert threading.Barrier(1, action).wait() == 0
