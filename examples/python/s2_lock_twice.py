"""S2. The same Lock twice in one thread: a method that locks calls another method that locks.

With `python` this program hangs at its last step. With `ropewalk run` it ends with a DeadlockError
that names the lock and both places. `s2_rlock.py` is the repaired program.
"""

import threading


class Account:
    def __init__(self, balance: int) -> None:
        self.balance = balance
        self.lock = threading.Lock()

    def add(self, amount: int) -> None:
        with self.lock:
            self.balance += amount

    def add_interest(self, percent: int) -> None:
        with self.lock:
            self.add(self.balance * percent // 100)


def main() -> None:
    account = Account(100)
    account.add(100)
    print("added: balance", account.balance, flush=True)
    account.add_interest(5)
    print("interest added: balance", account.balance)


if __name__ == "__main__":
    main()
