"""A future against a model of it, in whatever order it is used."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ropewalk.concurrent import futures

DONE = {"CANCELLED", "CANCELLED_AND_NOTIFIED", "FINISHED"}


class FutureMachine(RuleBasedStateMachine):
    """The state, the outcome and the callbacks as CPython's documentation has them."""

    @initialize(kind=st.sampled_from(["fast", "hooked"]))
    def make(self, kind: str) -> None:
        if kind == "hooked":
            hooked = type("Hooked", (futures.Future,), {"_invoke_callbacks": hook})
            self.future: Any = hooked()
        else:
            self.future = futures.Future()
        self.state = "PENDING"
        self.outcome: object = None
        self.registered: list[int] = []
        self.called: list[int] = []
        self.number = 0

    def _end(self, state: str) -> None:
        self.state = state
        self.registered.clear()

    @rule()
    def touch(self) -> None:
        assert self.future._waiters == []

    @rule()
    def cancel(self) -> None:
        expected = [*self.called, *self.registered] if self.state == "PENDING" else self.called
        cancels = self.state not in ("RUNNING", "FINISHED")
        assert self.future.cancel() is cancels
        assert self.called == expected
        if self.state == "PENDING":
            self._end("CANCELLED")

    @rule()
    def start(self) -> None:
        if self.state == "PENDING":
            assert self.future.set_running_or_notify_cancel() is True
            self.state = "RUNNING"
        elif self.state == "CANCELLED":
            assert self.future.set_running_or_notify_cancel() is False
            self.state = "CANCELLED_AND_NOTIFIED"
        else:
            with pytest.raises(RuntimeError):
                self.future.set_running_or_notify_cancel()

    @rule(fails=st.booleans(), value=st.integers())
    def finish(self, fails: bool, value: int) -> None:
        outcome: object = ValueError(value) if fails else value
        end = self.future.set_exception if fails else self.future.set_result
        if self.state in DONE:
            with pytest.raises(futures.InvalidStateError, match=f"^{self.state}: "):
                end(outcome)
        else:
            expected = [*self.called, *self.registered]
            end(outcome)
            assert self.called == expected
            self.outcome = outcome
            self._end("FINISHED")

    @rule()
    def add_callback(self) -> None:
        number = self.number = self.number + 1
        self.future.add_done_callback(lambda _: self.called.append(number))
        if self.state in DONE:
            assert self.called[-1] == number
        else:
            self.registered.append(number)

    @rule()
    def wait(self) -> None:
        told = self.state in ("CANCELLED_AND_NOTIFIED", "FINISHED")
        done, not_done = futures.wait([self.future], timeout=0)
        assert (done, not_done) == ((({self.future}, set())) if told else (set(), {self.future}))

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "future"):
            return
        future = self.future
        assert future._state == self.state
        assert future.done() is (self.state in DONE)
        assert future.running() is (self.state == "RUNNING")
        assert future.cancelled() is (self.state in ("CANCELLED", "CANCELLED_AND_NOTIFIED"))
        if self.state == "FINISHED":
            if isinstance(self.outcome, ValueError):
                assert future.exception(0) is self.outcome
                with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared below
                    future.result(0)
                assert caught.value is self.outcome
            else:
                assert future.result(0) == self.outcome
                assert future.exception(0) is None
        else:
            error = futures.CancelledError if self.state in DONE else futures.TimeoutError
            with pytest.raises(error):
                future.result(0)


def hook(future: Any) -> None:  # noqa: ANN401
    """A hook that does what the one that it overrides does."""
    super(type(future), future)._invoke_callbacks()


TestFuture = FutureMachine.TestCase
TestFuture.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
