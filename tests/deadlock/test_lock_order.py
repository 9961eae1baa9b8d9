"""`--lock-order`: two locks that are taken in both orders are told, though nothing hung."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deadlock.programs import plain, run, silent

if TYPE_CHECKING:
    from pathlib import Path

BOTH_ORDERS = """
import threading
a = threading.{first}()
b = threading.{second}()
def one():
    with a:
        with b:
            pass
def two():
    with b:
        with a:
            pass
for function in (one, two, one, two):
    thread = threading.Thread(target=function, name=function.__name__)
    thread.start()
    thread.join()
print("end")
"""


@pytest.mark.parametrize(
    ("first", "second"), [("Lock", "Lock"), ("Lock", "RLock"), ("RLock", "Condition")]
)
def test_both_orders_are_told_once(tmp_path: Path, first: str, second: str) -> None:
    done = run(tmp_path, BOTH_ORDERS.format(first=first, second=second), "--lock-order")
    assert (done.stdout, done.returncode) == ("end\n", 0)
    # A condition's own lock is an RLock, made where the condition was.
    inner = "RLock" if second == "Condition" else second
    a, b = f"{first} made at program.py:2", f"{inner} made at program.py:3"
    assert plain(done.stderr) == (
        "ropewalk: possible deadlock: two locks are taken in both orders\n"
        f"  thread two takes {b}\n"
        "    at program.py:9\n"
        f"  and then {a}\n"
        "    at program.py:10\n"
        f"  thread one takes {a}\n"
        "    at program.py:5\n"
        f"  and then {b}\n"
        "    at program.py:6\n"
        f"  take {b} and {a} in one order everywhere\n"
    )


def test_locks_that_were_made_at_one_line_are_told_once(tmp_path: Path) -> None:
    program = """
    import itertools, threading
    locks = [threading.Lock() for _ in range(5)]
    for one, two in itertools.permutations(locks, 2):
        with one:
            with two:
                pass
    """
    done = run(tmp_path, program, "--lock-order")
    assert plain(done.stderr) == (
        "ropewalk: possible deadlock: two Locks made at program.py:2 are taken in both orders\n"
        "  thread MainThread takes the first\n"
        "    at program.py:4\n"
        "  and then the second\n"
        "    at program.py:5\n"
        "  thread MainThread takes the second\n"
        "    at program.py:4\n"
        "  and then the first\n"
        "    at program.py:5\n"
        "  take all such locks in one order everywhere\n"
    )


def test_acquire_counts_as_with_does(tmp_path: Path) -> None:
    program = """
    import threading
    a, b = threading.Lock(), threading.RLock()
    a.acquire(); b.acquire(); b.release(); a.release()
    b.acquire(); a.acquire(timeout=1); a.release(); b.release()
    """
    done = run(tmp_path, program, "--lock-order")
    assert done.stderr.count("possible deadlock") == 1
    assert done.returncode == 0


@pytest.mark.parametrize("second", ["with lock:\n            pass", "lock.acquire(timeout=0.1)"])
def test_both_orders_are_told_though_the_program_hangs_at_once(tmp_path: Path, second: str) -> None:
    program = f"""
import threading
a, b = threading.Lock(), threading.Lock()
both = threading.Barrier(2)
def work(first, lock):
    with first:
        both.wait()
        {second}
