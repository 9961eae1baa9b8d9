"""T3. The main thread goes on without waiting, until it asks to wait.

`join(timeout)` gives up after a while (ask `is_alive` whether it did), `join()` waits to the end.
A thread that nobody joins is still waited for: the process ends when its last non-daemon thread
has ended.
"""

import threading

may_end = threading.Event()


def patient(name: str) -> None:
    may_end.wait()
    print(f"{name}: done")


def outlive_main() -> None:
    threading.main_thread().join()
    print("nobody joins me: main has ended, and I still run")


def main() -> None:
    first = threading.Thread(target=patient, args=("first",))
    first.start()
    print("main: goes on at once, first is alive:", first.is_alive())

    first.join(timeout=0.02)
    print("main: join(timeout=0.02) came back, first is alive:", first.is_alive())

    may_end.set()
    first.join()
    print("main: join() came back, first is alive:", first.is_alive())

    threading.Thread(target=outlive_main).start()
    print("main: last line")


if __name__ == "__main__":
    main()
