"""gevent's and eventlet's monkey patching gets the stdlib's modules: all is as without Ropewalk.

The libraries are stand-ins: as much of the real ones as decides what they patch, and in which way.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.face.programs import ROPEWALK, STOCK, python, same

if TYPE_CHECKING:
    from pathlib import Path

GREEN = """
import _thread
real = _thread.allocate_lock
class GreenLock:
    def __init__(self):
        self.lock = real()
    def acquire(self, *args, **kwargs):
        return self.lock.acquire(*args, **kwargs)
    __enter__ = acquire
    def release(self):
        self.lock.release()
    def __exit__(self, *error):
        self.lock.release()
    def locked(self):
        return self.lock.locked()
    def _at_fork_reinit(self):
        self.lock._at_fork_reinit()
"""

GEVENT = {
    "__init__.py": "",
    "green.py": GREEN,
    # It refers to what it patches, and may be imported before.
    "threading.py": "import threading as __threading__; Base = __threading__.Thread",
    "monkey.py": """
        import sys
        from gevent import threading as helper
        saved = {}
        def is_module_patched(name):
            return name in saved
        def patch_item(module, name, item):
            saved.setdefault(module.__name__, {})[name] = getattr(module, name)
            setattr(module, name, item)
        def patch_thread():
            import _thread, threading
            assert helper.__threading__ is threading
            # What only the stdlib's has, in the one state that the library expects.
            main = threading.main_thread()
            assert main is threading.current_thread()
            if sys.version_info < (3, 13):
                assert type(main._tstate_lock) is _thread.LockType
            else:
                name = "_handle" if sys.version_info < (3, 14) else "_os_thread_handle"
                assert type(getattr(main, name)) is _thread._ThreadHandle
            threading._dangling.remove(main)
            threading._dangling.add(main)
            from gevent.green import GreenLock
            assert not isinstance(GreenLock().lock, GreenLock)
            patch_item(_thread, "allocate_lock", GreenLock)
            for name in ("Lock", "_allocate_lock"):
                patch_item(threading, name, GreenLock)
            patch_item(threading, "_CRLock", None)
            import concurrent.futures.thread
            concurrent.futures.thread._global_shutdown_lock = threading._allocate_lock()
            logging = sys.modules.get("logging")
            if logging:
                logging._lock = threading.RLock()
                for refers in logging._handlerList:
                    refers().lock = threading.RLock()
        def patch_queue():
            import queue
            patch_item(queue, "SimpleQueue", queue._PySimpleQueue)
        def patch_all(thread=True, queue=True):
            if thread:
                patch_thread()
            if queue:
                patch_queue()
    """,
}

EVENTLET = {
    "__init__.py": """
        from eventlet import hubs, patcher
        monkey_patch = patcher.monkey_patch
    """,
    "green.py": GREEN,
    # The copy of `threading` that its own threads use.
    "hubs.py": """
        from eventlet import patcher
        threading = patcher.original("threading")
    """,
    "patcher.py": """
        import sys
        already_patched = {}
        def original(name):
            kept = "__original_module_" + name
            if kept not in sys.modules:
                before = {each: sys.modules.get(each) for each in (name, "_thread")}
                sys.modules.pop(name, None)
                if name != "_thread":
                    sys.modules["_thread"] = original("_thread")
                try:
                    sys.modules[kept] = __import__(name)
                finally:
                    sys.modules.update({k: v for k, v in before.items() if v is not None})
                    if before[name] is None:
                        del sys.modules[name]
            return sys.modules[kept]
        def inject(name, new_globals, *additional):
            kept = "__patched_module_" + name
            if kept not in sys.modules:
                saved = {k: sys.modules.get(k) for k in (name, *dict(additional))}
                sys.modules.update(additional)
                sys.modules.pop(name, None)
                try:
                    sys.modules[kept] = __import__(name)
                finally:
                    for k, v in saved.items():
                        sys.modules.pop(k) if v is None else sys.modules.__setitem__(k, v)
            return sys.modules[kept]
        def monkey_patch(**on):
            default = on.pop("all", None)
            if default is None:
                default = True not in on.values()
            import _thread, queue, threading
            rlock = type(threading.RLock())
            if on.get("thread", default):
                already_patched["thread"] = True
                green = type(sys)("_thread")
                vars(green).update(vars(_thread))
                from eventlet.green import GreenLock
                green.allocate_lock = GreenLock
                injected = inject("threading", {}, ("_thread", green))
                assert "ropewalk" not in injected.__spec__.origin, injected
                for name in ("Lock", "_allocate_lock"):
                    setattr(threading, name, GreenLock)
                for name in ("_active", "_limbo"):
                    setattr(threading, name, getattr(injected, name))
                import logging
                assert type(logging._lock) is rlock, logging._lock
                assert type(logging.getLogger().handlers[0].lock) is rlock
                logging._lock = threading._PyRLock()
            threading.RLock = threading._PyRLock
            queue.SimpleQueue = queue._PySimpleQueue
    """,
}

LIBRARIES = {
    "gevent": (GEVENT, "import gevent.monkey", "gevent.monkey.patch_all()"),
    "eventlet": (EVENTLET, "import eventlet", "eventlet.monkey_patch()"),
}
# The same library told to leave the threads alone.
WITHOUT_THREADS = {
    "gevent": "gevent.monkey.patch_all(thread=False)",
    "eventlet": "eventlet.monkey_patch(socket=True)",
}

USE = """
import atexit, concurrent.futures.thread, socketserver, time
print(threading.Lock.__name__, threading.Thread.__init__.__module__)
for module in (queue, logging, socketserver, concurrent.futures.thread):
    assert module.threading is threading, module
