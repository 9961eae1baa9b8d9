"""The pool of a crawl alone: no network and no HTML.

Submits so many tasks that do nothing, and takes them as they are completed. Prints how long each
took, in microseconds. This is the part of a crawl that the implementation of `concurrent.futures`
can make faster or slower.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed


def nothing(number: int) -> int:
    return number


def pass_through(tasks: int, threads: int) -> float:
    """Pass so many tasks through a pool of so many threads; how long it took, in seconds."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(nothing, number) for number in range(tasks)]
        total = sum(future.result() for future in as_completed(futures))
    seconds = time.perf_counter() - begin
    assert total == sum(range(tasks))
    return seconds


if __name__ == "__main__":
    tasks, threads = int(sys.argv[1]), int(sys.argv[2])
    print(f"{pass_through(tasks, threads) / tasks * 1e6:.2f}")
