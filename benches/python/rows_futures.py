"""Futures and thread pools."""

from collections.abc import Callable, Iterator
from itertools import chain, count, repeat
from typing import Any

from benches.python.floor import CALLS
from benches.python.kit import FuturesLike, PoolsLike
from benches.python.row import Row, Team, pinned_and_free, statement, threaded
from benches.python.sample import Sample, Watch, total

WORKERS = 4
MANY = 10_000
FEW = 300


def nothing(_argument: object = None) -> None:
    """Be a task."""


def _results(pools: PoolsLike, _: Team, tasks: int) -> Sample:
    with pools.ThreadPoolExecutor(WORKERS) as pool:
        watch = Watch()
        submitted = [pool.submit(nothing) for _turn in repeat(None, tasks)]
        for future in submitted:
            future.result()
        return watch.sample(tasks)


def _map(pools: PoolsLike, _: Team, tasks: int) -> Sample:
    with pools.ThreadPoolExecutor(WORKERS) as pool:
        watch = Watch()
        for _result in pool.map(nothing, range(tasks)):
            pass
        return watch.sample(tasks)


def _round_trips(pools: PoolsLike, _: Team, tasks: int) -> Sample:
    with pools.ThreadPoolExecutor(1) as pool:
        pool.submit(nothing).result()
        watch = Watch()
        for _turn in repeat(None, tasks):
            pool.submit(nothing).result()
        return watch.sample(tasks)


def _as_completed(futures: FuturesLike, _: Team, tasks: int) -> Sample:
    with futures.ThreadPoolExecutor(WORKERS) as pool:
        watch = Watch()
        submitted = [pool.submit(nothing) for _turn in repeat(None, tasks)]
        for _future in futures.as_completed(submitted):
            pass
        return watch.sample(tasks)


def _wait(futures: FuturesLike, _: Team, tasks: int) -> Sample:
    with futures.ThreadPoolExecutor(WORKERS) as pool:
        watch = Watch()
        submitted = [pool.submit(nothing) for _turn in repeat(None, tasks)]
        futures.wait(submitted)
        return watch.sample(tasks)


def _wait_for_the_next(futures: FuturesLike, _: Team, times: int) -> Sample:
    """Wait for whichever is done next, again and again, as programs do that start more."""

    def once() -> Sample:
        with futures.ThreadPoolExecutor(WORKERS) as pool:
            watch = Watch()
            pending = {pool.submit(nothing) for _turn in repeat(None, FEW)}
            while pending:
                _done, pending = futures.wait(pending, return_when="FIRST_COMPLETED")
            return watch.sample(FEW)

    return total([once() for _turn in repeat(None, times)])


def _chain(futures: FuturesLike, _: Team, tasks: int) -> Sample:
    """Have each task submit the next one."""
    end = futures.Future()
    with futures.ThreadPoolExecutor(WORKERS) as pool:

        def step(left: int) -> None:
            if left:
                pool.submit(step, left - 1)
            else:
                end.set_result(None)

        watch = Watch()
        pool.submit(step, tasks - 1)
        end.result()
        return watch.sample(tasks)


def _tree(futures: FuturesLike, _: Team, tasks: int) -> Sample:
    """Have each task submit two, until there are as many as there are to be."""
    end = futures.Future()
    started, ended = count(2), count(1)
    with futures.ThreadPoolExecutor(WORKERS) as pool:

        def node() -> None:
            for _turn in (1, 2):
                if next(started) <= tasks:
                    pool.submit(node)
            if next(ended) == tasks:
                end.set_result(None)

        watch = Watch()
        pool.submit(node)
        end.result()
        return watch.sample(tasks)


def _callbacks(futures: FuturesLike, _: Team, tasks: int) -> Sample:
    called: list[object] = []
    with futures.ThreadPoolExecutor(WORKERS) as pool:
        watch = Watch()
        for _turn in repeat(None, tasks):
            pool.submit(nothing).add_done_callback(called.append)
        pool.shutdown()
        sample = watch.sample(tasks)
    if len(called) != tasks:
        raise RuntimeError(f"{len(called)} of {tasks} callbacks were called")
    return sample


def _whole_life(futures: FuturesLike, _: Team, times: int) -> Sample:
    def once() -> Sample:
        watch = Watch()
        with futures.ThreadPoolExecutor(WORKERS) as pool:
            for _turn in range(4):
                pool.submit(nothing)
        return watch.sample(1)

    return total([once() for _turn in repeat(None, times)])


def _calls(tasks: int) -> Sample:
    """Do what no pool can do without: call the function."""
    watch = Watch()
    for _turn in repeat(None, tasks):
        nothing()
    return watch.sample(tasks)


def _rows() -> Iterator[tuple[Row, ...]]:
    group = "futures"
    rows: list[tuple[str, Callable[..., Sample], float, dict[str, Any]]] = [
        ("submit all, result of all", _results, 8, {}),
        ("Executor.map", _map, 10, {}),
        ("submit().result() round trip", _round_trips, 4, {}),
        (f"as_completed over {MANY:,}", _as_completed, 8, {"size": MANY}),
        (f"wait over {MANY:,}", _wait, 8, {"size": MANY}),
        (f"wait(FIRST_COMPLETED) loop over {FEW}", _wait_for_the_next, 15, {}),
        ("nested submit, chain", _chain, 8, {}),
        ("nested submit, binary tree", _tree, 8, {}),
        ("add_done_callback on each", _callbacks, 8, {}),
        ("executor made, 4 tasks, shut down", _whole_life, 4, {}),
    ]
    for name, body, target, more in rows:
        part = "pools" if body in (_results, _map, _round_trips) else "futures"
        row = Row(name, group, threaded(part, body), target, floor=_calls, **more)
        yield pinned_and_free(row, judged="one")
    yield (
        statement(
            "Future set_result+result",
            "future",
            "it = make(); it.set_result(1); it.result()",
            setup="pass",
            target=20,
            floor=CALLS,
        ),
    )


ROWS = list(chain.from_iterable(_rows()))