locks = [threading.Event()._cond._lock, threading.RLock()._block, queue.Queue().mutex]
print([type(lock).__name__ for lock in locks], type(logging._lock).__name__)
items, done = queue.Queue(2), threading.Event()
def work():
    while (item := items.get()) is not None:
        results.append(item)
    done.set()
results = []
thread = threading.Thread(target=work, name="worker")
thread.start()
for item in [*range(20), None]:
    items.put(item)
assert done.wait(30)
thread.join()
print(sum(results), threading.current_thread().name, threading.active_count())
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    print(list(pool.map(str, range(5))))
try:
    queue.Queue().get(timeout=0.01)
except queue.Empty:
    print("empty")
logging.warning("told")
def late():
    time.sleep(0.2)
    print("late")
atexit.register(print, "exit function")
threading.Thread(target=late).start()
concurrent.futures.ThreadPoolExecutor(1).submit(time.sleep, 0.1).add_done_callback(
    lambda job: print("job")
)
"""


def write(folder: Path, library: str) -> tuple[str, str]:
    """Put the stand-in where the program finds it; how it is imported, and patches."""
    files, imports, patches = LIBRARIES[library]
    package = folder / library
    package.mkdir()
    for name, text in files.items():
        (package / name).write_text(textwrap.dedent(text))
    return imports, patches


@pytest.mark.parametrize("library", LIBRARIES)
def test_patching_first_of_all(library: str, tmp_path: Path) -> None:
    imports, patches = write(tmp_path, library)
    begin = "import logging; logging.basicConfig(format='%(message)s')"
    program = f"{begin}\n{imports}; {patches}\nimport logging, queue, threading\n{USE}"
    (tmp_path / "app.py").write_text(program)
    printed = same("app.py", cwd=tmp_path)
    assert printed.startswith("GreenLock threading\n"), printed
    assert "190 MainThread 1" in printed


@pytest.mark.parametrize("library", LIBRARIES)
def test_patching_after_other_imports(library: str, tmp_path: Path) -> None:
    """What was imported while Ropewalk was in place has the stdlib's objects afterwards."""
    imports, patches = write(tmp_path, library)
    (tmp_path / "mine.py").write_text(
        "from _thread import LockType\n"
        "from concurrent.futures import CancelledError, Future, ProcessPoolExecutor\n"
        "from concurrent.futures import ThreadPoolExecutor as Pool\n"
        "from queue import Full, Queue\n"
        "from threading import Condition, Thread as Base\n"
        "import threading as t\n"
        "class Own(Base):\n"
        "    def run(self): print('own', type(self._started._cond._lock).__name__)\n"
    )
    (tmp_path / "app.py").write_text(
        f"""
import logging, queue, threading, concurrent.futures, mine
logging.basicConfig(format="%(threadName)s %(message)s")
threading.current_thread().name = "first"
{imports}
{patches}
assert mine.t is threading and mine.Base is threading.Thread and mine.Queue is queue.Queue
assert mine.Condition is threading.Condition and mine.Full is queue.Full
assert mine.Pool is concurrent.futures.ThreadPoolExecutor
assert mine.ProcessPoolExecutor is concurrent.futures.ProcessPoolExecutor
assert mine.Future is concurrent.futures.Future
assert mine.CancelledError is concurrent.futures.CancelledError
assert isinstance(mine.LockType, type) and mine.LockType.__module__ == "_thread"
own = mine.Own()
own.start(); own.join()
{USE}"""
    )
    printed = same("app.py", cwd=tmp_path)
    assert printed.startswith("own GreenLock\n")
    # eventlet's green copy has a main thread of its own.
    assert ("190 first 1" if library == "gevent" else "190 MainThread 1") in printed


