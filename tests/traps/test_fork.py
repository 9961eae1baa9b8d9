"""Forks while threads are blocked in every way: what the child finds, and what the parent keeps."""

from __future__ import annotations

import os
import sys
from textwrap import dedent, indent

import pytest

from tests.traps.programs import succeeds
from tests.traps.ways import WAYS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

_TOOLS = """
name = sys.argv[1]
Kind = WAYS[name]
main = threading.main_thread()

def in_a_child(check):
    # Its code runs in the child; all must be well there.
    child = os.fork()
    if child == 0:
        code = 1
        try:
            check()
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    ends_well(child)

def ends_well(child):
    end = time.monotonic() + LIMIT
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            assert status == 0, f"the child ended with {status}"
            return
        if time.monotonic() > end:
            os.kill(child, signal.SIGABRT)
            os.waitpid(child, 0)
            raise AssertionError("the child hangs")
        time.sleep(0.001)

def blocked_in(way, count):
    threads = [threading.Thread(target=way.block, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    until_blocked(*threads)
    return threads

def use_again(way):
    # What the child does with a way in which the parent's threads are blocked.
    assert _ropewalk.blocked_threads() == []
    if name == "RLock":
        assert not way.lock.acquire(False), "it belongs to a thread of the parent"
        way.lock._at_fork_reinit()
        way.hold()
    elif name == "Barrier":
        way.barrier.reset()
    elif name in ("Join", "TimerJoin"):
        assert way.block() is True, "a thread of the parent has ended, here"
        way.undo()
    # No waiter of the parent takes the wake that is meant for a new one.
    works(way)
"""


@pytest.mark.parametrize("name", WAYS)
def test_the_child_of_a_process_with_blocked_threads_can_use_everything(name: str) -> None:
    program = """
    way, again = Kind(), Kind()
    one_by_one = Kind.many and not Kind.all_at_once and not Kind.thread_bound
    threads = blocked_in(way, 3 if one_by_one else 1)
    def check():
        use_again(way)
        # And what nobody was blocked in, and what is made there.
        works(Kind())
        assert threading.active_count() >= 1 and threading.main_thread() is main
        assert not any(thread.is_alive() for thread in threads)
    in_a_child(check)
    in_a_child(check)
    # The parent: as if nothing had been.
    for thread in threads:
        way.unblock()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()
    works(again)
    """
    succeeds(_TOOLS + dedent(program), name)


@pytest.mark.parametrize("name", WAYS)
def test_a_fork_in_a_signal_handler_while_the_main_thread_is_blocked(name: str) -> None:
    program = """
    way, used = Kind(), Kind()
    others = blocked_in(used, 1)
    forked = []
    def handler(number, frame):
        def check():
            # The wait that was interrupted is still there, but for nobody to see.
            assert set(_ropewalk.blocked_threads()) <= {main.ident}
            works(Kind())
        in_a_child(check)
        forked.append(number)
    signal.signal(signal.SIGUSR1, handler)
    def later():
        until_blocked(main)
        os.kill(os.getpid(), signal.SIGUSR1)
        until(lambda: forked)
        until_blocked(main)
        way.unblock()
    thread = threading.Thread(target=later)
    thread.start()
    assert way.block() is True
    thread.join()
    used.unblock()
    others[0].join(LIMIT)
    assert not others[0].is_alive()
    """
    succeeds(_TOOLS + dedent(program), name)


def test_what_the_forking_thread_holds_is_held_in_the_child() -> None:
    program = """
    lock, rlock, semaphore = threading.Lock(), threading.RLock(), threading.Semaphore(3)
    event, condition, items = threading.Event(), threading.Condition(), queue.Queue()
    lock.acquire(), rlock.acquire(), rlock.acquire(), semaphore.acquire()
    event.set(), items.put(1), items.put(2)
    def check():
        assert lock.locked() and rlock._is_owned() and rlock._recursion_count() == 2
        assert semaphore._value == 2 and event.is_set()
        rlock.release(), rlock.release(), lock.release()
        try:
            rlock.release()
            raise AssertionError("released too often")
        except RuntimeError:
            pass
        assert [items.get(), items.get()] == [1, 2]
        assert items.unfinished_tasks == 2
        with condition:
            assert not condition.wait(0.01)
    def fork_with_it():
        in_a_child(check)
        assert rlock._recursion_count() == 2 and lock.locked()
    fork_with_it()
    assert items.qsize() == 2
    # From another thread than the main one, which is the main one in the child.
    lock.release(), rlock.release(), rlock.release()
    failed = []
    def elsewhere():
        me = threading.current_thread()
        lock.acquire(), rlock.acquire(), rlock.acquire()
        def check_there():
            assert threading.main_thread() is me
            check()
        try:
            in_a_child(check_there)
        except AssertionError as error:
            failed.append(error)
        lock.release(), rlock.release(), rlock.release()
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert not failed, failed
    """
    succeeds(_TOOLS + dedent(program), "Lock")


