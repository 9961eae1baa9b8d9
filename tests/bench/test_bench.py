"""The benchmarks run, print every row and keep what they measured. Times are never judged here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest

from benches.python import cli, report
from benches.python.kit import Kit, stock
from benches.python.row import Measure, Row, fresh, statement
from benches.python.runner import Measured, Result, run
from benches.python.sample import Sample

ROOT = Path(__file__).resolve().parents[2]


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benches.python", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any], str]:
    """Run every row once: what was printed, the JSON and the Markdown."""
    folder = tmp_path_factory.mktemp("bench")
    kept, table = folder / "smoke.json", folder / "smoke.md"
    ran = bench("--smoke", "--no-peers", "--json", str(kept), "--markdown", str(table))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout, json.loads(kept.read_text()), table.read_text()


def test_smoke_prints_every_row(smoke: tuple[str, dict[str, Any], str]) -> None:
    printed, kept, _ = smoke
    names = [row.name for row in cli.all_rows()]
    assert [row["name"] for row in kept["rows"]] == names
    missing = [n for n in names if not any(line.startswith(n) for line in printed.splitlines())]
    assert missing == []


def test_json_holds_times_of_every_side(smoke: tuple[str, dict[str, Any], str]) -> None:
    _, kept, _ = smoke
    for row in kept["rows"]:
        for side in ("stock", "ropewalk"):
            assert row["sides"][side]["time"] > 0, (row["name"], side)
            assert len(row["sides"][side]["wall"]) == 1
        assert row["ratio"] > 0


def test_markdown_holds_what_is_judged_and_the_same_unpinned(
    smoke: tuple[str, dict[str, Any], str],
) -> None:
    _, _, table = smoke
    lines = table.splitlines()
    judged = [row for row in cli.all_rows() if row.target is not None]
    assert len(lines) == 2 + len(judged) + sum(row.cores == "one" for row in judged)
    assert len({line.count("|") for line in lines}) == 1


def test_every_item_of_the_goal_is_a_row() -> None:
    judged = [row.name for row in cli.all_rows() if row.target is not None]
    # 19 for one thread, 12 contended, 4 ping-pong, 2 with many waiters, 3 threads and timers,
    # 5 queues between threads, 11 of futures and pools.
    assert len(judged) == len(set(judged)) == 19 + 12 + 4 + 2 + 3 + 5 + 11


def test_list_names_the_rows_that_match() -> None:
    ran = bench("--list", "--rows", "lock w*", "=Lock, 2 threads")
    assert ran.returncode == 0
    assert [line.split("  ")[0] for line in ran.stdout.splitlines()] == [
        "Lock with",
        "Lock, 2 threads",
    ]


def test_an_unknown_row_is_an_error() -> None:
    ran = bench("--rows", "no such row")
    assert ran.returncode == 2
    assert "--list" in ran.stderr


def test_a_row_that_fails_is_named_and_sets_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = statement("good", "lock", "it.acquire(); it.release()", target=1.0)
    bad = statement("bad", "lock", "it.no_such_method()", target=1.0, floor=None)
    monkeypatch.setattr(cli, "all_rows", lambda: [bad, good])
    assert cli.main(["--smoke", "--no-peers"]) == 1
    out, err = capsys.readouterr()
    assert "failed: bad" in err
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    assert "FAILED" in lines["bad"]
    assert "FAILED" not in lines["good"]


def test_replaced_stdlib_is_refused() -> None:
    code = "import ropewalk; ropewalk.install(); from benches.python.kit import stock; stock()"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "is not the standard library's" in ran.stderr


def test_sides_are_measured_in_turns() -> None:
    order: list[str] = []

    def build(kit: Kit) -> Measure:
        def measure(size: int) -> Sample:
            order.append(kit.name)
            return Sample(size, size * 10**9, size)

        return measure

    row = Row("turns", "alone", build, size=1)
    result = run(row, [Kit("stock"), Kit("ropewalk")], rounds=3)
    assert order == ["stock", "ropewalk", "ropewalk", "stock", "stock", "ropewalk"]
    assert result.ratio() == 1.0


@pytest.mark.parametrize("clock", ["cpu", "wall"])
def test_size_of_a_batch_is_found_although_other_programs_interrupt(
    clock: Literal["cpu", "wall"],
) -> None:
    sizes: list[int] = []

    def build(kit: Kit) -> Measure:
        def measure(size: int) -> Sample:
            sizes.append(size)
            interrupted = 10**9 if len(sizes) % 3 == 1 else 0
            taken = size * 1_000
            if clock == "cpu":
                return Sample(size, wall=taken + 10**9, cpu=taken + interrupted)
            return Sample(size, wall=taken + interrupted, cpu=taken)

        return measure

    run(Row("sized", "alone", build, batch_ms=50, clock=clock), [Kit("stock")], rounds=2)
    assert sizes[-2:] == [50_000, 50_000]


@pytest.mark.parametrize(
    ("ours", "fairness", "reached"), [(50.0, 0.6, True), (50.0, 0.4, False), (51.0, 0.6, False)]
)
def test_a_row_reaches_its_target_in_time_and_fairness(
    ours: float, fairness: float, reached: bool
) -> None:
    row = Row("row", "contended", lambda kit: None, target=2.0, least_fairness=0.5)
    sides = {
        "stock": Measured((100.0,), (1.0,), 0.9),
        "ropewalk": Measured((ours,), (1.0,), fairness),
    }
    assert Result(row, sides).reached is reached


@pytest.mark.parametrize(
    ("clock", "statistic", "time"),
    [("wall", "median", 5.0), ("wall", "min", 1.0), ("cpu", "median", 4.0), ("cpu", "min", 2.0)],
)
def test_a_row_says_what_counts(
    clock: Literal["cpu", "wall"], statistic: Literal["min", "median"], time: float
) -> None:
    row = Row("row", "alone", lambda kit: None, clock=clock, statistic=statistic)
    assert Measured(wall=(9.0, 1.0, 5.0), cpu=(4.0, 2.0, 8.0)).time(row) == time


def test_nothing_is_judged_without_ropewalk() -> None:
    row = Row("row", "alone", lambda kit: None, target=2.0)
    assert Result(row, {"stock": Measured((100.0,), (100.0,))}).reached is None


def test_fresh_code_is_not_shared_and_may_be_respelled() -> None:
    def count(items: "list[int]") -> int:
        def inner() -> int:
            return items.count(1)

        return inner()

    twin = fresh(count, {"count": "__len__"})
    assert fresh(count, {})([1, 2, 1]) == 2
    with pytest.raises(TypeError, match="expected 0 arguments"):
        twin([1])
    assert count([1]) == 1


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(None, "-"), (5.123, "5.12 ns"), (99.96, "100 ns"), (1234.0, "1.23 us"), (3.2e9, "3.20 s")],
)
def test_durations_have_three_digits(nanoseconds: float | None, text: str) -> None:
    assert report.duration(nanoseconds) == text


def test_markdown_goes_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write_markdown(page, "new\n")
    assert page.read_text() == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"


def test_stock_is_the_standard_library() -> None:
    import queue

    assert stock().queue is queue.Queue
