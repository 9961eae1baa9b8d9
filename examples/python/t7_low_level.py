"""T7. The level below: `_thread` has functions, numbers and bare locks, and nothing to join.

A lock that the new thread releases serves as "I am done". `interrupt_main` is Ctrl-C from inside:
the main thread gets a KeyboardInterrupt.
"""

import _thread
import time


def worker(name: str, done: _thread.LockType, idents: dict[str, int]) -> None:
    idents[name] = _thread.get_ident()
    print(f"{name}: hello from a thread of its own")
    done.release()


def interrupt() -> None:
    time.sleep(0.02)
    _thread.interrupt_main()


def main() -> None:
    idents = {"main": _thread.get_ident()}
    for name in ("one", "two"):
        done = _thread.allocate_lock()
        done.acquire()
        _thread.start_new_thread(worker, (name, done, idents))
        done.acquire()  # waits until the worker has released it
        print(f"main: {name} is done")
    print("own ident in each thread:", idents["main"] not in (idents["one"], idents["two"]))

    try:
        _thread.start_new_thread(interrupt, ())
        for _ in range(1000):
            time.sleep(0.01)
        print("main: was never interrupted")
    except KeyboardInterrupt:
        print("main: interrupted")


if __name__ == "__main__":
    main()
