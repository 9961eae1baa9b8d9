"""S2, repaired. An RLock lets its owner in again.

It is free when it has been released as often as it was acquired, and only its owner can release it.
"""

import threading


class Account:
    def __init__(self, balance: int) -> None:
        self.balance = balance
        self.lock = threading.RLock()

    def add(self, amount: int) -> None:
        with self.lock:
            self.balance += amount

    def add_interest(self, percent: int) -> None:
        with self.lock:
            self.add(self.balance * percent // 100)


def in_another_thread(lock: threading.RLock) -> None:
    if lock.acquire(blocking=False):
        print("another thread: got the lock")
        lock.release()
    else:
        print("another thread: the lock is not free")
        try:
            lock.release()
        except RuntimeError as error:
            print("another thread: RuntimeError:", error)


def ask_another_thread(lock: threading.RLock) -> None:
    thread = threading.Thread(target=in_another_thread, args=(lock,))
    thread.start()
    thread.join()


def main() -> None:
    account = Account(100)
    account.add(100)
    account.add_interest(5)
    print("balance", account.balance)

    lock = account.lock
    lock.acquire()
    lock.acquire()
    lock.release()
    print("acquired twice, released once")
    ask_another_thread(lock)
    lock.release()
    print("released twice")
    ask_another_thread(lock)


if __name__ == "__main__":
    main()
