"""T4. Daemon threads die with the process; the others are waited for.

Two daemons, one asleep and one waiting for an event that never comes, do not keep the process
alive, and their last lines are never printed. That of the worker is, though main has ended.
"""

import threading
import time

never = threading.Event()
all_run = threading.Barrier(4)


def sleeper() -> None:
    all_run.wait()
    time.sleep(30)
    print("daemon sleeper: last line")


def waiter() -> None:
    all_run.wait()
    never.wait()
    print("daemon waiter: last line")


def worker() -> None:
    all_run.wait()
    threading.main_thread().join()
    print("worker: last line")


def main() -> None:
    threading.Thread(target=sleeper, daemon=True).start()
    threading.Thread(target=waiter, daemon=True).start()
    threading.Thread(target=worker).start()
    all_run.wait()
    print("main: last line, all three run")


if __name__ == "__main__":
    main()
