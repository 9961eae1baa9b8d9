"""S1. One thread adds 1 a million times, another subtracts 1 a million times. Is the sum 0?

`total += 1` is four steps of bytecode: read, take 1, add, write. A thread that is stopped between
its read and its write overwrites with an old sum what the other one wrote meanwhile. Whether that
happens depends on where the interpreter lets threads change: since Python 3.10 hardly ever within
the one line, but as soon as something is called between read and write, or without a GIL. With a
lock the sum is 0, always.
"""

import dis
import threading

TIMES = 1_000_000

total = 0
lock = threading.Lock()


def add_in_one_line(step: int) -> None:
    global total
    for _ in range(TIMES):
        total += step


def plus(a: int, b: int) -> int:
    return a + b


def add_with_a_call(step: int) -> None:
    global total
    for _ in range(TIMES):
        total = plus(total, step)


def add_with_lock(step: int) -> None:
    global total
    for _ in range(TIMES):
        with lock:
            total = plus(total, step)


def show_the_steps() -> None:
    body = dis.get_instructions(compile("total += 1", "<the line>", "exec"))
    steps = [one.opname for one in body if one.opname not in ("RESUME", "NOP")]
    print("total += 1 is", ", ".join(steps[:4]))


def main() -> None:
    global total
    show_the_steps()
    for add in (add_in_one_line, add_with_a_call, add_with_lock):
        total = 0
        threads = [threading.Thread(target=add, args=(step,)) for step in (+1, -1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"{add.__name__}: {total}")


if __name__ == "__main__":
    main()
