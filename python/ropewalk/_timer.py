"""`threading.Timer` on the timer wheel: no thread exists for it until it is due.

To the user it is the Thread that it always was. Between `start()` and the due moment it stands
in `_limbo`, so that `enumerate()` lists it; **whoever takes it out of there decides what becomes
of it**: the wheel (it runs), `cancel()` (it has ended), or `ident`, `native_id` and `repr()`,
which only a real thread can answer: then it becomes one and waits for the rest of its time.

A timer whose class overrides what the thread would have done is a real thread from the start.
"""

from __future__ import annotations

from _weakref import ref as _ref
from time import monotonic as _now

import ropewalk.threading as _threading
from ropewalk import _excepthook
from ropewalk._ropewalk import Event, TimerHandle
from ropewalk._thread_class import Thread, _inherits_context
from ropewalk._unannotated import unannotated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

__name__ = "threading"

# A due moment that is over.
_NOW = 0.0

# When the timers on the wheel are so late, in seconds, who starts another one waits for its
# thread, as the stdlib does: timers that are started faster than they can run would become more
# and more.
_LATE = 0.1

_start_thread = Thread.start


class _Finished(Event):
    """A timer's `finished`: setting it by hand ends the timer as `cancel()` does."""

    # A place for the timer that needs no dict.
    __slots__ = ("timer",)

    timer: _ref[Timer] | None

    def set(self) -> None:
        # Not super(), which costs more than the rest.
        Event.set(self)
        timer = None if self.timer is None else self.timer()
        if timer is not None:
            timer._ropewalk_leave_the_wheel()


