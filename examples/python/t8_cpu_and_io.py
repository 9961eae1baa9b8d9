"""T8. What threads are good for: waiting at the same time, not computing at the same time.

Four threads that only compute use about one core (100% of 400) where Python has a GIL, and all
cores on a free-threaded build; four processes use all cores on either. Four threads that wait for
something outside take as long as one of them.
"""

import multiprocessing
import os
import sys
import threading
import time

WORKERS = 4
STEPS = 2_000_000
PAUSE = 0.1


def compute() -> None:
    total = 0
    for number in range(STEPS):
        total += number


def wait_for_something() -> None:
    time.sleep(PAUSE)


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run_all(workers: list[threading.Thread] | list[multiprocessing.Process]) -> tuple[float, float]:
    """Run them side by side; how long it took, and how much processor time it used, in seconds."""
    begin, cpu_begin = time.perf_counter(), cpu_seconds()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - begin, cpu_seconds() - cpu_begin


def main() -> None:
    print("cores:", os.cpu_count())
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print("GIL:", gil)

    elapsed, used = run_all([threading.Thread(target=compute) for _ in range(WORKERS)])
    print(f"computing in {WORKERS} threads: {used / elapsed:.0%} of a core")

    processes = [multiprocessing.Process(target=compute) for _ in range(WORKERS)]
    elapsed, used = run_all(processes)
    print(f"computing in {WORKERS} processes: {used / elapsed:.0%} of a core")
    print("exit codes:", [process.exitcode for process in processes])

    elapsed, _ = run_all([threading.Thread(target=wait_for_something) for _ in range(WORKERS)])
    print(f"waiting in {WORKERS} threads: {elapsed / PAUSE:.1f} times as long as one")


if __name__ == "__main__":
    main()
