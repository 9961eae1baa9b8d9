"""Ropewalk by name, in a program that wants more than the standard library has.

`from ropewalk import threading, queue` instead of `import threading, queue` is all that it takes;
then `ropewalk` also tells which threads are blocked at this moment, and a deadlock can be caught.
"""

import time

import ropewalk
from ropewalk import queue, threading


def look_until_blocked(thread: threading.Thread) -> None:
    """Returns when the thread is seen blocked; TimeoutError when it is not within ten seconds."""
    deadline = time.monotonic() + 10
    while thread.ident not in ropewalk.blocked_threads():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{thread.name} is not blocked")
        time.sleep(0.001)


def main() -> None:
    tasks: queue.Queue[str] = queue.Queue()
    worker = threading.Thread(target=lambda: print("worker: got", tasks.get()))
    worker.start()
    look_until_blocked(worker)
    print("main: the worker is blocked, waiting for a task")
    tasks.put("a task")
    worker.join()
    print("main: blocked threads:", ropewalk.blocked_threads())

    lock = threading.Lock()
    lock.acquire()
    try:
        lock.acquire()
    except ropewalk.DeadlockError:
        print("main: a second acquire would never end")


if __name__ == "__main__":
    main()