@pytest.mark.parametrize("library", LIBRARIES)
def test_imports_and_other_patches_leave_ropewalk_in_place(library: str, tmp_path: Path) -> None:
    imports, _ = write(tmp_path, library)
    (tmp_path / "app.py").write_text(
        f"""
import sys, threading, queue
{imports}
{WITHOUT_THREADS[library]}
from ropewalk import _ropewalk
assert sys.modules["threading"] is sys.modules["ropewalk.threading"] is threading
assert threading.Lock is _ropewalk.Lock and type(threading.Lock()) is _ropewalk.Lock
if "eventlet" in sys.modules:
    # Its own threads are the stdlib's all the same.
    assert "ropewalk" not in eventlet.hubs.threading.__spec__.origin
module = sys.modules.get("gevent.monkey") or sys.modules["eventlet.patcher"]
assert module.__loader__ is module.__spec__.loader
assert type(module.__loader__).__module__.startswith("_frozen_importlib"), module.__loader__
items = queue.Queue()
thread = threading.Thread(target=items.put, args=(1,))
thread.start()
print(items.get(timeout=30))
"""
    )
    done = python("app.py", under=ROPEWALK, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


@pytest.mark.parametrize("library", LIBRARIES)
def test_install_from_inside(library: str, tmp_path: Path) -> None:
    """The library may be there before; once it has patched, `install()` does nothing."""
    imports, patches = write(tmp_path, library)
    (tmp_path / "app.py").write_text(
        f"""
import logging; logging.basicConfig()
{imports}
module = __import__("sys").modules.get("gevent.monkey") or eventlet
entry = {{"gevent.monkey": "patch_thread", "eventlet": "monkey_patch"}}[module.__name__]
before = getattr(module, entry)
import ropewalk, threading
assert not ropewalk.install().fallback
assert getattr(module, entry) is not before
ropewalk.uninstall()
assert getattr(module, entry) is before
assert not ropewalk.install().fallback
{patches}
import threading
assert threading.Lock.__name__ == "GreenLock"
assert getattr(module, entry) is before
fallback = ropewalk.install().fallback
assert threading.Lock.__name__ == "GreenLock"
print(fallback)
"""
    )
    done = python("app.py", under=STOCK, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{library} has patched the threads of this process\n"


@pytest.mark.parametrize("library", LIBRARIES)
def test_children(library: str, tmp_path: Path) -> None:
    """One that does not patch is on Ropewalk, one that does is not; a fork goes on as it was."""
    imports, patches = write(tmp_path, library)
    tells = "import threading; print('ropewalk' in threading.__file__)"
    begin = "import logging; logging.basicConfig()"
    (tmp_path / "app.py").write_text(
        f"""
{begin}
{imports}; {patches}
import os, subprocess, sys
tells = {tells!r}
for before in ("", "{begin}; {imports}; {patches};"):
    print(subprocess.run([sys.executable, "-c", before + tells], capture_output=True).stdout)
sys.stdout.flush()
child = os.fork()
if child == 0:
    exec(tells)
    thread = threading.Thread(target=print, args=("forked",))
    thread.start(); thread.join()
else:
    print(os.waitpid(child, 0)[1])
"""
    )
    done = python("app.py", under=ROPEWALK, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "b'True\\n'",
        "b'False\\n'",
        "False",
        "forked",
        "0",
    ]
