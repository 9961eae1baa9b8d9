"""`ropewalk run --report`: what was waited for, told at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.deadlock.programs import LIMIT, run
from tests.face.programs import environment

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import os, queue, subprocess, sys, threading, time
from tests.traps.ways import until_blocked

def take(lock):
    with lock:
        pass

def contend():
    # Gone at the end, with all its threads: told all the same.
    lock = threading.Lock()
    lock.acquire()
    threads = [threading.Thread(target=take, args=(lock,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    until_blocked(*threads)
    lock.release()
    for thread in threads:
        thread.join()

contend()
contend()
jobs = queue.Queue()
getter = threading.Thread(target=jobs.get)
getter.start()
until_blocked(getter)
for each in range(8):
    jobs.put(each)
getter.join()
"""


def test_the_file_has_what_was_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a report, in % of all.json"
    done = run(tmp_path, PROGRAM, f"--report={path}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    report = json.loads(path.read_text())
    [lock] = [each for each in report["things"] if each["kind"] == "Lock"]
    assert lock["made_at"].endswith("program.py:10")
    assert lock["count"] == 2
    assert lock["waits"]["number"] == 6
    assert lock["waits"]["p50"] <= lock["waits"]["p99"] <= lock["waits"]["longest"]
    assert lock["waits"]["longest"] <= lock["waits"]["total"]
    [jobs] = [each for each in report["things"] if each["kind"] == "Queue.get"]
    assert jobs["peak"] in (7, 8)
    waited = {each["kind"]: each for each in report["waited"]}
    assert waited["Lock"]["waits"] == 6
    assert abs(waited["Lock"]["total"] - lock["waits"]["total"]) < 1e-6
    # The main one, twice three and the one that gets: none of the runtime's own.
    assert report["threads"] == 8
    # Neither has what the interpreter's start took.
    assert 0 < report["threads_cpu_seconds"] <= report["cpu_seconds"]
    assert waited["Lock"]["total"] < 6 * report["seconds"]
    assert report["still_waiting"] == []
    assert report["deadlocks"] == []


def test_the_wait_for_the_gil_is_measured_for_it(tmp_path: Path) -> None:
    text = """
    import queue, threading, time
    from ropewalk import inspect
    jobs, stop = queue.Queue(), []
    def compute():
        while not stop:
            pass
    getter = threading.Thread(target=lambda: list(iter(jobs.get, None)))
    computing = threading.Thread(target=compute)
    for thread in (getter, computing):
        thread.start()
    for each in range(20):
        jobs.put(each)
        time.sleep(0.02)
    print(inspect.snapshot().thread(getter.ident).waited_for_gil)
    stop.append(True)
    jobs.put(None)
    getter.join()
    computing.join()
    """
    # As the documentation of `ThreadInfo` has it.
    assert float(run(tmp_path, text).stdout) == 0
    assert float(run(tmp_path, text, f"--report={os.devnull}").stdout) > 0


def test_a_program_without_threads_has_one(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    assert run(tmp_path, "pass", f"--report={path}").returncode == 0
    assert json.loads(path.read_text())["threads"] == 1
    assert run(tmp_path, "pass", "--report").stderr.splitlines()[1].endswith(", 1 thread")


def test_a_queue_that_has_a_name_is_told_of_though_nobody_waited_for_it(tmp_path: Path) -> None:
    text = """
    import queue
    backlog, unused = queue.Queue(name="backlog"), queue.Queue(name="unused")
    gone = queue.SimpleQueue(name="gone")
    for each in range(500):
        backlog.put(each)
        gone.put(each)
    backlog.get_nowait()
    del gone
    """
    path = tmp_path / "report.json"
    done = run(tmp_path, text, f"--report={path}")
    assert (done.returncode, done.stderr) == (0, "")
    things = json.loads(path.read_text())["things"]
    told = {each["name"]: (each["peak"], each["waits"]["number"]) for each in things}
    assert told == {"backlog": (500, 0), "gone": (500, 0)}
    lines = run(tmp_path, text, "--report").stderr.splitlines()
    place = lines.index("    Queue.get 'backlog'")
    assert "  other queues" in lines[:place]
    assert lines[place + 1] == "      at most 500 items in it"


def test_standard_error_has_it_for_people(tmp_path: Path) -> None:
    done = run(tmp_path, PROGRAM, "--report")
    assert (done.returncode, done.stdout) == (0, "")
    lines = done.stderr.splitlines()
    assert lines[0].startswith("ropewalk: report of process ")
    assert "program.py:10 (2 of them)" in done.stderr
    assert "at most " in done.stderr
    [lock] = [line.split() for line in lines if line.startswith("    Lock ") and "made" not in line]
    assert lock[1] == "6"


def test_the_exit_code_and_exceptions_are_the_programs_own(tmp_path: Path) -> None:
    done = run(tmp_path, "raise SystemExit(7)", "--report")
    assert done.returncode == 7
    assert "ropewalk: report of process" in done.stderr
    done = run(tmp_path, "1 / 0", "--report")
    assert done.returncode == 1
    assert done.stderr.index("ZeroDivisionError") < done.stderr.index("ropewalk: report")


def test_children_do_not_tell(tmp_path: Path) -> None:
    text = """
    import os, subprocess, sys
    print(os.environ["ROPEWALK_RUN"])
    code = "import threading; print(threading.__file__)"
    subprocess.run([sys.executable, "-c", code], check=True)
    if os.fork() == 0:
        sys.exit()
    os.wait()
    """
    done = run(tmp_path, text, "--report")
    assert done.returncode == 0
    assert "deadlock=raise" in done.stdout.splitlines()
    assert "ropewalk/threading.py" in done.stdout
    assert done.stderr.count("report of process") == 1


def test_a_report_that_cannot_be_written_changes_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path, "print('done')", f"--report={tmp_path}/no/such/folder.json")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.startswith("ropewalk: the report cannot be written: ")
    done = run(tmp_path, "import sys; sys.stderr.close(); print('done')", "--report")
    assert (done.returncode, done.stdout) == (0, "done\n")
    done = run(tmp_path, "print('done')", "--report=/dev/full")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "No space left" in done.stderr


def test_what_stands_for_standard_error_does_not_keep_it(tmp_path: Path) -> None:
    done = run(tmp_path, "import io, sys; sys.stderr = io.StringIO()", "--report")
    assert done.returncode == 0
    assert done.stderr.startswith("ropewalk: report of process ")
    done = run(tmp_path, "import sys; sys.stderr = None", "--report")
    assert done.stderr.startswith("ropewalk: report of process ")


def test_a_folder_that_is_gone_keeps_no_program_from_starting(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    command = [sys.executable, "-m", "ropewalk", "run", "--report=rel.json", "-c", "print('done')"]
    done = subprocess.run(
        ["bash", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', folder, *command],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env=environment(),
    )
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "ropewalk: the report cannot be written: " in done.stderr


def test_suspected_deadlocks_and_threads_that_still_wait_are_told(tmp_path: Path) -> None:
    text = """
    import threading
    from ropewalk import _ropewalk
    from tests.traps.ways import outsider, until, until_blocked
    outside = outsider()
    a, b, both = threading.Lock(), threading.Lock(), threading.Barrier(2)
    def take(first, second):
        with first:
            both.wait()
            second.acquire()
    threads = [threading.Thread(target=take, args=args, daemon=True) for args in ((a, b), (b, a))]
    _ropewalk.set_suspect_grace(0.01)
    for thread in threads:
        thread.start()
    from ropewalk import _hosting
    until(lambda: _hosting.told)
    """
    path = tmp_path / "report.json"
    done = run(tmp_path, text, f"--report={path}")
    assert done.returncode == 0, done.stderr
    report = json.loads(path.read_text())
    assert report["deadlocks"] == ["possible deadlock: 2 threads wait for each other"]
    assert len(report["still_waiting"]) == 2
    assert all("Lock made at" in each["for"] for each in report["still_waiting"])


POOLS = """
import threading
from concurrent.futures import ThreadPoolExecutor
from tests.traps.ways import until
go, begun = threading.Event(), threading.Semaphore(0)
def work():
    begun.release()
    go.wait()
pool = ThreadPoolExecutor(3, "web")
futures = [pool.submit(work) for _ in range(10)]
for _ in range(3):
    begun.acquire()
# Seven wait for their turn.
assert all(future.cancel() for future in futures[-2:])
go.set()
pool.shutdown()
for number in range(5):
    with ThreadPoolExecutor(2, f"step-{number}") as step:
        list(step.map(str, range(4)))
del step
stopped, late = threading.Event(), ThreadPoolExecutor(1, "late")
late.submit(stopped.wait)
until(lambda: late._work_queue.qsize() == 0)
for _ in range(4):
    late.submit(print)
late.shutdown(wait=False, cancel_futures=True)
stopped.set()
unused = ThreadPoolExecutor(1, "unused")
"""


def test_what_thread_pools_did_is_told(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    done = run(tmp_path, POOLS, f"--report={path}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pools = {each["name"]: each for each in json.loads(path.read_text())["pools"]}
    assert set(pools) == {"web", "step-*", "late"}
    web = pools["web"]
    assert (web["max_workers"], web["threads_peak"], web["number"]) == (3, 3, 1)
    assert (web["tasks"], web["cancelled"]) == (8, 2)
    # The first three may have waited, too, until their threads came.
    assert 7 <= web["queued_peak"] <= 9
    assert web["worked"] > 0
    assert web["idle"] >= 0
    step = pools["step-*"]
    assert (step["number"], step["tasks"], step["max_workers"]) == (5, 20, 2)
    late = pools["late"]
    assert (late["tasks"], late["cancelled"], late["queued_peak"]) == (1, 4, 4)


# A pool whose only thread fails as soon as it may go.
BREAKS = """
    import threading
    from concurrent.futures import ThreadPoolExecutor, thread
    go = threading.Event()
    def begin():
        go.wait()
        raise ValueError
    pool = ThreadPoolExecutor(1, "broken", initializer=begin)
"""


def test_what_was_cancelled_before_its_pool_broke_is_counted(tmp_path: Path) -> None:
    text = f"""
    {BREAKS}
    futures = [pool.submit(int) for _ in range(5)]
    # Its state is where CPython has it from now on.
    futures[3]._condition
    assert all(future.cancel() for future in futures[2:4])
    go.set()
    for future in futures:
        if not future.cancelled():
            assert isinstance(future.exception(), thread.BrokenThreadPool)
    pool.shutdown()
    """
    path = tmp_path / "report.json"
    done = run(tmp_path, text, f"--report={path}")
    assert done.returncode == 0, done.stderr
    [pool] = json.loads(path.read_text())["pools"]
    assert (pool["tasks"], pool["cancelled"], pool["queued_peak"]) == (0, 2, 5)


def test_tasks_of_a_broken_pool_are_not_cancelled(tmp_path: Path) -> None:
    text = f"""
    {BREAKS}
    futures = [pool.submit(int) for _ in range(3)]
    go.set()
    for future in futures:
        assert isinstance(future.exception(), thread.BrokenThreadPool)
    """
    path = tmp_path / "report.json"
    done = run(tmp_path, text, f"--report={path}")
    assert done.returncode == 0, done.stderr
    [pool] = json.loads(path.read_text())["pools"]
    assert (pool["tasks"], pool["cancelled"], pool["queued_peak"]) == (0, 0, 3)


def test_thread_pools_are_told_of_on_standard_error(tmp_path: Path) -> None:
    done = run(tmp_path, POOLS, "--report")
    lines = done.stderr.splitlines()
    [head] = [place for place, line in enumerate(lines) if line.startswith("  thread pools")]
    assert lines[head].split()[2:] == ["THREADS", "TASKS", "CANCELLED", "QUEUED", "WORKED", "IDLE"]
    place = lines.index("    web")
    assert lines[place + 1].split()[:3] == ["3/3", "8", "2"]
    assert "    step-* (5 of them)" in lines
    assert max(map(len, lines[head:])) <= 80


def test_the_time_that_threads_of_a_pool_work_is_told(tmp_path: Path) -> None:
    text = """
    import time
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(2, "slow") as pool:
        pool.submit(time.sleep, 0.3).result()
        pool.submit(time.sleep, 0.3).result()
        time.sleep(0.3)
    """
    path = tmp_path / "report.json"
    done = run(tmp_path, text, f"--report={path}")
    assert done.returncode == 0, done.stderr
    [pool] = json.loads(path.read_text())["pools"]
    seconds = json.loads(path.read_text())["seconds"]
    assert pool["worked"] >= 0.6
    assert pool["idle"] >= 0.3
    assert pool["worked"] + pool["idle"] <= pool["threads_peak"] * seconds
