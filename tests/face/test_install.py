"""`install()` and `uninstall()` from inside a program."""

from __future__ import annotations

from tests.face.programs import STOCK, code, succeeds


def stock(text: str) -> str:
    """What a program prints that is run with `python` and installs Ropewalk by itself."""
    return succeeds(text, under=STOCK)


def test_before_the_first_import() -> None:
    printed = stock(
        """
        import sys, ropewalk
        report = ropewalk.install()
        assert report.fallback == "" and report.unreached == (), report
        import threading, queue, _thread
        from ropewalk import _ropewalk
        assert threading.Lock is _thread.allocate_lock is _ropewalk.Lock
        assert queue.Queue.__module__ == "queue"
        thread = threading.Thread(target=print, args=("ran",))
        thread.start(); thread.join()
        """
    )
    assert printed == "ran\n"


def test_after_the_modules_were_imported() -> None:
    """Those who hold the old module objects get ours; names taken before are told."""
    stock(
        """
        import sys, logging, types
        mine = types.ModuleType("mine")
        exec("import threading, queue; from threading import Lock, Event", vars(mine))
        sys.modules["mine"] = mine
        old = mine.threading
        import ropewalk
        report = ropewalk.install()
        from ropewalk import _ropewalk
        import threading, queue
        assert threading is not old and threading.Thread.__module__ == "threading"
        assert old.Thread is threading.Thread and old.Lock is _ropewalk.Lock
        assert mine.queue.SimpleQueue is queue.SimpleQueue is _ropewalk.SimpleQueue
        assert type(logging.getLogger("new").manager) and logging.threading.RLock is _ropewalk.RLock
        assert {"mine.Lock", "mine.Event"} <= set(report.unreached), report.unreached
        assert not any("get_ident" in name for name in report.unreached)
        # Patches reach the live module, from either side.
        old._counter = lambda: 77
        assert threading._newname("T-%d") == "T-77"
        threading.mark = 1
        assert old.mark == 1 and "mark" in dir(old)
        del old.mark
        assert not hasattr(threading, "mark")
        assert repr(old) == repr(threading) and isinstance(old, types.ModuleType)
        """
    )


def test_twice_is_once() -> None:
    stock(
        """
        import sys, ropewalk
        first = ropewalk.install(); second = ropewalk.install()
        assert repr(first) == repr(second)
        assert sum(type(it).__name__ == "_Finder" for it in sys.meta_path) == 1
        ropewalk.uninstall()
        ropewalk.uninstall()
        assert sum(type(it).__name__ == "_Finder" for it in sys.meta_path) == 0
        """
    )


def test_uninstall_gives_everything_back() -> None:
    stock(
        """
        import sys, _thread, _queue, threading, queue
        def state():
            return ({k: id(v) for k, v in vars(_thread).items()}, _queue.SimpleQueue, threading,
                    sys.modules["threading"], sys.modules["queue"], type(threading),
                    {k: id(v) for k, v in vars(threading).items()}, list(sys.meta_path))
        before = state()
        import ropewalk
        ropewalk.install()
        assert state() != before
        import threading as ours
        done = []
        t = ours.Thread(target=done.append, args=(1,)); t.start(); t.join()
        ropewalk.uninstall()
        assert state() == before
        import threading as again
        assert again is threading and again is not ours
        t = again.Thread(target=done.append, args=(2,)); t.start(); t.join()
        assert done == [1, 2]
        """
    )


def test_uninstall_when_the_stdlib_s_was_never_imported() -> None:
    stock(
        """
        import sys, ropewalk
        ropewalk.install()
        import threading as ours
        ropewalk.uninstall()
        assert ours.__spec__ is not None
        import threading
        assert threading is not ours and "ropewalk" not in threading.__file__
        """
    )


def test_a_patch_over_ours_stays() -> None:
    stock(
        """
        import _thread, ropewalk
        ropewalk.install()
        theirs = _thread.allocate_lock = object()
        ropewalk.uninstall()
        assert _thread.allocate_lock is theirs
        """
    )


