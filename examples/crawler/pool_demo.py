"""The demo's second act: the crawler on a thread pool, on both sides, with few and many threads."""

import json
import statistics
import sys

from sides import SIDES, in_turns, row, run

THREADS = (1, 3, 10, 50)
WAYS = ("map", "completed", "nested")
LATENCY = 0.01  # seconds that each page takes longer, or more threads would have nothing to gain
# Few: each crawl parses all of them, mostly one after the other, as that is Python code.
LISTS, DETAILS = 6, 8
TASKS = 20_000


def crawl(side: str, start: str, way: str, threads: int) -> tuple[float, tuple[int, int, str]]:
    """One crawl: how many seconds it took, and what it found."""
    print(f"{side}: {way} with {threads} thread(s)", file=sys.stderr)
    output = run(
        side, "pool_crawler.py", start, "--way", way, "--threads", str(threads),
        "--latency", str(LATENCY), "--lists", str(LISTS), "--details", str(DETAILS),
    )  # fmt: skip
    summary = json.loads(output)
    return summary["seconds"], (summary["lists"], summary["details"], summary["digest"])


def compare(start: str, rounds: int) -> bool:
    """Measure both sides, print the table; False when they did not find the same.

    Half as many rounds as for the first act: each of them is a crawl for every line of the table.
    """
    rounds = (rounds + 1) // 2
    cases = [("completed", threads) for threads in THREADS]
    cases += [(way, 10) for way in WAYS if way != "completed"]
    found = set()
    lines = []
    for way, threads in cases:
        seconds: dict[str, list[float]] = {side: [] for side in SIDES}
        for side in in_turns(rounds):
            taken, contents = crawl(side, start, way, threads)
            seconds[side].append(taken)
            found.add(contents)
        medians = (statistics.median(seconds[side]) for side in SIDES)
        lines.append(row(f"{way}, {threads} thread(s), seconds", *medians))
    if len(found) != 1:
        print("The pools of the two sides did NOT find the same:", *sorted(found), sep="\n  ")
        return False
    ((lists, details, _digest),) = found

    alone: dict[str, list[float]] = {side: [] for side in SIDES}
    for side in in_turns(rounds):
        alone[side].append(float(run(side, "pool_traffic.py", str(TASKS), "10")))
    print(f"\nA thread pool: {lists} list pages lead to {details} detail pages.")
    print(f"Each side {rounds} times in turns, and found the same; medians.\n")
    print(f"{'':<36}{'stock':>10}{'ropewalk':>10}{'ratio':>9}")
    print(*lines, sep="\n")
    medians = (statistics.median(alone[side]) for side in SIDES)
    print(row("the pool alone, microseconds a task", *medians))
    print(
        f"\nEach page takes {LATENCY * 1000:.0f} ms longer than here, as over a network.\n"
        f"The last row is {TASKS:,} tasks that do nothing, taken as they are completed."
    )
    return True
