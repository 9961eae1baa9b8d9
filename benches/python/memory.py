"""What a queued task costs in memory: `python -m benches.python.memory`.

Each side runs in a process of its own, so that neither finds memory that the other one left.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from threading import Event

from benches.python import kit

ENOUGH = 0.5
DESCRIPTION = "Measure the memory of tasks that wait in a pool, of the stdlib and of Ropewalk."


def nothing() -> None:
    """Be a task."""


def resident() -> int:
    """Return how many bytes of memory this process has."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the system does not tell how much memory a process has")


def queued(side: kit.Kit, tasks: int, kept: bool) -> float:
    """Return the bytes for each of so many queued tasks, their futures kept or not."""
    futures = side.futures
    if futures is None:
        raise RuntimeError(f"{side.name} has no pools")
    go, begun = Event(), Event()

    def hold() -> None:
        begun.set()
        go.wait()

    with futures.ThreadPoolExecutor(1) as pool:
        pool.submit(hold)
        begun.wait()
        # The list itself is the program's, and there before.
        submitted: list[object] = [None] * tasks
        before = resident()
        if kept:
            for index in range(tasks):
                submitted[index] = pool.submit(nothing)
        else:
            for _turn in range(tasks):
                pool.submit(nothing)
        after = resident()
        go.set()
    return (after - before) / tasks


def measure(name: str, tasks: int, kept: bool) -> float:
    """Return what a process of its own finds."""
    command = [sys.executable, "-m", "benches.python.memory", "--side", name]
    command += ["--tasks", str(tasks)]
    if kept:
        command.append("--kept")
    ran = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: float = json.loads(ran.stdout)
    return found


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=DESCRIPTION)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--kept", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        side = kit.stock() if options.side == "stock" else kit.ropewalk()
        if side is None:
            sys.exit("ropewalk is not installed for this Python")
        print(json.dumps(queued(side, options.tasks, options.kept)))
        return
    print(f"{options.tasks:,} tasks queued, bytes each")
    for kept in (True, False):
        stock, ours = (measure(name, options.tasks, kept) for name in ("stock", "ropewalk"))
        verdict = "ok" if ours <= ENOUGH * stock else "SHORT"
        what = "futures kept" if kept else "futures dropped"
        print(f"{what:<20} {stock:8.0f} {ours:8.0f} {ours / stock:6.2f}x of {ENOUGH}x {verdict}")


if __name__ == "__main__":
    main()
