"""S5. A pipeline: four lists, three threads (+1, *2, -3), two locks.

The first and the last list belong to one thread each. The two lists between are shared by two
threads each, so each of them has a lock. 100,000 numbers come out right and in order.
"""

import threading
import time

COUNT = 100_000

numbers = list(range(COUNT))
plus_one: list[int] = []
doubled: list[int] = []
results: list[int] = []
plus_one_lock = threading.Lock()
doubled_lock = threading.Lock()


def take_all(shared: list[int], lock: threading.Lock) -> list[int]:
    """Everything that is in the list now; when there is nothing, let others run first."""
    with lock:
        taken = shared[:]
        shared.clear()
    if not taken:
        time.sleep(0.0005)
    return taken


def give(shared: list[int], lock: threading.Lock, number: int) -> None:
    with lock:
        shared.append(number)


def add_one() -> None:
    for number in numbers:
        give(plus_one, plus_one_lock, number + 1)


def double() -> None:
    done = 0
    while done < COUNT:
        for number in take_all(plus_one, plus_one_lock):
            give(doubled, doubled_lock, number * 2)
            done += 1


def subtract_three() -> None:
    while len(results) < COUNT:
        results.extend(number - 3 for number in take_all(doubled, doubled_lock))


def main() -> None:
    threads = [threading.Thread(target=stage) for stage in (add_one, double, subtract_three)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    print("first results:", results[:5])
    print("results:", len(results))
    print("all right:", results == [(number + 1) * 2 - 3 for number in range(COUNT)])


if __name__ == "__main__":
    main()
