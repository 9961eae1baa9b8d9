"""S4. Three threads take turns: each releases the lock that the next one waits for.

A Lock has no owner in the way an RLock has: any thread may release it, and here that is the whole
trick. Three locks in a ring, each waited for by one thread while another one is to release it, look
like a deadlock and are none: no alarm may be raised.
"""

import threading

ROUNDS = 3


def speak(number: int, mine: threading.Lock, next_one: threading.Lock) -> None:
    for _ in range(ROUNDS):
        mine.acquire()
        print(number, flush=True)
        next_one.release()


def main() -> None:
    locks = [threading.Lock() for _ in range(3)]
    for lock in locks:
        lock.acquire()

    threads = [
        threading.Thread(target=speak, args=(i + 1, locks[i], locks[(i + 1) % 3])) for i in range(3)
    ]
    for thread in threads:
        thread.start()
    locks[0].release()  # the first one may begin
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
