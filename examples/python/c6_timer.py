"""C6. A timer calls a function once, after its interval; unless it is cancelled before."""

import threading
import time

INTERVAL = 0.05


def main() -> None:
    calls: list[str] = []

    begin = time.monotonic()
    timer = threading.Timer(INTERVAL, calls.append, args=("rang",))
    timer.start()
    print("at once:", calls)
    timer.join()
    print("after its interval:", calls)
    print("not before its interval:", time.monotonic() - begin >= INTERVAL)

    cancelled = threading.Timer(60, calls.append, args=("rang again",))
    cancelled.start()
    cancelled.cancel()
    cancelled.join()
    print("cancelled, alive:", cancelled.is_alive())
    print("in the end:", calls)


if __name__ == "__main__":
    main()