def test_locks_of_other_threads_stay_locked_and_can_be_made_free() -> None:
    program = """
    lock, rlock = threading.Lock(), threading.RLock()
    condition = threading.Condition()
    held, go = Pipe(), Pipe()
    def hold():
        with lock, rlock, condition:
            held.tell()
            go.wait()
    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    held.wait()
    def check():
        assert lock.locked() and not lock.acquire(False) and not lock.acquire(timeout=0.01)
        assert not rlock.acquire(False) and not rlock.acquire(timeout=0.01)
        assert not condition.acquire(False)
        for each in (lock, rlock, condition):
            each._at_fork_reinit()
            with each:
                pass
        assert repr(lock).startswith("<unlocked") and repr(rlock).startswith("<unlocked")
    in_a_child(check)
    go.tell()
    thread.join()
    with lock, rlock, condition:
        pass
    """
    succeeds(_TOOLS + dedent(program), "Lock")


def test_hooks_of_users_run_with_everything_usable() -> None:
    program = """
    lock, items, ran = threading.RLock(), queue.Queue(), []
    def before():
        lock.acquire()
        ran.append("before")
    def after(where):
        lock.release()
        items.put(where)
        ran.append(items.get())
        thread = threading.Thread(target=ran.append, args=("thread",))
        thread.start()
        thread.join()
    os.register_at_fork(
        before=before,
        after_in_parent=lambda: after("parent"),
        after_in_child=lambda: after("child"),
    )
    way = Kind()
    blocked = blocked_in(way, 1)
    def check():
        assert ran == ["before", "child", "thread"], ran
    in_a_child(check)
    assert ran == ["before", "parent", "thread"], ran
    """
    succeeds(_TOOLS + dedent(program), "Condition")


def test_forks_from_many_threads_while_others_contend() -> None:
    program = """
    lock, condition, items = threading.Lock(), threading.Condition(), queue.Queue(2)
    semaphore, event, stop = threading.Semaphore(2), threading.Event(), False
    counts = [0] * 3
    def contend(me):
        while not stop:
            with lock:
                counts[me] += 1
            with condition:
                condition.notify()
                condition.wait(0.001)
            with semaphore:
                pass
            items.put(me)
            items.get()
            event.set(), event.wait(0.01), event.clear(), event.wait(0.0001)
            timer = threading.Timer(0.0001, int)
            timer.start()
            timer.cancel()
    def check():
        # Each of these may belong to a thread that is not here.
        for each in (lock, condition):
            each._at_fork_reinit()
        with lock, condition:
            assert not condition.wait(0.001)
        for each in WAYS.values():
            works(each())
    failed = []
    def fork():
        try:
            for _ in range(5):
                in_a_child(check)
        except BaseException as error:
            failed.append(error)
    busy = [threading.Thread(target=contend, args=(me,)) for me in range(3)]
    forking = [threading.Thread(target=fork) for _ in range(3)]
    for thread in busy + forking:
        thread.start()
    for thread in forking:
        thread.join()
    stop = True
    for thread in busy:
        thread.join(LIMIT)
        assert not thread.is_alive()
    assert not failed, failed
    assert all(counts)
    """
    succeeds(_TOOLS + dedent(program), "Lock")


