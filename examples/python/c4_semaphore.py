"""C4. A semaphore lets a number of threads in; a lock is the semaphore of one.

Eight visitors, three seats. Then the common use, a limiter: a thread for each of 1,000 pages, but
only ten of them fetching at a time. A BoundedSemaphore notices one release too many.
"""

import threading
import time


class Room:
    """Counts how many are inside, and remembers the most that ever were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self.most = 0
        self.visits = 0

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            self.visits += 1
            self.most = max(self.most, self._inside)

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1


def visit(seats: threading.Semaphore, room: Room, stay: float) -> None:
    with seats, room:
        time.sleep(stay)


def crowd(visitors: int, seats: int, stay: float) -> Room:
    """Let the visitors, a thread each, stay inside for that many seconds."""
    room, semaphore = Room(), threading.Semaphore(seats)
    threads = [
        threading.Thread(target=visit, args=(semaphore, room, stay)) for _ in range(visitors)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return room


def main() -> None:
    room = crowd(visitors=8, seats=3, stay=0.02)
    print(f"visits: {room.visits}, at most at once: {room.most}")

    pages = crowd(visitors=1000, seats=10, stay=0.0005)
    print(f"pages: {pages.visits}, at most at once: {pages.most}")

    bounded = threading.BoundedSemaphore(1)
    bounded.acquire()
    bounded.release()
    try:
        bounded.release()
    except ValueError as error:
        print("ValueError:", error)


if __name__ == "__main__":
    main()
