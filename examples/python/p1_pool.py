"""P1. A pool of threads: submit, done, cancel, result; its threads are used again.

`submit` gives a future at once. A task that has not begun can be cancelled, one that runs cannot.
Leaving the `with` block waits for all tasks.
"""

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

WORKERS = 3
TASKS = 10


def one_thread() -> None:
    go_on = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as pool:
        begun = threading.Event()

        def first() -> str:
            begun.set()
            go_on.wait()
            return "first"

        running = pool.submit(first)
        waiting = pool.submit(pow, 2, 10)
        cancelled = pool.submit(print, "never printed")
        begun.wait()
        print("running:", running.running(), "done:", running.done())
        print("cancel the one that runs:", running.cancel())
        print("cancel one that waits:", cancelled.cancel())
        go_on.set()
        print("results:", running.result(), waiting.result())
        try:
            cancelled.result()
        except CancelledError:
            print("the cancelled one has no result")
    print("done:", running.done(), waiting.done(), cancelled.done())


def threads_are_used_again() -> None:
    meet = threading.Barrier(WORKERS)
    names = set()

    def task(number: int) -> int:
        if number < WORKERS:
            # The first ones wait for each other, so that each has a thread of its own.
            meet.wait()
        names.add(threading.current_thread().name)
        return number * number

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="worker") as pool:
        squares = list(pool.map(task, range(TASKS)))
    print(f"{TASKS} tasks, names of threads: {sorted(names)}")
    print("in order:", squares == [number * number for number in range(TASKS)])


def main() -> None:
    one_thread()
    threads_are_used_again()


if __name__ == "__main__":
    main()