def test_a_forked_child_exits_as_a_process_does() -> None:
    """Through the interpreter's exit: it joins its own threads, and not those of the parent."""
    program = """
    way = Kind()
    blocked_in(way, 2)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        def late():
            time.sleep(0.05)
            print("late", flush=True)
        threading.Thread(target=late).start()
        threading.Thread(target=Kind().block, daemon=True).start()
        sys.exit(0)
    ends_well(child)
    """
    assert succeeds(_TOOLS + dedent(program), "Condition") == "late\n"


# What has the runtime want a thread of its own, in the child of a fork.
_WANTS_A_THREAD = {
    "a wait": "threading.Event().wait(0.001)",
    "a timer": "timer = threading.Timer(0.01, int); timer.start(); timer.join()",
    "habitual wakes": """
        ping, pong = threading.Semaphore(0), threading.Semaphore(0)
        def partner():
            for _ in range(100):
                ping.acquire()
                pong.release()
        thread = threading.Thread(target=partner)
        thread.start()
        for _ in range(100):
            ping.release()
            pong.acquire()
        thread.join()
    """,
    "a suspicion": """
        _ropewalk.set_suspect_grace(3600)
        first, second, both = threading.Lock(), threading.Lock(), threading.Barrier(2)
        def cross(one, other):
            with one:
                both.wait()
                other.acquire()
        threads = [threading.Thread(target=cross, args=each)
                   for each in ((first, second), (second, first))]
        for thread in threads:
            thread.start()
        until_blocked(*threads)
        first.release()
        for thread in threads:
            thread.join()
    """,
}


@pytest.mark.parametrize("what", _WANTS_A_THREAD)
def test_a_child_that_was_forked_by_a_thread_ends_with_its_last_thread(what: str) -> None:
    """No main function of it returns: none of the runtime's own threads may be left over."""
    program = """
    failed = []
    def fork():
        child = os.fork()
        if child == 0:
            wants_a_thread()
            return
        try:
            ends_well(child)
        except AssertionError as error:
            failed.append(error)
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
    assert not failed, failed
    """
    wants = "def wants_a_thread():\n" + indent(dedent(_WANTS_A_THREAD[what]), "    ")
    succeeds(_TOOLS + wants + dedent(program), "Event")


def test_multiprocessing_with_fork() -> None:
    program = """
    import multiprocessing
    context = multiprocessing.get_context("fork")
    way = Kind()
    blocked_in(way, 2)
    def work(inbox, outbox):
        works(Kind())
        for item in iter(inbox.get, None):
            outbox.put(item * item)
    inbox, outbox = context.Queue(), context.Queue()
    workers = [context.Process(target=work, args=(inbox, outbox)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for item in range(100):
        inbox.put(item)
    for _ in workers:
        inbox.put(None)
    assert sorted(outbox.get(timeout=LIMIT) for _ in range(100)) == [i * i for i in range(100)]
    for worker in workers:
        worker.join(LIMIT)
        assert worker.exitcode == 0
    with context.Pool(2) as pool:
        assert pool.map(abs, range(-50, 0)) == list(range(50, 0, -1))
    way.unblock(), way.unblock()
    """
    succeeds(_TOOLS + dedent(program), "Semaphore")


def test_forks_while_timers_fire() -> None:
    """A thread of the runtime makes itself known to Python without the GIL.

    CPython 3.11 takes a lock for that, which the child of a fork in that moment waited for.
    """
    program = """
    stop = False
    def fire():
        while not stop:
            timers = [threading.Timer(0, int) for _ in range(20)]
            for timer in timers:
                timer.start()
            for timer in timers:
                timer.join()
    threads = [threading.Thread(target=fire) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(600):
        in_a_child(lambda: None)
    stop = True
    for thread in threads:
        thread.join()
    """
    succeeds(_TOOLS + dedent(program), "Condition")


def test_deadlocks_are_found_in_a_child() -> None:
    """The parent's threads and what they wait for do not count there."""
    program = """
    way = Kind()
    blocked_in(way, 2)
    def check():
        lock = threading.Lock()
        lock.acquire()
        try:
            lock.acquire()
            raise AssertionError("not found")
        except _ropewalk.DeadlockError as error:
            assert "the only thread waits" in str(error) or "waits for itself" in str(error), error
    in_a_child(check)
    """
    succeeds(_TOOLS + dedent(program), "Event")


