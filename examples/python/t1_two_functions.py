"""T1. Two functions, first one after the other, then in two threads.

One after the other they take 4 + 2 units of time; side by side they take 4, because the short one
runs while the long one sleeps.
"""

import threading
import time

UNIT = 0.1


def work(name: str, units: int) -> None:
    time.sleep(units * UNIT)
    print(f"  {name} is done, after {units} units")


def one_after_the_other() -> None:
    work("long", 4)
    work("short", 2)


def side_by_side() -> None:
    threads = [
        threading.Thread(target=work, args=("long", 4)),
        threading.Thread(target=work, args=("short", 2)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    for way in (one_after_the_other, side_by_side):
        print(way.__name__)
        begin = time.perf_counter()
        way()
        print(f"{way.__name__} took {(time.perf_counter() - begin) / UNIT:.1f} units")


if __name__ == "__main__":
    main()
