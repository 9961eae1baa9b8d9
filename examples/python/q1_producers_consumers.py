"""Q1. Two producers and five consumers over one queue that has 500 items to begin with.

The queue does all the locking. Then its manners when it is full or empty: `put` waits for room,
`put_nowait` and `get_nowait` raise Full and Empty.
"""

import queue
import threading

INITIAL = 500
PRODUCERS = 2
EACH = 100
CONSUMERS = 5


def many_items() -> None:
    items: queue.Queue[str] = queue.Queue()
    for number in range(INITIAL):
        items.put(f"initial {number}")
    print("qsize:", items.qsize())

    taken: list[str] = []

    def produce(name: str) -> None:
        for number in range(EACH):
            items.put(f"{name} {number}")

    def consume() -> None:
        for _ in range((INITIAL + PRODUCERS * EACH) // CONSUMERS):
            item = items.get()
            taken.append(item)

    threads = [threading.Thread(target=consume) for _ in range(CONSUMERS)]
    threads += [threading.Thread(target=produce, args=(f"new {i}",)) for i in range(PRODUCERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("taken:", len(taken), "different:", len(set(taken)), "left:", items.qsize())


def full_and_empty() -> None:
    small: queue.Queue[str] = queue.Queue(maxsize=2)
    print("empty:", small.empty(), "full:", small.full())
    small.put("one")
    small.put("two")
    print("empty:", small.empty(), "full:", small.full())
    try:
        small.put_nowait("three")
    except queue.Full as error:
        print("put_nowait:", type(error).__name__)
    try:
        small.put("three", timeout=0.02)
    except queue.Full as error:
        print("put with timeout:", type(error).__name__)

    waiting = threading.Thread(target=small.put, args=("three",))
    waiting.start()
    print("got", small.get(), "which makes room for three")
    waiting.join()
    print("got", small.get(), "and", small.get())
    try:
        small.get_nowait()
    except queue.Empty as error:
        print("get_nowait:", type(error).__name__)


def main() -> None:
    many_items()
    full_and_empty()


if __name__ == "__main__":
    main()
