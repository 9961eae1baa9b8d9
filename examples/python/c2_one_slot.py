"""C2 (a). Producer and consumer over a single slot, with a Condition.

Each waits until the slot is as it needs it (`wait_for` asks again after each notification), changes
it, and notifies the other.
"""

import threading

ITEMS = 5

slot: str | None = None
changed = threading.Condition()


def slot_is_free() -> bool:
    return slot is None


def slot_is_filled() -> bool:
    return slot is not None


def produce() -> None:
    global slot
    for number in range(ITEMS):
        with changed:
            changed.wait_for(slot_is_free)
            slot = f"bun {number}"
            print("made", slot)
            changed.notify()


def consume() -> None:
    global slot
    for _ in range(ITEMS):
        with changed:
            changed.wait_for(slot_is_filled)
            print("ate", slot)
            slot = None
            changed.notify()


def main() -> None:
    threads = [threading.Thread(target=consume), threading.Thread(target=produce)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("slot:", slot)


if __name__ == "__main__":
    main()
