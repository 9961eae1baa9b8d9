"""C3. A bounded, blocking, thread-safe queue, written by hand from one lock and two conditions.

This is what `queue.Queue` does for you. Both conditions share the lock that guards the items: one
is for those who wait for room, the other for those who wait for an item.
"""

import queue
import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

PRODUCERS = 2
CONSUMERS = 3
EACH = 300
LIMIT = 4


class BoundedQueue(Generic[T]):
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.longest = 0
        self._items: deque[T] = deque()
        self._lock = threading.Lock()
        self._not_full = threading.Condition(self._lock)
        self._not_empty = threading.Condition(self._lock)

    def put(self, item: T, timeout: float | None = None) -> None:
        """Wait for room, at most `timeout` seconds; queue.Full when there is none."""
        with self._not_full:
            if not self._not_full.wait_for(lambda: len(self._items) < self.limit, timeout):
                raise queue.Full
            self._items.append(item)
            self.longest = max(self.longest, len(self._items))
            self._not_empty.notify()

    def get(self, timeout: float | None = None) -> T:
        """Wait for an item, at most `timeout` seconds; queue.Empty when there is none."""
        with self._not_empty:
            if not self._not_empty.wait_for(lambda: self._items, timeout):
                raise queue.Empty
            item = self._items.popleft()
            self._not_full.notify()
            return item


def show_the_timeouts() -> None:
    small: BoundedQueue[str] = BoundedQueue(1)
    small.put("only one has room")
    try:
        small.put("second", timeout=0.02)
    except queue.Full:
        print("put: full")
    print("get:", small.get())
    try:
        small.get(timeout=0.02)
    except queue.Empty:
        print("get: empty")


def main() -> None:
    show_the_timeouts()
    shared: BoundedQueue[int | None] = BoundedQueue(LIMIT)
    received: list[int] = []

    def produce(first: int) -> None:
        for number in range(first, first + EACH):
            shared.put(number)

    def consume() -> None:
        while (number := shared.get()) is not None:
            received.append(number)

    consumers = [threading.Thread(target=consume) for _ in range(CONSUMERS)]
    producers = [threading.Thread(target=produce, args=(i * EACH,)) for i in range(PRODUCERS)]
    for thread in consumers + producers:
        thread.start()
    for thread in producers:
        thread.join()
    for _ in consumers:
        shared.put(None)
    for thread in consumers:
        thread.join()

    print("received:", len(received))
    print("each exactly once:", sorted(received) == list(range(PRODUCERS * EACH)))
    print("never longer than the limit:", shared.longest <= LIMIT)


if __name__ == "__main__":
    main()
