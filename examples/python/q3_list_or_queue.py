"""Q3. The same workers over a shared list and over a Queue.

With the list, looking at the next item and removing it are two steps: between them another worker
may look at the same item (it is worked on twice) and then remove the one after it (which is lost).
`Queue.get` is both steps in one.
"""

import queue
import sys
import threading
from collections import Counter
from collections.abc import Callable

WORKERS = 4
ITEMS = 20_000


def next_from(items: list[int]) -> int:
    return items[-1]


def with_a_list(done: list[int]) -> Callable[[], None]:
    items = list(range(ITEMS))

    def work() -> None:
        while items:
            try:
                item = next_from(items)
                done.append(item)
                items.pop()
            except IndexError:  # another worker took the last one after we had seen it
                return

    return work


def with_a_queue(done: list[int]) -> Callable[[], None]:
    items: queue.Queue[int] = queue.Queue()
    for number in range(ITEMS):
        items.put(number)

    def work() -> None:
        while True:
            try:
                done.append(items.get_nowait())
            except queue.Empty:
                return

    return work


def main() -> None:
    sys.setswitchinterval(0.00001)  # threads change often, so that mistakes show
    for way in (with_a_list, with_a_queue):
        done: list[int] = []
        work = way(done)
        threads = [threading.Thread(target=work) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lost = ITEMS - len(set(done))
        doubled = sum(count > 1 for count in Counter(done).values())
        print(f"{way.__name__}: lost {lost}, doubled {doubled}")


if __name__ == "__main__":
    main()
