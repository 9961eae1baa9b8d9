"""Deadlocks that are certain: one of the threads gets a DeadlockError, and the program goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deadlock.programs import plain, run, silent

if TYPE_CHECKING:
    from pathlib import Path


def test_the_same_lock_twice_through_a_method_that_calls_another(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import threading
        class Account:
            def __init__(self):
                self.lock = threading.Lock()
            def add(self):
                with self.lock:
                    self.log()
            def log(self):
                with self.lock:
                    print("never")
        Account().add()
        """,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert plain(done.stderr).endswith(
        """
ropewalk.DeadlockError: a thread waits for itself

Thread 'MainThread'
  waits for Lock made at program.py:4, held by 'MainThread', since T:
    File "program.py", line 11, in <module>
      Account().add()
    File "program.py", line 7, in add
      self.log()
    File "program.py", line 9, in log
      with self.lock:
  holds Lock made at program.py:4, which 'MainThread' waits for:
    File "program.py", line 11, in <module>
      Account().add()
    File "program.py", line 6, in add
      with self.lock:
"""
    )


def test_it_can_be_caught_and_the_program_goes_on(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import threading, ropewalk
        lock = threading.Lock()
        with lock:
            for _ in range(3):
                try:
                    lock.acquire()
                except RuntimeError as error:
                    assert type(error) is ropewalk.DeadlockError
            assert not lock.acquire(timeout=0.01)
            assert not lock.acquire(False)
        print(lock.locked(), lock.acquire())
        """,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("False True\n", "", 0)


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_two_locks_in_opposite_order(tmp_path: Path, kind: str) -> None:
    """One thread is refused and lets its lock go, so that the other one gets both."""
    done = run(
        tmp_path,
        f"""
        import threading
        a = threading.{kind}()
        b = threading.{kind}()
        both_have_one = threading.Barrier(2)
        def one():
            with a:
                both_have_one.wait()
                with b:
                    print("both")
        def two():
            with b:
                both_have_one.wait()
                with a:
                    print("both")
        threads = [threading.Thread(target=each, name=each.__name__) for each in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print("end")
        """,
    )
    assert done.stdout == "both\nend\n"
    assert done.returncode == 0
    text = plain(done.stderr)
    assert text.count("DeadlockError") == 1
    assert "ropewalk.DeadlockError: 2 threads wait for each other" in text
    one, two = (
        f"""
Thread 'one'
  waits for {kind} made at program.py:3, held by 'two', since T:
    File "program.py", line 8, in one
      with b:
  holds {kind} made at program.py:2, which 'two' waits for:
    File "program.py", line 6, in one
      with a:
""",
        f"""
Thread 'two'
  waits for {kind} made at program.py:2, held by 'one', since T:
    File "program.py", line 13, in two
      with a:
  holds {kind} made at program.py:3, which 'one' waits for:
    File "program.py", line 11, in two
      with b:
""",
    )
    assert one in text
    assert two in text
    # The thread that closed the cycle, which is the one that gets the error, stands first.
    first, second = (one, two) if "Exception in thread one" in text else (two, one)
    assert text.index(first) < text.index(second)


def test_a_cycle_of_rlocks_is_certain_though_others_run(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import threading
        from tests.traps.ways import outsider
        outside = outsider()
        locks = [threading.RLock() for _ in range(3)]
        all_have_one = threading.Barrier(3)
        def work(i):
            with locks[i]:
                all_have_one.wait()
                with locks[(i + 1) % 3]:
                    print("both")
        threads = [threading.Thread(target=work, args=(i,), name=f"T{i}") for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        """,
    )
    assert (done.stdout, done.returncode) == ("both\nboth\n", 0)
    text = plain(done.stderr)
    assert text.count("DeadlockError: 3 threads wait for each other") == 1
    for i in range(3):
        assert f"Thread 'T{i}'\n  waits for RLock made at program.py:4, held by" in text


def test_a_ring_of_three_plain_locks(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import threading
        locks = [threading.Lock() for _ in range(3)]
        all_have_one = threading.Barrier(3)
        def work(i):
            with locks[i]:
                all_have_one.wait()
                with locks[(i + 1) % 3]:
                    print("both")
        threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        """,
    )
    assert (done.stdout, done.returncode) == ("both\nboth\n", 0)
    assert done.stderr.count("DeadlockError: 3 threads wait for each other") == 1


def test_threads_that_join_each_other(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import threading
        from tests.traps.ways import outsider
        outside = outsider()
        ready = threading.Barrier(2)
        def one():
            ready.wait()
            two_thread.join()
        def two():
            ready.wait()
            one_thread.join()
        one_thread = threading.Thread(target=one, name="one")
        two_thread = threading.Thread(target=two, name="two")
        one_thread.start(), two_thread.start()
        one_thread.join(), two_thread.join()
        print("end")
        """,
    )
    assert (done.stdout, done.returncode) == ("end\n", 0)
    text = plain(done.stderr)
    assert text.count("DeadlockError: 2 threads wait for each other") == 1
    assert "waits for the end of thread 'two', since T:" in text
    assert "waits for the end of thread 'one', since T:" in text
    assert "holds" not in text


def test_a_thread_that_joins_main_which_waits_for_its_lock(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import threading
        lock, ready = threading.RLock(), threading.Barrier(2)
        def work():
            with lock:
                ready.wait()
                threading.main_thread().join()
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        ready.wait()
        try:
            lock.acquire()
        except RuntimeError:
            print("refused")
        """,
    )
    # Whichever closed it.
    assert done.stdout == "refused\n" or "Exception in thread worker" in done.stderr
    assert (done.stderr + done.stdout).count("waits for the end of thread 'MainThread'") <= 1
    assert done.returncode == 0


WAITS_ALONE = {
    "Condition": ("c = threading.Condition()", "with c: c.wait()"),
    "Condition.wait_for": ("c = threading.Condition()", "with c: c.wait_for(lambda: False)"),
    "Condition over Lock": ("c = threading.Condition(threading.Lock())", "with c: c.wait()"),
    "Semaphore": ("s = threading.Semaphore(0)", "s.acquire()"),
    "BoundedSemaphore": ("s = threading.BoundedSemaphore(0)", "s.acquire()"),
    "Barrier": ("b = threading.Barrier(2)", "b.wait()"),
    "Queue.get": ("q = queue.Queue()", "q.get()"),
    "LifoQueue.get": ("q = queue.LifoQueue()", "q.get()"),
    "PriorityQueue.get": ("q = queue.PriorityQueue()", "q.get()"),
    "SimpleQueue.get": ("q = queue.SimpleQueue()", "q.get()"),
    "Queue.put": ("q = queue.Queue(1); q.put(1)", "q.put(1)"),
    "LifoQueue.put": ("q = queue.LifoQueue(1); q.put(1)", "q.put(1)"),
    "PriorityQueue.put": ("q = queue.PriorityQueue(1); q.put(1)", "q.put(1)"),
    "Queue.join": ("q = queue.Queue(); q.put(1)", "q.join()"),
    "LifoQueue.join": ("q = queue.LifoQueue(); q.put(1)", "q.join()"),
    "PriorityQueue.join": ("q = queue.PriorityQueue(); q.put(1)", "q.join()"),
}


@pytest.mark.parametrize("what", WAITS_ALONE)
def test_the_only_thread_waits(tmp_path: Path, what: str) -> None:
    made, wait = WAITS_ALONE[what]
    done = run(tmp_path, f"import queue, threading\n{made}\n{wait}\n")
    assert done.returncode == 1
    text = plain(done.stderr)
    message = "the only thread waits, and nothing is left that could wake it"
    assert f"ropewalk.DeadlockError: {message}\n" in text
    kind = what.split()[0].replace(".wait_for", "")
    assert f"waits for {kind} made at program.py:2, since T:" in text
    assert f"line 3, in <module>\n      {wait}" in text


def test_the_lock_of_a_refused_condition_is_held_again(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import threading
        c = threading.Condition()
        with c:
            try:
                c.wait()
            except RuntimeError:
                print(c._is_owned(), c._lock._recursion_count(), c._waiters)
        print(c._is_owned())
        """,
    )
    assert (done.stdout, done.stderr) == ("True 1 deque([])\nFalse\n", "")


def test_a_producer_dies_and_its_consumers_wait(tmp_path: Path) -> None:
    """Main, which joins them, is told instead of hanging; and then the exit, which does so too."""
    done = run(
        tmp_path,
        """
        import queue, threading
        items = queue.Queue()
        def produce():
            items.put(1)
            raise ValueError("the producer is broken")
        def consume():
            while items.get() is not None:
                pass
        consumers = [threading.Thread(target=consume, name=f"consumer {i}") for i in range(2)]
        for thread in consumers:
            thread.start()
        threading.Thread(target=produce).start()
        for thread in consumers:
            thread.join()
        """,
    )
    assert done.returncode == 1
    text = plain(done.stderr)
    assert "ValueError: the producer is broken" in text
    message = "all 3 threads wait, and nothing is left that could wake them"
    assert f"ropewalk.DeadlockError: {message}\n" in text
    for i in range(2):
        assert f"Thread 'consumer {i}'\n  waits for Queue.get made at program.py:2, since T" in text
    assert "Thread 'MainThread'\n  waits for the end of thread 'consumer" in text


def test_all_threads_wait_for_a_semaphore(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import threading
        seats = threading.Semaphore(0)
        threads = [threading.Thread(target=seats.acquire, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            seats.acquire()
        except RuntimeError as error:
            print(str(error).split(",")[0])
        """,
    )
    # Whoever came last; if that was not main, main is alone with the others and is next.
    assert done.returncode == 0
    assert done.stdout in (f"all {n} threads wait\n" for n in (2, 3, 4)) or (
        done.stdout == "the only thread waits\n"
    )


def test_a_raw_thread_ends_with_the_lock(tmp_path: Path) -> None:
    """It does not tell that it is about to end; the system's list of threads does."""
    done = run(
        tmp_path,
        """
        import _thread, threading
        lock, taken = threading.Lock(), threading.Event()
        def take():
            lock.acquire()
            taken.set()
        _thread.start_new_thread(take, ())
        taken.wait()
        lock.acquire()
        """,
    )
    assert done.returncode == 1
    assert "DeadlockError: the only thread waits" in done.stderr
    assert "held by thread 0x" in done.stderr


def test_the_notifier_ends_with_the_lock_of_the_condition(tmp_path: Path) -> None:
    """The only thread was notified, and waits for the lock already."""
    done = run(
        tmp_path,
        """
        import threading, time
        condition = threading.Condition(threading.Lock())
        def take():
            # The main thread looks for signals for the last time of its own accord before that.
            time.sleep(0.5)
            condition.acquire()
            condition.notify()
        condition.acquire()
        threading.Thread(target=take).start()
        condition.wait()
        """,
    )
    assert done.returncode == 1
    assert "DeadlockError: the only thread waits" in done.stderr
    assert "waits for Lock made at" in done.stderr


def test_the_exit_waits_for_a_thread_that_can_never_end(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import threading
        lock = threading.Lock()
        def work():
            with lock:
                with lock:
                    pass
        threading.Thread(target=work, name="worker").start()
        print("end of main")
        """,
    )
    assert done.stdout == "end of main\n"
    assert "DeadlockError" in done.stderr
    assert "Thread 'worker'\n  waits for Lock made at" in done.stderr


def test_daemon_threads_that_wait_for_each_other_do_not_keep_the_program(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import threading
        from tests.traps.ways import until_blocked
        lock = threading.Lock()
        lock.acquire()
        threads = [threading.Thread(target=lock.acquire, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        until_blocked(*threads)
        print("end of main")
        """,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("end of main\n", "", 0)


def test_in_a_destructor_when_the_modules_are_gone(tmp_path: Path) -> None:
    """All other threads have been ended by then: refused before a deadlock is looked for."""
    program = """
        import os, sys, threading
        lock = threading.Lock()
        lock.acquire()
        class Late:
            def __del__(self, lock=lock, write=os.write, Error=RuntimeError, str=str):
                try:
                    lock.acquire()
                except Error as error:
                    write(1, str(error).encode())
        sys.late = Late()
        """
    assert silent(tmp_path, program) == "cannot acquire lock at interpreter finalization"


def test_a_thread_with_no_code_of_the_program(tmp_path: Path) -> None:
    """`Thread(target=jobs.get)`: what it waits for is all that there is to be shown."""
    done = run(
        tmp_path,
        """
        import queue, threading
        from tests.traps.ways import until_blocked
        jobs, results = queue.Queue(), queue.Queue()
        worker = threading.Thread(target=jobs.get, name="worker", daemon=True)
        worker.start()
        until_blocked(worker)
        results.get()
        """,
    )
    text = plain(done.stderr)
    told = "Thread 'worker'\n  waits for Queue.get made at program.py:3, since T:\n    (called by "
    assert told in text