threads = [threading.Thread(target=work, args=each, daemon=True) for each in ((a, b), (b, a))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(0.5)
"""
    done = run(tmp_path, program, "--lock-order")
    assert done.returncode == 0
    assert done.stderr.count("are taken in both orders") == 1, done.stderr
    assert plain(done.stderr).count("    at program.py:7\n") == 2


def test_nothing_is_told_without_the_option(tmp_path: Path) -> None:
    assert silent(tmp_path, BOTH_ORDERS.format(first="Lock", second="Lock")) == "end\n"


def test_one_order_and_a_lock_that_is_taken_again_are_no_inversion(tmp_path: Path) -> None:
    program = """
    import threading
    a, b, again = threading.Lock(), threading.Lock(), threading.RLock()
    for _ in range(3):
        with a, b:
            pass
        with a:
            pass
        with b:
            pass
        # Held already when the other is taken: no wait is possible.
        with again, a, again:
            pass
        # Released in another order than that of taking.
        a.acquire(); b.acquire(); a.release(); b.release()
    # Somebody else releases what this thread took.
    a.acquire()
    thread = threading.Thread(target=a.release)
    thread.start()
    thread.join()
    # Made anew each time, perhaps at the same address.
    for turn in range(100):
        x, y = threading.Lock(), threading.Lock()
        with x, y:
            pass
        del x, y
    print("end")
    """
    assert silent(tmp_path, program, "--lock-order") == "end\n"


def test_a_lock_that_is_only_tried_makes_no_order_but_is_held(tmp_path: Path) -> None:
    program = """
    import threading
    a, b, c = threading.Lock(), threading.RLock(), threading.Lock()
    def try_both():
        for arguments in ((False,), (True, 0)):
            assert a.acquire(*arguments) and b.acquire(*arguments)
            b.release(), a.release()
    with a, b:
        pass
    with b:
        assert a.acquire(blocking=False)
        a.release()
    with c, b:
        pass
    try_both()
    """
    assert silent(tmp_path, program, "--lock-order") == ""
    program += """
    assert b.acquire(blocking=False)
    with c:
        pass
    """
    done = run(tmp_path, program, "--lock-order")
    assert done.stderr.count("possible deadlock") == 1


def test_what_is_released_by_another_thread_is_not_held(tmp_path: Path) -> None:
    program = """
    import threading
    signal, data = threading.Lock(name="signal"), threading.Lock(name="data")
    with data, signal:
        pass
    for _ in range(3):
        signal.acquire()
        thread = threading.Thread(target=signal.release)
        thread.start()
        thread.join()
        with data:
            pass
    # Gone while they are held; perhaps at the same address.
    for _ in range(100):
        lost = threading.RLock()
        lost.acquire(), lost.acquire()
        del lost
        with data:
            pass
    # Two threads that take turns by locks that the other one releases.
    a, b = threading.Lock(), threading.Lock()
    a.acquire(), b.acquire()
    def pong():
        for _ in range(2000):
            a.acquire()
            b.release()
    thread = threading.Thread(target=pong)
    thread.start()
    for _ in range(2000):
        a.release()
        b.acquire()
    thread.join()
    print("end")
    """
    assert silent(tmp_path, program, "--lock-order") == "end\n"


def test_what_a_condition_waits_without_is_not_held(tmp_path: Path) -> None:
    text = """
    import os, signal, threading
    lock, other = threading.RLock(), threading.Lock()
    changed = threading.Condition(lock)
    signal.signal(signal.SIGUSR1, lambda *_: (other.acquire(), other.release()))
    thread = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1))
    thread.start()
    with lock, lock:
        changed.wait(0.5)
    thread.join()
    def run():
        with other, lock:
            pass
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    """
    assert run(tmp_path, text, "--lock-order").stderr == ""


def test_a_condition_takes_its_lock_again(tmp_path: Path) -> None:
    text = """
    import threading
    lock, other = threading.Lock(), threading.Lock()
    changed = threading.Condition(lock)
    with lock, other:
        changed.wait(0.01)
    """
    done = run(tmp_path, text, "--lock-order")
    assert done.stderr.count("are taken in both orders") == 1
    assert "program.py:5" in done.stderr, done.stderr


def test_the_lock_of_a_condition_is_told_of_though_the_wait_never_ends(tmp_path: Path) -> None:
    text = """
    import threading
    lock, other = threading.Lock(), threading.Lock()
    changed = threading.Condition(lock)
    def wait():
        with changed:
            with other:
                changed.wait()
    threading.Thread(target=wait, daemon=True).start()
    while not changed._waiters:
        pass
    with changed:
        changed.notify()
        print(other.acquire(timeout=0.2))
    """
    done = run(tmp_path, text, "--lock-order", "--deadlock=off")
    assert (done.stdout, done.returncode) == ("False\n", 0), done.stderr
    assert done.stderr.count("are taken in both orders") == 1
    assert "program.py:7" in done.stderr, done.stderr


def test_a_wait_that_an_exception_ends_takes_the_lock_again(tmp_path: Path) -> None:
    text = """
    import signal, threading
    lock, other = threading.RLock(), threading.Lock()
    changed = threading.Condition(lock)
    def stop(*args):
        raise InterruptedError
    signal.signal(signal.SIGALRM, stop)
    with lock:
        signal.setitimer(signal.ITIMER_REAL, 2.0)
        try:
            with other:
                changed.wait()
        except InterruptedError:
            pass
        else:
            raise AssertionError
    assert not lock._is_owned() and not other.locked()
    """
    done = run(tmp_path, text, "--lock-order")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("are taken in both orders") == 1


def test_what_many_locks_leave_is_found_at_once(tmp_path: Path) -> None:
    # Looking through all pairs for each lock that is freed would take minutes.
    program = """
    import threading
    outer = threading.Lock()
    locks = [threading.Lock() for _ in range(100_000)]
    with outer:
        for lock in locks:
            with lock:
                pass
    lock = locks.clear()
    print("end")
    """
    assert silent(tmp_path, program, "--lock-order") == "end\n"


def test_names_cannot_do_anything_to_a_terminal(tmp_path: Path) -> None:
    program = r"""
    import threading
    evil = "\x1b]0;X\x07\n\x9b1A\u202e"
    a, b = threading.Lock(name="a" + evil), threading.Lock(name="b")
    def both():
        with a, b:
            pass
        with b, a:
            pass
    thread = threading.Thread(target=both, name="T" + evil)
    thread.start()
    thread.join()
    """
    done = run(tmp_path, program, "--lock-order")
    lines = done.stderr.split("\n")
    assert (len(lines), lines[-1]) == (11, "")
    assert all(line.isprintable() for line in lines)
    name = "T\ufffd]0;X\ufffd\ufffd\ufffd1A\ufffd"
    assert lines[1].startswith(f"  thread {name} takes Lock 'b' made at ")


def test_python_children_are_covered(tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text(BOTH_ORDERS.format(first="Lock", second="Lock"))
    program = f"""
    import subprocess, sys
    subprocess.run([sys.executable, {str(child)!r}], check=True)
    """
    done = run(tmp_path, program, "--lock-order")
    assert (done.stdout, done.returncode) == ("end\n", 0)
    assert done.stderr.count("possible deadlock") == 1
