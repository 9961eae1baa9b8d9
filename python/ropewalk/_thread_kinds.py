"""Thread objects for threads that were not started by `Thread.start()`."""

from __future__ import annotations

import _thread
import sys

import ropewalk.threading as _threading
from ropewalk import _thread_class
from ropewalk._unannotated import unannotated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__name__ = "threading"

# CPython 3.13 knows the main thread for itself; before, it is the one that imports the module.
_main_thread_ident: Callable[[], int] = getattr(
    _thread, "_get_main_thread_ident", _thread.get_ident
)
_MODERN_DUMMIES = sys.version_info >= (3, 13)


class _MainThread(_thread_class.Thread):
    def __init__(self) -> None:
        super().__init__(name="MainThread", daemon=False)
        self._ident = ident = _main_thread_ident()
        if ident == _thread.get_ident():
            self._ropewalk_handle.name = self._name
            self._ropewalk_handle.set_started()
        self._native_id = _thread.get_native_id()
        self._started.set()
        with _threading._active_limbo_lock:
            _threading._active[ident] = self


class _DeleteDummyThreadOnDel:
    """Lives in a foreign thread's local data, and so ends with it; takes the dummy along."""

    def __init__(self, dummy: _DummyThread) -> None:
        self._dummy = dummy
        self._ident = dummy._ident
        _local_data.dummy_watch = self

    # The module's names are gone by then if it is the interpreter that ends, and so is the name
    # of the module here.
    def __del__(self, _names: dict[str, Any] = vars(_threading)) -> None:  # noqa: B008
        lock = _names.get("_active_limbo_lock")
        if lock is None:
            return
        with lock:
            active, ident = _names["_active"], self._ident
            if ident is not None and active.get(ident) is self._dummy:
                del active[ident]


_local_data = _thread._local()


class _DummyThread(_thread_class.Thread):
    """What `current_thread()` gives in a thread that this module did not start.

    A daemon, since nobody can wait for it. CPython up to 3.12 keeps it for ever; from 3.13 on it
    goes when its thread ends.
    """

    def __init__(self) -> None:
        super().__init__(
            name=_threading._newname("Dummy-%d"),
            daemon=_thread_class._daemon_threads_allowed(),
        )
        self._set_ident()
        self._set_native_id()
        self._ropewalk_handle.name = self._name
        self._ropewalk_handle.set_started()
        self._started.set()
        with _threading._active_limbo_lock:
            _threading._active[_threading.get_ident()] = self
        if _MODERN_DUMMIES:
            self._ropewalk_handle.mark_ended_at_exit()
            _DeleteDummyThreadOnDel(self)

    def is_alive(self) -> bool:
        if not _MODERN_DUMMIES:
            return True
        if not self._ropewalk_is_ended and self._started.is_set():
            return True
        raise RuntimeError("thread is not alive")

    def join(self, timeout: float | None = None) -> None:
        if not _MODERN_DUMMIES:
            raise AssertionError("cannot join a dummy thread")
        raise RuntimeError("cannot join a dummy thread")

    def _ropewalk_after_fork(self, new_ident: int | None = None) -> None:
        if new_ident is not None:
            self.__class__ = _MainThread  # type: ignore[assignment]
            self._name = "MainThread"
            self._daemonic = False
        # Not super(): the class is another one by now.
        _thread_class.Thread._ropewalk_after_fork(self, new_ident=new_ident)


unannotated(globals())
