"""T6. The five states of a thread, seen live: new, ready, running, blocked, dead.

Python does not name the states, but it shows enough to tell them: whether the thread has an ident,
whether it is alive, and which line it is executing (`sys._current_frames`).

Ready and running need a word. With a GIL only one thread runs at a time; so when *we* look, we
run, and a thread that could run is ready. That it ran is seen from its counter, which has moved on
when we look again.
"""

import linecache
import sys
import threading
import time

gate = threading.Lock()
news = threading.Condition()
go_on = threading.Event()
seen_asleep = threading.Event()
counter = 0


def subject() -> None:
    """The thread that is looked at: counts, then is blocked in three different ways."""
    global counter
    while not go_on.is_set():
        counter += 1
    gate.acquire()
    gate.release()
    with news:
        news.wait()
    while not seen_asleep.is_set():
        time.sleep(0.02)


def line_of(thread: threading.Thread) -> str:
    """The line of this file which the thread is at, whatever it has called from there."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame and frame.f_code.co_filename != __file__:
        frame = frame.f_back
    return linecache.getline(__file__, frame.f_lineno).strip() if frame else ""


def state_of(thread: threading.Thread) -> str:
    if thread.ident is None:
        return "new"
    if not thread.is_alive():
        return "dead"
    match line_of(thread):
        case "gate.acquire()":
            return "blocked: on a lock"
        case "news.wait()":
            return "blocked: on a notification"
        case "time.sleep(0.02)":
            return "blocked: asleep"
        case _:
            return "ready"


def look_until(thread: threading.Thread, state: str) -> None:
    """Look at the thread until it is seen in this state, and say so."""
    deadline = time.monotonic() + 10
    while (seen := state_of(thread)) != state:
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited for {state!r}, but the thread is {seen!r}")
        time.sleep(0.001)
    print(seen)


def look_until_it_ran() -> None:
    before = counter
    while counter == before:
        time.sleep(0.001)
    print("running: it has counted on")


def main() -> None:
    thread = threading.Thread(target=subject)
    print(state_of(thread))

    gate.acquire()
    thread.start()
    look_until(thread, "ready")
    look_until_it_ran()

    go_on.set()
    look_until(thread, "blocked: on a lock")

    gate.release()
    look_until(thread, "blocked: on a notification")

    with news:  # it waits already, or it could not have let go of the condition's lock
        news.notify()
    look_until(thread, "blocked: asleep")

    seen_asleep.set()
    thread.join()
    print(state_of(thread))


if __name__ == "__main__":
    main()
