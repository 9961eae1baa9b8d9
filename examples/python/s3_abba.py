"""S3. Two threads take two locks in opposite order, and each waits for the other's.

With `python` this program hangs. With `ropewalk run` one of the two threads gets a DeadlockError
that tells about both threads and both locks; it lets go of its lock, the other thread goes on, and
the program ends. `s3_back_off.py` is the repaired program.
"""

import threading

fork = threading.Lock()
knife = threading.Lock()
both_have_one = threading.Barrier(2)  # in real programs: a pause at the wrong moment


def fork_first() -> None:
    with fork:
        both_have_one.wait()
        with knife:
            print("Ann has both", flush=True)


def knife_first() -> None:
    with knife:
        both_have_one.wait()
        with fork:
            print("Bob has both", flush=True)


def main() -> None:
    guests = [
        threading.Thread(target=fork_first, name="Ann"),
        threading.Thread(target=knife_first, name="Bob"),
    ]
    print("dinner begins", flush=True)
    for guest in guests:
        guest.start()
    for guest in guests:
        guest.join()
    print("dinner is over")


if __name__ == "__main__":
    main()
