"""C5. Many wait for one event, one sets it, all go on.

An event stays set until it is cleared; who waits for a set event does not wait. `wait(timeout)`
says whether the event came (True) or the time ran out (False).
"""

import threading

RUNNERS = 5

start_signal = threading.Event()
finished: list[int] = []


def run(number: int) -> None:
    start_signal.wait()
    finished.append(number)


def main() -> None:
    print("waited in vain:", start_signal.wait(timeout=0.02))

    runners = [threading.Thread(target=run, args=(number,)) for number in range(RUNNERS)]
    for runner in runners:
        runner.start()
    print("before the signal, finished:", len(finished))
    start_signal.set()
    for runner in runners:
        runner.join()
    print("after the signal, finished:", len(finished))

    print("is set:", start_signal.is_set())
    print("wait when set:", start_signal.wait())
    start_signal.clear()
    print("is set after clear:", start_signal.is_set())


if __name__ == "__main__":
    main()