class Timer(Thread):
    """Calls a function after a number of seconds, unless cancelled before::

    t = Timer(30.0, function, args=None, kwargs=None)
    t.start()
    t.cancel()
    """

    def __init__(
        self,
        interval: float,
        function: Callable[..., object],
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Make a timer that has not been started.

        Args:
            interval: seconds from `start()` to the call.
            function: what is called then.
            args: its positional arguments.
            kwargs: its keyword arguments.
        """
        Thread.__init__(self)
        self.interval = interval
        self.function = function
        self.args = args if args is not None else []
        self.kwargs = kwargs if kwargs is not None else {}
        self.finished: Event
        self.finished = finished = _Finished()
        finished.timer = None
        self._ropewalk_wheel: TimerHandle | None = None
        self._ropewalk_due_at: float | None = None

    def cancel(self) -> None:
        """Stop the timer if its function has not been called yet."""
        self.finished.set()

    def run(self) -> None:
        """Wait for the interval and call the function, unless `finished` is set by then."""
        if self._ropewalk_due_at is None:
            self.finished.wait(self.interval)
        else:
            # In a thread that goes on where the wheel was left, or that the wheel calls.
            rest = self._ropewalk_due_at - _now()
            if rest > 0:
                self.finished.wait(rest)
        if not self.finished.is_set():
            wheel = self._ropewalk_wheel
            if wheel is None:
                self.function(*self.args, **self.kwargs)
            else:
                # After an exception the hook is called, which may take long as well.
                wheel.set_busy(True)
                self.function(*self.args, **self.kwargs)
                wheel.set_busy(False)
        self.finished.set()

    # On the wheel

    def _ropewalk_fits_the_wheel(self) -> bool:
        kind = type(self)
        # Who replaces it wants to see all threads that start.
        if Thread.start is not _start_thread:
            return False
        if kind is not Timer and not (
            kind._bootstrap is Thread._bootstrap
            and kind._bootstrap_inner is Thread._bootstrap_inner
        ):
            return False
        # An instance may override `run` as well. (A look at its `__dict__` would make one, and all
        # that comes afterwards slower.)
        run: Any = self.run
        try:
            if run.__func__ is not Timer.run or run.__self__ is not self:
                return False
        except AttributeError:
            return False
        finished, interval = self.finished, self.interval
        return (
            # What an exit function starts is waited for as a thread, or not at all.
            not _threading._SHUTTING_DOWN
            and type(finished) is _Finished
            and not finished.is_set()
            and (type(interval) is float or type(interval) is int)
            and 0 <= interval <= _threading.TIMEOUT_MAX
            # Tracers see the threads that were started after them.
            and not _threading._trace_hook
            and not _threading._profile_hook
            and TimerHandle.lateness() < _LATE
        )

    def start(self) -> None:
        """Start the timer, once.

        Raises:
            RuntimeError: started before, or the system cannot start another thread.
        """
        if not self._initialized or not self._ropewalk_fits_the_wheel():
            super().start()
            return
        wheel = TimerHandle(self.interval, self._ropewalk_on_due, _ref(self))
        with _threading._active_limbo_lock:
            self._ropewalk_enter_limbo()
            self._ropewalk_wheel = wheel
            self._ropewalk_due_at = _now() + self.interval
        if _inherits_context:
            self._ropewalk_inherit_context()
        finished: Any = self.finished
        finished.timer = _ref(self)
        try:
            self._ropewalk_put_on_the_wheel(wheel)
        finally:
            if wheel.is_started():
                self._started.set()

    def _ropewalk_put_on_the_wheel(self, wheel: TimerHandle) -> None:
        try:
            if not self.daemon:
                _threading._non_daemons.add(wheel)
            wheel.start()
        except BaseException:
            # A signal handler may have raised when it was started already: it goes on.
            if not wheel.is_started():
                with _threading._active_limbo_lock:
                    _threading._limbo.pop(self, None)
                    self._ropewalk_wheel = None
                _threading._non_daemons.discard(wheel)
            raise

    def _ropewalk_on_due(self) -> None:
        """What the wheel calls, in a thread of its own that has never heard of this timer."""
        with _threading._active_limbo_lock:
            if self._ropewalk_wheel is None or _threading._limbo.pop(self, None) is None:
                return
            # Not a moment in which it is neither here nor there.
            _threading._active[_threading.get_ident()] = self
        self._ropewalk_due_at = _NOW
        name = self._name
        self._ropewalk_handle.name = name if isinstance(name, str) else str(name)
        try:
            self._bootstrap_inner()
        finally:
            self._ropewalk_handle.mark_ended()

    def _ropewalk_leave_the_wheel(self) -> bool:
        """End the wait on the wheel; False when it had ended in another way."""
        with _threading._active_limbo_lock:
            if self._ropewalk_wheel is None or _threading._limbo.pop(self, None) is None:
                return False
        self._ropewalk_wheel.cancel()
        _threading._non_daemons.discard(self._ropewalk_wheel)
        return True

    def _ropewalk_become_a_thread(self) -> None:
        with _threading._active_limbo_lock:
            wheel = self._ropewalk_wheel
            if wheel is None or self not in _threading._limbo:
                return
            self._ropewalk_wheel = None
        try:
            self._ropewalk_launch()
        except RuntimeError:
            # No more threads to be had: wait for the rest of the time on the wheel after all.
            with _threading._active_limbo_lock:
                _threading._limbo[self] = self
                rest = max((self._ropewalk_due_at or 0) - _now(), 0)
                self._ropewalk_wheel = TimerHandle(rest, self._ropewalk_on_due, _ref(self))
            self._ropewalk_put_on_the_wheel(self._ropewalk_wheel)
        finally:
            # Last: who waits for the old handle finds the next one in its place.
            wheel.cancel()

    # As a thread

    @property
    def _ropewalk_is_ended(self) -> bool:
        wheel = self._ropewalk_wheel
        return self._ropewalk_handle.is_ended() if wheel is None else wheel.is_ended()

    def _ropewalk_join(self, timeout: float | None) -> None:
        deadline = None if timeout is None else _now() + timeout
        while (wheel := self._ropewalk_wheel) is not None:
            if not wheel.join(timeout) or self._ropewalk_wheel is wheel:
                return
            timeout = None if deadline is None else max(deadline - _now(), 0)
        super()._ropewalk_join(timeout)

    @property
    def ident(self) -> int | None:
        """What `get_ident()` gives in this thread; None before the start."""
        self._ropewalk_become_a_thread()
        return super().ident

    @property
    def native_id(self) -> int | None:
        """The kernel's number of this thread; None before the start."""
        self._ropewalk_become_a_thread()
        return super().native_id

    def _ropewalk_after_fork(self, new_ident: int | None = None) -> None:
        self._ropewalk_wheel = None
        super()._ropewalk_after_fork(new_ident)


_excepthook.below_the_program(Timer.run.__code__, Timer._ropewalk_on_due.__code__)


unannotated(globals())