def test_threads_of_both_are_joined_at_exit() -> None:
    """Those that the stdlib's module started before, ours, and again after `uninstall()`."""
    printed = stock(
        """
        import threading, time
        from threading import Thread as Old, main_thread
        def late(word):
            main_thread().join()
            print(word)
        Old(target=late, args=("old",)).start()
        import ropewalk
        ropewalk.install()
        def ours_late():
            threading.main_thread().join()
            time.sleep(0.05)
            print("ours")
        threading.Thread(target=ours_late).start()
        import sys
        if len(sys.argv) > 1:
            ropewalk.uninstall()
        """
    )
    assert sorted(printed.split()) == ["old", "ours"]


def test_our_threads_are_joined_after_uninstall() -> None:
    printed = stock(
        """
        import time, ropewalk
        ropewalk.install()
        import threading
        threading.Thread(target=lambda: (time.sleep(0.1), print("joined"))).start()
        ropewalk.uninstall()
        """
    )
    assert printed == "joined\n"


def test_fresh_imports_lead_to_the_live_classes() -> None:
    """As `test_queue` does it: the module taken out of sys.modules and imported again."""
    succeeds(
        """
        import sys, importlib, queue, threading
        live = {name: sys.modules.pop(name) for name in ("queue", "threading", "_queue")}
        for name, module in live.items():
            if name != "_queue":
                assert importlib.import_module(name) is module
        for name, module in live.items():
            sys.modules[name] = module
        from test.support.import_helper import import_fresh_module
        for options in ({"fresh": ["_queue"]}, {"blocked": ["_queue"]}):
            again = import_fresh_module("queue", **options)
            assert again.Empty is queue.Empty and again.Queue is queue.Queue
        """
    )


def test_reload_keeps_the_live_module() -> None:
    succeeds(
        """
        import importlib, sys, threading, queue
        before = threading.Thread, threading.Lock, threading._active, queue.Empty
        assert importlib.reload(threading) is threading is sys.modules["threading"]
        assert importlib.reload(queue) is queue
        assert before == (threading.Thread, threading.Lock, threading._active, queue.Empty)
        t = threading.Thread(target=print, args=("ran",)); t.start(); t.join()
        """
    )


def test_the_import_system_keeps_its_own_locks() -> None:
    succeeds(
        """
        import importlib._bootstrap as bootstrap
        from ropewalk import _ropewalk
        lock = bootstrap._ModuleLock("name")
        kinds = {type(value) for value in vars(lock).values()}
        assert not kinds & {_ropewalk.Lock, _ropewalk.RLock}, kinds
        """
    )


def test_pickles_by_name() -> None:
    """What the stdlib pickles by reference is found again; what it refuses is refused."""
    succeeds(
        """
        import pickle, threading, queue
        for it in (threading.Thread, threading.Event, threading.Lock, threading.RLock,
                   threading.current_thread, threading.BrokenBarrierError,
                   queue.Queue, queue.Empty):
            assert pickle.loads(pickle.dumps(it)) is it, it
        """
    )


def test_pickles_are_refused_in_the_same_words() -> None:
    text = """
        import copy, pickle, threading
        for it in (threading.Lock(), threading.RLock(), threading.Event(), threading.Semaphore(),
                   threading.BoundedSemaphore(), threading.Condition(), threading.Barrier(1),
                   threading.Condition(threading.Lock()), threading.Thread(), threading.local(),
                   threading.Timer(1, print), threading.main_thread()):
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
                try:
                    pickle.dumps(it, protocol)
                except Exception as error:
                    print(type(it).__name__, type(error).__name__, error)
            try:
                copy.deepcopy(it)
            except Exception as error:
                print(type(it).__name__, type(error).__name__, error)
    """
    stock = code(text, under=STOCK)
    assert stock.stdout.count("cannot pickle") == 12 * 5
    assert succeeds(text) == stock.stdout


def test_broken_options_of_a_parent_are_no_reason_to_fail() -> None:
    from tests.face.programs import environment, python

    env = environment(ROPEWALK_RUN="deadlock=perhaps,new-thing=1,lock-order")
    done = python("-c", "import threading; print(threading.Lock.__module__)", under=STOCK, env=env)
    assert (done.stdout, done.stderr, done.returncode) == ("_thread\n", "", 0)


def test_report_reads_well() -> None:
    done = code("import ropewalk; print(ropewalk.install())", under=STOCK)
    assert done.stdout == "InstallReport(fallback='', unreached=())\n"
