"""A pool against a model of it: what runs, what can be cancelled, and what comes out."""

from __future__ import annotations

import concurrent.futures as stdlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ropewalk import threading
from ropewalk.concurrent import futures as ours
from tests.futures.kit import LIMIT

if TYPE_CHECKING:
    from types import ModuleType


class Deliberate(Exception):
    """What the tasks raise that are to fail."""


@dataclass(eq=False)
class Job:
    """A task that runs until it is told what comes of it, and what the model says of it."""

    started: Any = field(default_factory=lambda: threading.Semaphore(0))
    go_on: Any = field(default_factory=lambda: threading.Semaphore(0))
    fails: bool = False
    future: Any = None
    state: str = "pending"
    told: list[object] = field(default_factory=list)

    def __call__(self) -> Job:
        self.started.release()
        assert self.go_on.acquire(timeout=LIMIT)
        if self.fails:
            raise Deliberate
        return self


class PoolMachine(RuleBasedStateMachine):
    """First come, first served, by so many threads as there are; each task ends exactly once."""

    futures: ModuleType

    @initialize(threads=st.integers(1, 3))
    def make(self, threads: int) -> None:
        self.pool = self.futures.ThreadPoolExecutor(threads)
        self.threads = threads
        self.jobs: list[Job] = []
        self.is_shut_down = False

    def _in(self, state: str) -> list[Job]:
        return [job for job in self.jobs if job.state == state]

    def _start_next(self) -> None:
        """What the threads do next: see that they do it."""
        free = self.threads - len(self._in("running"))
        for job in self._in("pending")[:free]:
            assert job.started.acquire(timeout=LIMIT), "a free thread does not take a task"
            job.state = "running"

    @rule()
    def submit(self) -> None:
        job = Job()
        if self.is_shut_down:
            with pytest.raises(RuntimeError, match="after shutdown"):
                self.pool.submit(job)
            return
        job.future = self.pool.submit(job)
        job.future.add_done_callback(job.told.append)
        self.jobs.append(job)
        self._start_next()

    @precondition(lambda self: self._in("running"))
    @rule(data=st.data(), fails=st.booleans())
    def finish(self, data: st.DataObject, fails: bool) -> None:
        job = data.draw(st.sampled_from(self._in("running")))
        job.fails = fails
        job.go_on.release()
        if fails:
            with pytest.raises(Deliberate):
                job.future.result(LIMIT)
        else:
            assert job.future.result(LIMIT) is job
        job.state = "finished"
        self._start_next()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.jobs))
        assert job.future.cancel() is (job.state in ("pending", "cancelled"))
        if job.state == "pending":
            job.state = "cancelled"

    @precondition(lambda self: self.jobs)
    @rule()
    def wait_for_none(self) -> None:
        futures = [job.future for job in self.jobs if job.state != "cancelled"]
        done, pending = self.futures.wait(futures, timeout=0)
        assert done == {job.future for job in self._in("finished")}
        assert pending == {job.future for job in self._in("pending") + self._in("running")}

    @rule(cancel=st.booleans())
    def shutdown(self, cancel: bool) -> None:
        self.pool.shutdown(wait=False, cancel_futures=cancel)
        self.is_shut_down = True
        if cancel:
            for job in self._in("pending"):
                job.state = "cancelled"

    @invariant()
    def each_is_as_the_model_says(self) -> None:
        for job in getattr(self, "jobs", ()):
            is_cancelled = job.state == "cancelled"
            assert job.future.cancelled() is is_cancelled
            assert job.future.running() is (job.state == "running")
            assert job.future.done() is (is_cancelled or job.state == "finished")

    def teardown(self) -> None:
        for job in getattr(self, "jobs", ()):
            # Also those that have not begun: the threads do them now.
            job.go_on.release()
        if hasattr(self, "pool"):
            self.pool.shutdown()
            for job in self.jobs:
                assert job.future.done()
                assert job.told == [job.future], "it ends once"
            assert not any(thread.is_alive() for thread in self.pool._threads)


MACHINES: dict[str, Any] = {
    name: type(f"{name}Machine", (PoolMachine,), {"futures": package})
    for name, package in (("Stdlib", stdlib), ("Ropewalk", ours))
}


@pytest.mark.parametrize("name", MACHINES)
def test_a_pool_does_as_its_model(name: str) -> None:
    case = MACHINES[name].TestCase
    case.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
    case("runTest").runTest()
