"""`threading.Thread`.

`start()` waits until the new thread runs, as the stdlib does: programs count on it that a thread
which was started gets something done (a pool that is shut down at once has taken its first task;
CPython 3.12 lets threads of a main thread that is through neither fork nor start others). It costs
little: the starter goes behind the new thread once before it sleeps, the thread goes on with the
GIL when it has told that it runs, and a short one has ended before the starter gets the GIL back;
`join()` has nothing to wait for then.

PYTEST_DONT_REWRITE: pytest would add to the messages of the assertions here, which are the
stdlib's, as it does in every module of a package that has a plugin.
"""

from __future__ import annotations

import _thread
import sys as _sys
from _contextvars import Context as _Context

import ropewalk.threading as _threading
from ropewalk import _excepthook, _hosting
from ropewalk._ropewalk import Event, ThreadHandle
from ropewalk._unannotated import unannotated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextvars import Context
    from typing import Any, TextIO

__name__ = "threading"

_daemon_threads_allowed: Callable[[], bool] = getattr(
    _thread, "daemon_threads_allowed", lambda: True
)
# CPython 3.14: the operating system's name for the thread.
_set_os_name: Callable[[str], None] | None = getattr(_thread, "set_name", None)
_inherits_context: bool = bool(getattr(_sys.flags, "thread_inherit_context", False))


