"""Q2. Waiting until everything that was put into a queue has been worked on; ending the workers.

`join` waits until `task_done` has been called for each item; the workers may then be daemons that
wait for ever. It does not care whether the workers are at times faster than the producer. Or one
tells the workers to end: with a sentinel for each of them, or one that they pass on.
"""

import queue
import threading
import time

WORKERS = 3
ITEMS = 30


def with_join() -> None:
    tasks: queue.Queue[int] = queue.Queue()
    done: list[int] = []

    def work() -> None:
        while True:
            number = tasks.get()
            done.append(number * number)
            tasks.task_done()

    for _ in range(WORKERS):
        threading.Thread(target=work, daemon=True).start()
    for number in range(ITEMS):
        tasks.put(number)
    tasks.join()
    print("join:", len(done), "done, right:", sorted(done) == [n * n for n in range(ITEMS)])


def slow_producer() -> None:
    """The workers outrun the producer: they find the queue empty, which is not yet the end."""
    tasks: queue.Queue[int] = queue.Queue()
    done: list[int] = []
    found_it_empty = 0

    def work() -> None:
        nonlocal found_it_empty
        while len(done) < ITEMS:
            try:
                done.append(tasks.get(timeout=0.001))
            except queue.Empty:
                found_it_empty += 1

    worker = threading.Thread(target=work)
    worker.start()
    for number in range(ITEMS):
        time.sleep(0.003)
        tasks.put(number)
    worker.join()
    print("slow producer:", len(done), "done, found it empty:", found_it_empty > 0)


def a_sentinel_for_each() -> None:
    tasks: queue.Queue[int | None] = queue.Queue()
    done: list[int] = []

    def work() -> None:
        while (number := tasks.get()) is not None:
            done.append(number)

    workers = [threading.Thread(target=work) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for number in range(ITEMS):
        tasks.put(number)
    for _ in workers:
        tasks.put(None)
    for worker in workers:
        worker.join()
    print("a sentinel for each:", len(done), "done, left in the queue:", tasks.qsize())


def one_sentinel_passed_on() -> None:
    tasks: queue.Queue[int | None] = queue.Queue()
    done: list[int] = []

    def work() -> None:
        while (number := tasks.get()) is not None:
            done.append(number)
        tasks.put(None)  # for the next one

    workers = [threading.Thread(target=work) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for number in range(ITEMS):
        tasks.put(number)
    tasks.put(None)
    for worker in workers:
        worker.join()
    print("one sentinel passed on:", len(done), "done, left in the queue:", tasks.qsize())


def main() -> None:
    with_join()
    slow_producer()
    a_sentinel_for_each()
    one_sentinel_passed_on()


if __name__ == "__main__":
    main()
