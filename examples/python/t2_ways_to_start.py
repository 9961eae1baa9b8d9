"""T2. Four ways to say what a thread runs, and the usual mistake.

A function with positional and keyword arguments, a subclass with its own `run`, and the bound
method of an object all run in the new thread. `Thread(target=greet("x"))` does not: it calls
`greet` here and now, and the thread gets its result, None, to run.
"""

import threading


def greet(name: str, *, greeting: str = "hello") -> None:
    print(f"{greeting}, {name}: said by {threading.current_thread().name}")


class Greeter(threading.Thread):
    """A thread that is its own program: what it needs goes to `__init__`, what it does to `run`."""

    def __init__(self, who: str) -> None:
        super().__init__(name="subclass")
        self.who = who

    def run(self) -> None:
        greet(self.who)


class Host:
    def __init__(self, guest: str) -> None:
        self.guest = guest

    def welcome(self) -> None:
        greet(self.guest, greeting="welcome")


def run_to_the_end(thread: threading.Thread) -> None:
    thread.start()
    thread.join()


def main() -> None:
    run_to_the_end(threading.Thread(target=greet, args=("Ann",), name="positional"))
    run_to_the_end(
        threading.Thread(
            target=greet, args=("Bob",), kwargs={"greeting": "good day"}, name="keyword"
        )
    )
    run_to_the_end(Greeter("Cleo"))
    run_to_the_end(threading.Thread(target=Host("Dan").welcome, name="method"))

    mistake = threading.Thread(target=greet("Eve"), name="mistake")  # type: ignore[func-returns-value]
    print("the mistaken thread has not even started:", mistake.ident is None)
    run_to_the_end(mistake)


if __name__ == "__main__":
    main()