class Thread:
    """A thread of control, given by a callable (`target`) or by overriding `run()`.

    A subclass that has its own constructor calls `Thread.__init__()` before anything else.

    Signals: `join()` in the main thread lets signal handlers run; one that raises ends it.
    Fork: in the child only the thread that forked is alive.
    """

    _initialized = False

    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
        context: Context | None = None,
    ) -> None:
        """Make a thread that has not been started.

        Args:
            group: None; kept free by the stdlib.
            target: what `run()` calls; nothing when None.
            name: "Thread-N (target's name)" when empty.
            args: positional arguments for the target.
            kwargs: keyword arguments for the target.
            daemon: whether the interpreter's exit does not wait for it; as the calling thread
                when None.
            context: the `contextvars` context to run in; when None an empty one, or with
                CPython 3.14's `thread_inherit_context` a copy of the caller's at `start()`.

        Raises:
            RuntimeError: a daemon in an interpreter that allows none.
        """
        assert group is None, "group argument must be None for now"
        if kwargs is None:
            kwargs = {}
        if name:
            name = str(name)
        else:
            # Not by `_newname()`, as below not by `current_thread()`: calls are what this costs.
            name = f"Thread-{_threading._counter()}"
            if target is not None:
                target_name = getattr(target, "__name__", None)
                if target_name is not None:
                    name += f" ({target_name})"
        self._target = target
        self._name = name
        self._args = args
        self._kwargs = kwargs
        if daemon is None:
            caller = _threading._active.get(_threading.get_ident())
            if caller is None:
                caller = _threading.current_thread()
            self._daemonic = caller.daemon
        else:
            if daemon and not _daemon_threads_allowed():
                raise RuntimeError("daemon threads are disabled in this (sub)interpreter")
            self._daemonic = daemon
        self._ropewalk_context = context
        self._ident: int | None = None
        self._native_id: int | None = None
        self._ropewalk_handle = ThreadHandle()
        self._started = Event()
        self._initialized = True
        # For the hook, when sys.stderr is gone by then.
        self._stderr: TextIO | None = _sys.stderr
        _threading._dangling.add(self)

    def __repr__(self) -> str:
        assert self._initialized, "Thread.__init__() was not called"
        status = "initial"
        if self._started.is_set():
            status = "started"
        if self._ropewalk_is_ended:
            status = "stopped"
        if self._daemonic:
            status += " daemon"
        ident = self.ident
        if ident is not None:
            status += f" {ident}"
        return f"<{self.__class__.__name__}({self._name}, {status})>"

    # Life

    def start(self) -> None:
        """Start the thread, once; `run()` is called in it.

        Raises:
            RuntimeError: started before, or the system cannot start another thread
                (the object is then as before).
        """
        if not self._initialized:
            raise RuntimeError("thread.__init__() not called")
        with _threading._active_limbo_lock:
            self._ropewalk_enter_limbo()
        self._ropewalk_launch()

    def _ropewalk_launch(self) -> None:
        """Start the thread for an object that is in limbo."""
        handle = self._ropewalk_handle
        try:
            name = self._name
            handle.name = name if isinstance(name, str) else str(name)
            daemon = self.daemon
            if not daemon:
                _threading._non_daemons.add(handle)
            if _inherits_context:
                self._ropewalk_inherit_context()
            handle.set_starting()
            _threading._start_joinable_thread(self._bootstrap, handle=handle, daemon=daemon)
        except BaseException:
            # A signal handler may have raised when the thread was there already: it goes on.
            if not handle.is_spawned():
                with _threading._active_limbo_lock:
                    _threading._limbo.pop(self, None)
                _threading._non_daemons.discard(handle)
                handle.set_not_started()
            raise
        # Everything else that is to be seen of a started thread is put in place by itself.
        handle.wait_started(None)

    def _ropewalk_enter_limbo(self) -> None:
        if self._started.is_set() or self in _threading._limbo:
            raise RuntimeError("threads can only be started once")
        _threading._limbo[self] = self

    def _ropewalk_inherit_context(self) -> None:
        if self._ropewalk_context is None:
            from contextvars import copy_context

            self._ropewalk_context = copy_context()

    def run(self) -> None:
        """What the thread does: calls the target. May be overridden."""
        try:
            if self._target is not None:
                self._target(*self._args, **self._kwargs)
        finally:
            # An argument may refer to this thread: that would be a cycle.
            del self._target, self._args, self._kwargs

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended, for `timeout` seconds at most when given.

        Returns None in any case: `is_alive()` tells which it was. A timeout below 0 is 0.

        Raises:
            RuntimeError: the thread was never started, or is the calling one.
            ropewalk.DeadlockError: it could never end.
        """
        if not self._initialized:
            raise RuntimeError("Thread.__init__() not called")
        if not self._started.is_set():
            raise RuntimeError("cannot join thread before it is started")
        if self is _threading.current_thread():
            raise RuntimeError("cannot join current thread")
        if timeout is not None:
            timeout = max(timeout, 0)
        self._ropewalk_join(timeout)

    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        assert self._initialized, "Thread.__init__() not called"
        return self._started.is_set() and not self._ropewalk_is_ended

    @property
    def _ropewalk_is_ended(self) -> bool:
        return self._ropewalk_handle.is_ended()

    def _ropewalk_join(self, timeout: float | None) -> None:
        if self._ropewalk_handle.join(timeout):
            _threading._non_daemons.discard(self._ropewalk_handle)

    # What CPython's own have under these names, and only where they have it: elsewhere they are
    # free for subclasses of the program.

    if (3, 13) <= _sys.version_info < (3, 14):

        @property
        def _handle(self) -> ThreadHandle:
            return self._ropewalk_handle

        @_handle.setter
        def _handle(self, handle: ThreadHandle) -> None:
            self._ropewalk_handle = handle

        @_handle.deleter
        def _handle(self) -> None:
            del self._ropewalk_handle

    if _sys.version_info >= (3, 13):

        def _after_fork(self, new_ident: int | None = None) -> None:
            self._ropewalk_after_fork(new_ident)

    if _sys.version_info >= (3, 14):

        @property
        def _context(self) -> Context | None:
            return self._ropewalk_context

        @_context.setter
        def _context(self, context: Context | None) -> None:
            self._ropewalk_context = context

        @_context.deleter
        def _context(self) -> None:
            del self._ropewalk_context

        @property
        def _os_thread_handle(self) -> ThreadHandle:
            return self._ropewalk_handle

    if _sys.version_info < (3, 13):

        @property
        def _is_stopped(self) -> object:
            # A subclass may have a flag of its own under this name: CPython sets that as well.
            return self.__dict__.get("_is_stopped") or self._ropewalk_is_ended

        @_is_stopped.setter
        def _is_stopped(self, stopped: object) -> None:
            self.__dict__["_is_stopped"] = stopped

        @_is_stopped.deleter
        def _is_stopped(self) -> None:
            self.__dict__.pop("_is_stopped", None)

        @property
        def _tstate_lock(self) -> Any:  # noqa: ANN401 - a program may have set it
            if "_tstate_lock" in self.__dict__:
                return self.__dict__["_tstate_lock"]
            alive = self._started.is_set() and not self._ropewalk_is_ended
            return _hosting.EndLock(self._ropewalk_handle) if alive else None

        @_tstate_lock.setter
        def _tstate_lock(self, lock: object) -> None:
            self.__dict__["_tstate_lock"] = lock

        @_tstate_lock.deleter
        def _tstate_lock(self) -> None:
            self.__dict__.pop("_tstate_lock", None)

        def _stop(self) -> None:
            """Nothing is left to do when a thread has ended."""

    # In the new thread

    def _bootstrap(self) -> None:
        try:
            # A context of its own, so that its values go before the thread has ended. Those of the
            # thread state would be the last to go, after what tells of the end.
            _Context().run(self._bootstrap_inner)
        except:
            if self._daemonic and _sys is None:
                return  # type: ignore[unreachable]
            raise
        finally:
            self._ropewalk_handle.mark_ended_at_exit()

    def _bootstrap_inner(self) -> None:
        try:
            try:
                self._set_ident()
                self._set_native_id()
                if _set_os_name is not None:
                    self._set_os_name()
                with _threading._active_limbo_lock:
                    _threading._active[_threading.get_ident()] = self
                    _threading._limbo.pop(self, None)
                self._started.set()
            finally:
                # `start()` waits for it.
                self._ropewalk_handle.set_started()
            if _threading._trace_hook:
                _sys.settrace(_threading._trace_hook)
            if _threading._profile_hook:
                _sys.setprofile(_threading._profile_hook)
            try:
                if self._ropewalk_context is None:
                    # That of `_bootstrap` is empty: no need to make another one.
                    self.run()
                else:
                    self._ropewalk_context.run(self.run)
            except:  # noqa: E722 - the hook is for all of them
                self._invoke_excepthook(self)
        finally:
            self._delete()

    # The stdlib's holds it as an attribute of the thread, which is called with the thread.
    _invoke_excepthook = staticmethod(_excepthook.invoke)

    def _set_ident(self) -> None:
        self._ident = _threading.get_ident()

    def _set_native_id(self) -> None:
        self._native_id = _threading.get_native_id()

    def _set_os_name(self) -> None:
        if _set_os_name is None or not self._name:
            return
        try:  # noqa: SIM105 - contextlib costs more than the rest of this module to import
            _set_os_name(self._name)
        except OSError:
            pass

    def _delete(self) -> None:
        with _threading._active_limbo_lock:
            _threading._active.pop(_threading.get_ident(), None)

    def _ropewalk_after_fork(self, new_ident: int | None = None) -> None:
        self._started._at_fork_reinit()
        if new_ident is None:
            self._ropewalk_handle.mark_ended()
        else:
            self._ident = new_ident
            self._set_native_id()

    # What it is

    @property
    def name(self) -> str:
        """A name for people; several threads may have the same."""
        assert self._initialized, "Thread.__init__() not called"
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        assert self._initialized, "Thread.__init__() not called"
        self._name = str(name)
        self._ropewalk_handle.name = self._name
        # CPython 3.14: the system's name follows, for the calling thread only.
        if _set_os_name is not None and _threading.get_ident() == self._ident:
            self._set_os_name()

    @property
    def ident(self) -> int | None:
        """What `get_ident()` gives in this thread; None before the start."""
        assert self._initialized, "Thread.__init__() not called"
        return self._ident

    @property
    def native_id(self) -> int | None:
        """The kernel's number of this thread; None before the start."""
        assert self._initialized, "Thread.__init__() not called"
        return self._native_id

    @property
    def daemon(self) -> bool:
        """Whether the interpreter's exit does not wait for it; settable before the start.

        Raises:
            RuntimeError: set after the start, or in an interpreter that allows no daemons.
        """
        assert self._initialized, "Thread.__init__() not called"
        return self._daemonic

    @daemon.setter
    def daemon(self, daemonic: bool) -> None:
        if not self._initialized:
            raise RuntimeError("Thread.__init__() not called")
        if daemonic and not _daemon_threads_allowed():
            raise RuntimeError("daemon threads are disabled in this interpreter")
        if self._started.is_set():
            raise RuntimeError("cannot set daemon status of active thread")
        self._daemonic = daemonic

    # The spellings of old

    def isDaemon(self) -> bool:
        """Deprecated: use `daemon`."""
        _threading._warn_deprecated("isDaemon() is deprecated, get the daemon attribute instead")
        return self.daemon

    def setDaemon(self, daemonic: bool) -> None:
        """Deprecated: use `daemon`."""
        _threading._warn_deprecated("setDaemon() is deprecated, set the daemon attribute instead")
        self.daemon = daemonic

    def getName(self) -> str:
        """Deprecated: use `name`."""
        _threading._warn_deprecated("getName() is deprecated, get the name attribute instead")
        return self.name

    def setName(self, name: str) -> None:
        """Deprecated: use `name`."""
        _threading._warn_deprecated("setName() is deprecated, set the name attribute instead")
        self.name = name


_excepthook.below_the_program(
    Thread._bootstrap.__code__,
    Thread._bootstrap_inner.__code__,
    Thread.run.__code__,
)


unannotated(globals())
