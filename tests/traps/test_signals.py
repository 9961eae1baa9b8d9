"""Signals in the main thread while it is blocked, in every way there is."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.traps.programs import succeeds
from tests.traps.ways import MANY, TIMED, WAYS

# `tell_when_blocked` runs its argument in another thread as soon as the main thread is blocked.
_TOOLS = """
way = WAYS[sys.argv[1]]()
outside = outsider()
main = threading.main_thread()
class Stop(Exception): pass

def when_blocked(action):
    # start() waits as well: only what main waits for after it is meant.
    started = []
    def run():
        while not started:
            time.sleep(0.001)
        until_blocked(main)
        action()
    thread = threading.Thread(target=run)
    thread.start()
    started.append(True)
    return thread

def send(number=signal.SIGINT):
    os.kill(os.getpid(), number)
"""


@pytest.mark.parametrize("name", WAYS)
def test_ctrl_c_ends_the_wait_at_once_and_loses_nothing(name: str) -> None:
    program = """
    for _ in range(3):
        sent = []
        sender = when_blocked(lambda: (sent.append(time.monotonic()), send()))
        try:
            way.block()
            sys.exit("not interrupted")
        except KeyboardInterrupt:
            late = time.monotonic() - sent[0]
        sender.join()
        assert late < 5, late
        assert main.ident not in _ropewalk.blocked_threads()
        works(way)
    """
    succeeds(_TOOLS + dedent(program), name)


@pytest.mark.parametrize("name", MANY)
def test_a_wake_that_crosses_the_exception_goes_to_the_next_waiter(name: str) -> None:
    """The handler unblocks the way, which chooses the main thread, as it came first, and raises."""
    program = """
    def handler(number, frame):
        way.unblock()
        raise Stop
    signal.signal(signal.SIGUSR1, handler)
    got = []
    def second():
        until_blocked(main)
        got.append(way.block())
    thread = threading.Thread(target=second, daemon=True)
    thread.start()
    sender = threading.Thread(target=lambda: (until_blocked(main, thread), send(signal.SIGUSR1)))
    sender.start()
    try:
        way.block()
        sys.exit("the handler's exception is lost")
    except Stop:
        pass
    thread.join(LIMIT)
    assert got == [True], "the wake is lost"
    sender.join()
    """
    succeeds(_TOOLS + dedent(program), name)


@pytest.mark.parametrize("name", TIMED)
def test_a_handler_that_returns_leaves_the_deadline_where_it_was(name: str) -> None:
    program = """
    handled = []
    signal.signal(signal.SIGALRM, lambda number, frame: handled.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    # Once, unless the machine has too much else to do for several signals in that time.
    while len(handled) < 3:
        began = time.monotonic()
        assert way.block(0.3) is False
        took = time.monotonic() - began
        assert 0.299 < took < 5, took
    signal.setitimer(signal.ITIMER_REAL, 0)
    works(way)
    """
    succeeds(_TOOLS + dedent(program), name)


@pytest.mark.parametrize("name", [name for name in WAYS if name != "Barrier"])
def test_a_handler_may_unblock_what_its_thread_waits_for(name: str) -> None:
    program = """
    signal.signal(signal.SIGUSR1, lambda number, frame: way.unblock())
    sender = when_blocked(lambda: send(signal.SIGUSR1))
    assert way.block() is True
    way.undo()
    sender.join()
    works(way)
    """
    succeeds(_TOOLS + dedent(program), name)


@pytest.mark.parametrize("name", TIMED)
def test_a_handler_may_wait_for_the_same_as_its_thread(name: str) -> None:
    program = """
    inner = []
    signal.signal(signal.SIGUSR1, lambda number, frame: inner.append(way.block(0.01)))
    sender = when_blocked(lambda: (send(signal.SIGUSR1), until(lambda: inner), way.unblock()))
    if sys.argv[1] == "Barrier":
        # Its handler comes as the second party, and breaks it for both when its time is up.
        way.block()
        sys.exit()
    assert way.block() is True
    assert inner == [False]
    way.undo()
    sender.join()
    works(way)
    """
    if name == "Barrier":
        pytest.skip("two threads that wait at a barrier of two are through")
    succeeds(_TOOLS + dedent(program), name)


@pytest.mark.parametrize("name", ["Lock", "RLock"])
def test_a_handler_may_take_the_lock_that_its_thread_waits_for(name: str) -> None:
    program = """
    lock = getattr(threading, sys.argv[1])()
    held, handles, taken = threading.Event(), threading.Event(), []
    def handler(number, frame):
        handles.set()
        with lock:
            taken.append("handler")
    def hold():
        with lock:
            held.set()
            until_blocked(main)
            send(signal.SIGUSR1)
            handles.wait()
            # Until the handler waits, behind its thread.
            time.sleep(0.05)
    signal.signal(signal.SIGUSR1, handler)
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with lock:
        taken.append("main")
    holder.join()
    assert taken == ["handler", "main"], taken
    """
    succeeds(_TOOLS.replace("way =", "# way =") + dedent(program), name)


@pytest.mark.parametrize("name", ["Lock", "RLock"])
def test_a_handler_may_take_the_lock_of_the_condition_that_its_thread_waits_for(name: str) -> None:
    program = """
    condition = threading.Condition(getattr(threading, sys.argv[1])())
    handles, notified, taken = threading.Event(), threading.Event(), []
    def handler(number, frame):
        handles.set()
        notified.wait()
        with condition:
            taken.append("handler")
    def notify():
        until_blocked(main)
        with condition:
            send(signal.SIGUSR1)
            handles.wait()
            condition.notify()
            notified.set()
            time.sleep(0.05)
    signal.signal(signal.SIGUSR1, handler)
    notifier = threading.Thread(target=notify)
    with condition:
        notifier.start()
        assert condition.wait() is True
        taken.append("main")
    notifier.join()
    assert taken == ["handler", "main"], taken
    """
    succeeds(_TOOLS.replace("way =", "# way =") + dedent(program), name)


GIVEN = {
    "a lock": (
        "lock.acquire(); sender.start(); lock.acquire(); lock.release()",
        "lock.release()",
        "assert lock.acquire(timeout=20), 'its thread has it'; lock.release()",
    ),
    "a condition's lock": (
        "lock.acquire(); sender.start(); condition.wait(); lock.release()",
        "with lock: condition.notify()",
        "assert lock.acquire(timeout=20), 'its thread has it'; lock.release()",
    ),
    "an item": (
        "sender.start(); assert items.get() == 'main'",
        "items.put('handler')",
        "assert items.get() == 'handler'; items.put('main')",
    ),
    "an item of a queue with a hook": (
        "sender.start(); assert hooked.get() == 'thread'; assert hooked.get() == 'handler'",
        "hooked.put('thread')",
        "hooked.put('handler')",
    ),
    "a permit": (
        "sender.start(); permits.acquire()",
        "permits.release()",
        "assert permits.acquire(timeout=20), 'its thread has it'; permits.release()",
    ),
}


@pytest.mark.parametrize("name", GIVEN)
def test_what_its_thread_is_given_before_a_handler_runs_is_given_back(name: str) -> None:
    """The signal comes first, but who sends it keeps the GIL until it has given."""
    wait, give, handle = GIVEN[name]
    program = f"""
    class Hooked(queue.Queue):
        def _put(self, item):
            super()._put(item)
    lock, items, hooked, permits = threading.Lock(), queue.Queue(), Hooked(), threading.Semaphore(0)
    condition = threading.Condition(lock)
    handled = []
    def handler(number, frame):
        {handle}
        handled.append(True)
    def busy():
        end = time.perf_counter() + 0.05
        while time.perf_counter() < end:
            pass
    def send_and_give():
        until_blocked(main)
        # Until it has looked for signals for the last time of its own accord.
        time.sleep(0.15)
        send(signal.SIGUSR1)
        busy()
        {give}
        busy()
    sys.setswitchinterval(1)
    signal.signal(signal.SIGUSR1, handler)
    sender = threading.Thread(target=send_and_give)
    {wait}
    sender.join()
    assert handled == [True]
    """
    succeeds(_TOOLS.replace("way =", "# way =") + dedent(program), name)


@pytest.mark.parametrize("name", ["Queue", "SimpleQueue"])
def test_a_handler_may_get_from_the_queue_that_its_thread_waits_for(name: str) -> None:
    program = """
    items = getattr(queue, sys.argv[1])()
    handles, handled, taken = threading.Event(), threading.Event(), []
    def handler(number, frame):
        handles.set()
        taken.append(("handler", items.get()))
        handled.set()
    def put():
        handles.wait()
        time.sleep(0.05)
        items.put(1)
        handled.wait()
        items.put(2)
    signal.signal(signal.SIGUSR1, handler)
    putter = threading.Thread(target=put)
    putter.start()
    sender = when_blocked(lambda: send(signal.SIGUSR1))
    taken.append(("main", items.get()))
    putter.join()
    sender.join()
    assert taken == [("handler", 1), ("main", 2)], taken
    """
    succeeds(_TOOLS.replace("way =", "# way =") + dedent(program), name)


def test_a_handler_may_take_the_permit_that_its_thread_waits_for() -> None:
    program = """
    permits, handles, taken = threading.Semaphore(0), threading.Event(), []
    def handler(number, frame):
        handles.set()
        with permits:
            taken.append("handler")
    def release():
        handles.wait()
        time.sleep(0.05)
        permits.release()
    signal.signal(signal.SIGUSR1, handler)
    releaser = threading.Thread(target=release)
    releaser.start()
    sender = when_blocked(lambda: send(signal.SIGUSR1))
    with permits:
        taken.append("main")
    releaser.join()
    sender.join()
    assert taken == ["handler", "main"], taken
    """
    succeeds(_TOOLS.replace("way =", "# way =") + dedent(program), "Semaphore")


def test_a_handler_may_submit_to_the_full_pool_that_its_thread_submits_to() -> None:
    program = """
    from ropewalk.futures import ThreadPoolExecutor
    go, handles, submitted, ran = threading.Event(), threading.Event(), [], []
    def handler(number, frame):
        handles.set()
        submitted.append(pool.submit(ran.append, "handler's"))
    def free():
        handles.wait()
        time.sleep(0.05)
        go.set()
    signal.signal(signal.SIGUSR1, handler)
    pool = ThreadPoolExecutor(1, max_pending=1)
    pool.submit(go.wait)
    until(lambda: pool._work_queue.qsize() == 0)
    pool.submit(ran.append, "first")
    freer = threading.Thread(target=free)
    freer.start()
    sender = when_blocked(lambda: send(signal.SIGUSR1))
    submitted.append(pool.submit(ran.append, "main's"))
    for future in submitted:
        future.result()
    assert ran == ["first", "handler's", "main's"], ran
    freer.join()
    sender.join()
    pool.shutdown()
    """
    succeeds(_TOOLS.replace("way =", "# way =") + dedent(program), "Semaphore")


@pytest.mark.parametrize("name", ["Condition", "ConditionOverLock", "ConditionOverUsersLock"])
def test_an_interrupted_condition_comes_back_with_the_lock(name: str) -> None:
    program = """
    released = []
    def hold_the_lock_and_interrupt():
        until_blocked(main)
        with way.condition:
            send()
            time.sleep(0.1)
            released.append(time.monotonic())
    holder = threading.Thread(target=hold_the_lock_and_interrupt)
    holder.start()
    try:
        with way.condition:
            try:
                way.condition.wait()
            finally:
                assert released, "back without the lock"
                assert way.condition._is_owned()
        sys.exit("not interrupted")
    except KeyboardInterrupt:
        pass
    holder.join()
    works(way)
    """
    succeeds(_TOOLS + dedent(program), name)


def test_a_second_ctrl_c_ends_the_wait_for_the_lock_as_well() -> None:
    program = """
    # Nobody will ever give it back.
    def hold_the_lock_and_interrupt():
        until_blocked(main)
        way.condition.acquire()
        send()
        until_blocked(main)
        # Until it is surely the lock that it waits for: its wait for a notification is over.
        until(lambda: not way.condition._waiters)
        until_blocked(main)
        send()
        outside.wait()
    threading.Thread(target=hold_the_lock_and_interrupt, daemon=True).start()
    way.condition.acquire()
    try:
        way.condition.wait()
        sys.exit("not interrupted")
    except KeyboardInterrupt:
        assert not way.condition._is_owned()
    """
    succeeds(_TOOLS + dedent(program), "Condition")


@pytest.mark.parametrize("name", ["RLock", "Lock"])
def test_ctrl_c_while_a_with_statement_waits_leaves_the_lock_to_its_holder(name: str) -> None:
    program = """
    sender = when_blocked(send)
    try:
        with way.lock:
            sys.exit("not interrupted")
    except KeyboardInterrupt:
        pass
    sender.join()
    assert not way.lock.acquire(False)
    works(way)
    """
    succeeds(_TOOLS + dedent(program), name)


def test_a_storm_of_signals_while_threads_contend() -> None:
    program = """
    lock, rlock, condition = threading.Lock(), threading.RLock(), threading.Condition()
    semaphore, items = threading.Semaphore(2), queue.Queue(3)
    total = {"lock": 0, "rlock": 0, "condition": 0, "semaphore": 0}
    inside, handled = [], []
    turn = 0
    ROUNDS, THREADS = 300, 3

    def handler(number, frame):
        handled.append(number)
        # Reentrant, and the only one that a handler can use while its thread may hold it.
        with rlock:
            total["rlock"] += 1

    def work(me):
        global turn
        for _ in range(ROUNDS):
            with lock:
                total["lock"] += 1
            with rlock, rlock:
                pass
            with condition:
                condition.wait_for(lambda: turn % THREADS == me)
                turn += 1
                total["condition"] += 1
                condition.notify_all()
            with semaphore:
                inside.append(me)
                assert len(inside) <= 2
                inside.remove(me)
            items.put(me)
            items.get()
            items.task_done()

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    threads = [threading.Thread(target=work, args=(me,)) for me in range(1, THREADS)]
    for thread in threads:
        thread.start()
    work(0)
    for thread in threads:
        thread.join()
    items.join()
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert total["lock"] == total["condition"] == ROUNDS * THREADS, total
    assert total["rlock"] == len(handled) > 5, (total, len(handled))
    assert items.empty() and not inside
    assert lock.acquire(False) and rlock.acquire(False)
    """
    succeeds(_TOOLS + dedent(program), "Lock")


def test_exceptions_of_handlers_while_threads_contend() -> None:
    """A wait that ended with an exception has taken nothing, and one that has not has taken it."""
    program = """
    def handler(number, frame):
        # Only within a wait, so that no exception comes between a success and its being noted.
        if main.ident in _ropewalk.blocked_threads():
            raise Stop
    signal.signal(signal.SIGALRM, handler)
    semaphore, condition, items = threading.Semaphore(1), threading.Condition(), queue.Queue()
    lock, stop = threading.Lock(), False
    def contend():
        while not stop:
            with semaphore:
                time.sleep(0.0002)
            with lock:
                time.sleep(0.0002)
            with condition:
                condition.notify()
            items.put(1)
    threads = [threading.Thread(target=contend, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    stopped = dict.fromkeys(["semaphore", "lock", "condition", "items"], 0)
    received = 0
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        try:
            semaphore.acquire()
            semaphore.release()
        except Stop:
            stopped["semaphore"] += 1
        try:
            lock.acquire()
            lock.release()
        except Stop:
            stopped["lock"] += 1
        try:
            condition.acquire()
            condition.wait()
        except Stop:
            stopped["condition"] += 1
        # Not if a second exception came while it took the lock again.
        if condition._is_owned():
            condition.release()
        try:
            items.get()
            received += 1
        except Stop:
            stopped["items"] += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    stop = True
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive(), "something is lost"
    assert semaphore._value == 1
    assert lock.acquire(False) and condition.acquire(False)
    assert stopped["semaphore"] and stopped["lock"], stopped
    """
    succeeds(_TOOLS + dedent(program), "Lock")
