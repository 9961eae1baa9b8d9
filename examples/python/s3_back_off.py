"""S3, repaired. Whoever does not get the second lock in time puts the first one back.

Ann waits for the second lock only briefly, Bob longer; so Ann is the one who backs off, and tries
again when she is asked to.
"""

import threading

fork = threading.Lock()
knife = threading.Lock()
both_have_one = threading.Barrier(2)
bob_has_eaten = threading.Event()


def try_to_eat(name: str, first: threading.Lock, second: threading.Lock, patience: float) -> bool:
    """True when both locks were had; `patience` is how long to wait for the second, in seconds."""
    with first:
        if not bob_has_eaten.is_set():
            both_have_one.wait()
        if not second.acquire(timeout=patience):
            print(f"{name} backs off")
            return False
        try:
            print(f"{name} has both")
            return True
        finally:
            second.release()


def ann() -> None:
    while not try_to_eat("Ann", fork, knife, patience=0.05):
        bob_has_eaten.wait()


def bob() -> None:
    try_to_eat("Bob", knife, fork, patience=10)
    bob_has_eaten.set()


def main() -> None:
    guests = [threading.Thread(target=ann), threading.Thread(target=bob)]
    for guest in guests:
        guest.start()
    for guest in guests:
        guest.join()
    print("dinner is over")


if __name__ == "__main__":
    main()