# What needs threads of the runtime's own, and leaves none of the program's.
_LEAVES_NO_THREAD = {
    "a timer": _WANTS_A_THREAD["a timer"],
    "habitual wakes": _WANTS_A_THREAD["habitual wakes"],
    "a suspicion": _WANTS_A_THREAD["a suspicion"],
    "a herd": """
        event = threading.Event()
        threads = [threading.Thread(target=event.wait) for _ in range(20)]
        for thread in threads:
            thread.start()
        until_blocked(*threads)
        event.set()
        for thread in threads:
            thread.join()
    """,
    "a pool": """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(abs, range(-9, 0))) == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    """,
}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="CPython warns from 3.12 on")
@pytest.mark.parametrize("what", _LEAVES_NO_THREAD)
def test_a_fork_does_not_warn_of_threads_that_are_not_the_programs(what: str) -> None:
    program = """
    import warnings
    import logging  # runs code of Python's after a fork
    for _ in range(3):
        leaves_no_thread()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            child = os.fork()
        if child == 0:
            os._exit(0)
        ends_well(child)
        assert not warned, warned[0].message
    leaves_no_thread()
    """
    leaves = "def leaves_no_thread():\n" + indent(dedent(_LEAVES_NO_THREAD[what]), "    ")
    succeeds(_TOOLS + leaves + dedent(program), "Event")


def test_the_runner_of_timers_does_not_keep_a_child_going_that_a_thread_forked() -> None:
    program = """
    def runners():
        tasks = [f"/proc/self/task/{task}/comm" for task in os.listdir("/proc/self/task")]
        return [task for task in tasks if open(task).read().startswith("ropewalk-timer")]
    def fork():
        child = os.fork()
        if child == 0:
            timer = threading.Timer(0.01, int)
            timer.start()
            timer.join()
            # It stays for seconds where there is a main thread.
            until = time.monotonic() + 2
            while runners() and time.monotonic() < until:
                time.sleep(0.01)
            os._exit(len(runners()))
        ends_well(child)
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
    """
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("the threads are not told here")
    succeeds(_TOOLS + dedent(program), "Event")


@pytest.mark.parametrize("pause", [0.0, 0.001, 0.005, 0.02])
def test_a_child_can_import_what_a_message_was_importing(pause: float) -> None:
    """The first message of a deadlock needs modules, of the stdlib as well."""
    program = """
    def cross():
        first, second, both = threading.RLock(), threading.RLock(), threading.Barrier(2)
        def take(one, other):
            with one:
                both.wait()
                try:
                    with other:
                        pass
                except ropewalk.DeadlockError as error:
                    told.append(str(error))
        threads = [threading.Thread(target=take, args=each)
                   for each in ((first, second), (second, first))]
        for thread in threads:
            thread.start()
        return threads
    import ropewalk
    told = []
    threads = cross()
    time.sleep(float(sys.argv[2]))
    child = os.fork()
    if child == 0:
        import inspect, tokenize
        told.clear()
        for thread in cross():
            thread.join()
        os._exit(len(told) - 1)
    ends_well(child)
    for thread in threads:
        thread.join()
    assert len(told) == 1
    """
    succeeds(_TOOLS + dedent(program), "Event", str(pause))


_CANNOT = pytest.mark.skipif(
    sys.version_info[:2] == (3, 12), reason="CPython 3.12 refuses to fork there"
)


@pytest.mark.parametrize(
    "last", [pytest.param("timer.join()", id="join"), pytest.param("", id="exit", marks=_CANNOT)]
)
def test_a_fork_in_a_handler_while_a_timer_that_runs_is_waited_for(last: str) -> None:
    program = """
    began, goes = threading.Event(), threading.Event()
    def run():
        began.set()
        goes.wait(LIMIT)
    def handler(number, frame):
        # What is waited for is over in the child, which goes on and exits.
        child = os.fork()
        if child:
            try:
                ends_well(child)
            except BaseException:
                os._exit(3)
            goes.set()
    signal.signal(signal.SIGALRM, handler)
    timer = threading.Timer(0.001, run)
    timer.start()
    assert began.wait(LIMIT)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    """
    succeeds(_TOOLS + dedent(program) + last, "Lock")
