"""C2 (b). Three threads create, set and print a value, always in this order, with `notify_all`.

All three wait on the same condition. `notify` would wake any one of them, perhaps one whose turn it
is not, and the right one would sleep on; `notify_all` wakes all, and each looks for itself.
"""

import threading
from collections.abc import Callable

ROUNDS = 3

box: list[int] = []
step = "create"
changed = threading.Condition()


def create() -> None:
    box.append(0)


def set_value() -> None:
    box[-1] = len(box) * 10


def show() -> None:
    print("box:", box)


def take_turns(mine: str, do: Callable[[], None], following: str) -> None:
    global step
    for _ in range(ROUNDS):
        with changed:
            while step != mine:
                changed.wait()
            print(mine)
            do()
            step = following
            changed.notify_all()


def main() -> None:
    threads = [
        threading.Thread(target=take_turns, args=("print", show, "create")),
        threading.Thread(target=take_turns, args=("set", set_value, "print")),
        threading.Thread(target=take_turns, args=("create", create, "set")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
