"""C1. Two speakers alternate, with one Condition between them.

A notification that nobody waits for is lost: so the listener must be waiting before the speaker
says the first line. Starting it first is not enough, it has to have got as far as `wait`. It tells
so while it holds the condition's lock, which only its `wait` lets go.
"""

import threading

turn = threading.Condition()
listener_is_there = threading.Event()


def speaker() -> None:
    with turn:
        for line in (1, 3, 5):
            print(f"speaker: {line}")
            turn.notify()
            turn.wait()


def listener() -> None:
    with turn:
        listener_is_there.set()
        for line in (2, 4, 6):
            turn.wait()
            print(f"listener: {line}")
            turn.notify()


def main() -> None:
    threads = [threading.Thread(target=listener), threading.Thread(target=speaker)]
    threads[0].start()
    listener_is_there.wait()
    threads[1].start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
