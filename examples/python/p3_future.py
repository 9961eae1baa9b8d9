"""P3. A future by itself: its states, its callbacks, and the time that one waits for it.

Executors do this with the futures that they give out. Programs rarely make one, but whoever writes
an executor does.
"""

import logging
from concurrent.futures import CancelledError, Future, InvalidStateError
from concurrent.futures import TimeoutError as TooLate


def states() -> None:
    future: Future[int] = Future()
    print("pending:", future.running(), future.done())
    future.set_running_or_notify_cancel()
    print("running:", future.running(), future.done(), "cancel:", future.cancel())
    future.set_result(42)
    print("finished:", future.running(), future.done(), future.result(), future.exception())
    try:
        future.set_result(43)
    except InvalidStateError as error:
        print("a second result:", type(error).__name__)

    cancelled: Future[int] = Future()
    print("cancel:", cancelled.cancel(), "runs:", cancelled.set_running_or_notify_cancel())
    try:
        cancelled.result()
    except CancelledError:
        print("cancelled:", cancelled.cancelled(), cancelled.done())


def failure() -> None:
    future: Future[int] = Future()
    future.set_exception(ValueError("it failed"))
    try:
        future.result()
    except ValueError as error:
        print("the exception itself:", error is future.exception())


class Printing(logging.Handler):
    """Prints what is logged, less the part that is different each time."""

    def emit(self, record: logging.LogRecord) -> None:
        print("logged:", record.getMessage().split(" <")[0])


def callbacks() -> None:
    called = []
    log = logging.getLogger("concurrent.futures")
    log.addHandler(Printing())

    def fails(future: "Future[int]") -> None:
        called.append("the one that fails")
        raise RuntimeError("in a callback")

    future: Future[int] = Future()
    future.add_done_callback(lambda done: called.append(f"first, {done.result()}"))
    future.add_done_callback(fails)
    future.add_done_callback(lambda done: called.append("last"))
    future.set_result(1)
    future.add_done_callback(lambda done: called.append("at once"))
    print("called:", "; ".join(called))


def too_late() -> None:
    future: Future[int] = Future()
    try:
        future.result(timeout=0.01)
    except TooLate:
        print("no result in time; done:", future.done())


def main() -> None:
    states()
    failure()
    callbacks()
    too_late()


if __name__ == "__main__":
    main()
