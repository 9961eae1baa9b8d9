"""`ropewalk run --trace`: the file, its room and what may happen to it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.deadlock.programs import run
from tests.insight.programs import Program
from tests.insight.traces import lanes, read, slices, traced

if TYPE_CHECKING:
    from pathlib import Path


def test_a_killed_program_leaves_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    text = """
    lock = threading.Lock()
    lock.acquire()
    thread = threading.Thread(target=lock.acquire, name="waiter", daemon=True)
    thread.start()
    until_blocked(thread)
    lock.release()
    thread.join()
    ready()
    """
    with Program(tmp_path, text, f"--trace={path}") as program:
        os.kill(program.pid, signal.SIGKILL)
        program.process.wait()
    events = read(path)
    waiter = lanes(events)["waiter"]
    assert any(each["name"].startswith("wait Lock") for each in slices(events, waiter))


def test_a_child_does_not_write_into_it(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    text = """
    import os, threading
    pid = os.fork()
    lock = threading.Lock()
    for _ in range(10):
        with lock:
            pass
    if pid:
        os.wait()
    """
    events = traced(tmp_path, text, path)
    assert len([each for each in events if "program.py" in each["name"]]) == 10
    assert len({each["pid"] for each in events}) == 1


def test_a_trace_that_cannot_be_written_changes_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path, "print('done')", "--trace=/no/such/folder/out.json")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.startswith("ropewalk: the trace cannot be written: ")
    done = run(tmp_path, "print('done')", "--trace=/dev/full")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.startswith("ropewalk: the trace cannot be written: ")


def test_a_second_trace_leaves_one_that_is_being_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    text = """
    lock = threading.Lock()
    ready()
    for _ in range(5000):
        with lock:
            pass
    """
    with Program(tmp_path, text, f"--trace={path}") as first, path.open() as file:
        done = run(tmp_path, "print('second')", f"--trace={path}")
        assert (done.returncode, done.stdout, done.stderr) == (0, "second\n", "")
        assert first.end()[0] == 0
        # The first one's, which has no name any more.
        assert file.read().count("hold Lock") == 5000
    # The second one's.
    assert not any(event["ph"] == "X" for event in read(path))


def test_a_short_thread_takes_little_room(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    text = """
    import threading
    lock = threading.Lock()
    def work():
        with lock:
            pass
    for _ in range(500):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    # More than are alive at a time leave pieces, and they are used up.
    threads = [threading.Thread(target=lambda: [work() for _ in range(500)]) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    """
    events = traced(tmp_path, text, path)
    assert len([each for each in events if "program.py:2" in each["name"]]) >= 500 + 20 * 500
    text = path.read_text()
    # Spaces are what has no use: at most a piece of each thread that was there at the same time.
    assert text.count("  " * 64) * 128 < 25 * 65536


def test_long_names_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    text = """
    import threading
    from tests.traps.ways import until_blocked
    lock = threading.Lock(name="lock" + "\\N{EURO SIGN}" * 1_000_000)
    def wait():
        with lock:
            pass
    thread = threading.Thread(target=wait, name="thread" + "x" * 1_000_000)
    with lock:
        thread.start()
        until_blocked(thread)
    thread.join()
    """
    events = traced(tmp_path, text, path)
    [tid] = [tid for name, tid in lanes(events).items() if name.startswith("threadxx")]
    assert any(each["name"].startswith("wait Lock 'lock€") for each in slices(events, tid))
    assert any(each["name"].startswith("hold Lock 'lock€") for each in events)
    assert max(len(each["name"]) for each in events) < 400
    ends = {each["id"] for each in events if each["ph"] == "f"}
    assert ends <= {each["id"] for each in events if each["ph"] == "s"}


def test_many_threads_at_once_take_little_room(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    text = """
    import threading
    lock = threading.Lock()
    all_there = threading.Barrier(300)
    def work(locks):
        for lock in locks:
            lock.acquire()
        for lock in locks:
            lock.release()
        all_there.wait()
    # More than a small piece has room for at once.
    many = [threading.Lock() for _ in range(200)]
    each = [many] + [[threading.Lock()] for _ in range(299)]
    threads = [threading.Thread(target=work, args=(locks,)) for locks in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    """
    events = traced(tmp_path, text, path)
    # When the first of them is released the others are cut, and so on.
    assert len([each for each in events if "program.py:11" in each["name"]]) == 200 * 201 / 2
    assert len([each for each in events if "program.py:12" in each["name"]]) == 299
    used = len(path.read_text().replace(" " * 64, ""))
    assert path.stat().st_size < used + 300 * 2 * os.sysconf("SC_PAGE_SIZE") + 10 * 65536
