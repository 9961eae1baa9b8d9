"""Where the commands print to: any encoding, pipes that close, full disks, small terminals."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shlex
import socket
import struct
import subprocess
import sys
import termios
import threading
from typing import TYPE_CHECKING

import pytest

from tests.face.programs import LIMIT, environment
from tests.insight.programs import ROOT, Program, ropewalk, says

if TYPE_CHECKING:
    from pathlib import Path

# Names with what a terminal would obey, and with what ASCII lacks.
_EVIL = """
lock = threading.Lock(name="caf\\u00e9 \\x1b[2J" + "\\u6f22" * 90)
lock.acquire()
threads = [
    threading.Thread(target=lock.acquire, name="\\u00e9" * 90, daemon=True),
    threading.Thread(target=lock.acquire, name="\\u6f22e\\u0301", daemon=True),
]
for thread in threads:
    thread.start()
until_blocked(*threads)
ready()
"""
_CROWD = """
lock = threading.Lock(name="counter")
lock.acquire()
gate = threading.Event()
crowd = [threading.Thread(target=lock.acquire, name=f"adder-{i}", daemon=True) for i in range(40)]
other = threading.Thread(target=gate.wait, name="other", daemon=True)
for thread in (*crowd, other):
    thread.start()
until_blocked(*crowd, other)
ready()
"""


def shell(line: str, *words: str | int) -> subprocess.CompletedProcess[str]:
    """Run a command of a shell in which `$ropewalk` is ours with the words."""
    command = shlex.join([sys.executable, "-m", "ropewalk", *map(str, words)])
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line.replace('$ropewalk', command)}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        cwd=ROOT,
        env=environment(COLUMNS="80"),
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("command", ["ps", "stacks"])
def test_any_encoding_will_do(tmp_path: Path, command: str, encoding: str) -> None:
    with Program(tmp_path, _EVIL) as program:
        done = subprocess.run(
            [sys.executable, "-m", "ropewalk", command, str(program.pid)],
            capture_output=True,
            timeout=LIMIT,
            check=False,
            cwd=ROOT,
            env=environment(COLUMNS="80", PYTHONIOENCODING=encoding),
        )
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding)
    assert "\x1b" not in text
    assert ("\\u6f22" in text) == (encoding != "utf-8")
    assert ("\\xe9" in text) == (encoding == "ascii")


def test_columns_stay_where_they_are_beside_wide_letters(tmp_path: Path) -> None:
    from ropewalk import _tables

    with Program(tmp_path, _EVIL) as program:
        text = says(["ps", program.pid])
    rows = [line for line in text.splitlines() if " blocked " in line]
    starts = {_tables.width_of(row.partition(" blocked ")[0]) for row in rows}
    assert len(rows) == 2
    assert starts == {18}
    assert all(_tables.width_of(row) <= 80 for row in rows)
    assert _tables.fit("\u6f22\u6f22", 3) == "\u6f22…"
    assert _tables.fit("\u6f22\u6f22", 2) == "… "
    assert _tables.fit("e\u0301e\u0301", 3) == "e\u0301e\u0301 "
    # The names of a pool's threads differ at their ends.
    assert _tables.fit("ThreadPoolExecutor-0_13", 16) == "ThreadPool…-0_13"
    assert [_tables.fit("abc", width) for width in (0, 1, 2)] == ["", "…", "a…"]


def test_a_pipe_that_closes_is_no_error(tmp_path: Path) -> None:
    with Program(tmp_path, _CROWD) as program:
        for words in (["ps", program.pid, "--json"], ["stacks", program.pid], ["ps"]):
            done = shell("$ropewalk | true", *words)
            assert done.stderr == ""
            # As tools that the signal ends; or it was written before the pipe was closed.
            assert done.returncode in (0, 141)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with Program(tmp_path, _CROWD) as program:
        for words in (["ps", program.pid, "--json"], ["stacks", program.pid], ["ps"], ["--help"]):
            done = shell("$ropewalk >/dev/full", *words)
            assert done.returncode == 1
            assert (
                done.stderr == "ropewalk: the output cannot be written: No space left on device\n"
            )


def test_a_closed_standard_output_is_none(tmp_path: Path) -> None:
    with Program(tmp_path, _CROWD) as program:
        done = shell("$ropewalk >&-", "ps", program.pid)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "answer",
    ["", '{"form": 2, "pid": 1, "thr', "[1]", "\0", '{"form":2}', '{"1": [["a"]]}', "[" * 99999],
)
def test_an_answer_that_is_none_is_said(runtime: Path, answer: str) -> None:
    from ropewalk import _ropewalk

    runtime.mkdir(mode=0o700)
    whole = json.dumps(_ropewalk.snapshot())

    def serve(listener: socket.socket, snapshot: str) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                question = client.recv(100)
                client.sendall((snapshot if question == b"snapshot\n" else answer).encode())

    for snapshot, command in ((answer, "ps"), (answer, "stacks"), (whole, "stacks")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            path = runtime / f"{os.getpid()}.sock"
            listener.bind(str(path))
            listener.listen()
            server = threading.Thread(target=serve, args=(listener, snapshot))
            server.start()
            try:
                done = ropewalk(command, os.getpid())
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                server.join()
                path.unlink()
        assert done.returncode == 1
        assert done.stderr.startswith("ropewalk: ")
        assert done.stderr.count("\n") == 1
        assert str(os.getpid()) in done.stderr


def on_a_terminal(*words: str | int, lines: int = 24, columns: int = 80) -> str:
    """What the command prints on a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-m", "ropewalk", *map(str, words)],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment(TERM="xterm"),
    ) as process:
        os.close(theirs)
        text = b""
        # The end of a terminal is an error on Linux.
        while True:
            try:
                text += (more := os.read(ours, 65536))
            except OSError:
                break
            if not more:
                break
        os.close(ours)
        assert process.communicate(timeout=LIMIT)[1] == b""
        assert process.returncode == 0
    return text.decode().replace("\r\n", "\n")


def test_on_a_terminal_ps_is_one_screen(tmp_path: Path) -> None:
    with Program(tmp_path, _CROWD) as program:
        text = on_a_terminal("ps", program.pid)
        assert len(text.splitlines()) < 24
        [crowd] = [line for line in text.splitlines() if "Lock 'counter'" in line]
        assert crowd.startswith("40 x adder-* ")
        assert crowd.endswith("MainThread")
        assert "\nother " in text
        for option in ("-a", "--all"):
            text = on_a_terminal("ps", program.pid, option)
            assert sum("Lock 'counter'" in line for line in text.splitlines()) == 40
        # There is room for all of them.
        text = on_a_terminal("ps", program.pid, lines=100)
        assert text.count("\nadder-") == 40
        # What no terminal reads is complete.
        assert says(["ps", program.pid]).count("\nadder-") == 40
        assert len(json.loads(says(["ps", program.pid, "--json"]))["threads"]) >= 42


def test_rows_are_as_wide_as_a_narrow_terminal(tmp_path: Path) -> None:
    text = """
    from concurrent.futures import ThreadPoolExecutor
    pool = ThreadPoolExecutor(1, "the pool with a long name")
    pool.submit(int).result()
    lock = threading.Lock(name="a lock with a long name")
    lock.acquire()
    threads = [threading.Thread(target=lock.acquire, daemon=True) for _ in range(30)]
    for thread in threads:
        thread.start()
    until_blocked(*threads)
    lock.acquire(timeout=0.01)
    ready()
    """
    with Program(tmp_path, text) as program:
        for options in ((), ("--all",)):
            head, *lines = on_a_terminal("ps", program.pid, *options, columns=40).splitlines()
            assert head.startswith("process ")
            assert {"THREAD", "WAITED", "POOL"} <= {line.split()[0] for line in lines if line}
            assert max(map(len, lines)) == 40


def test_on_a_terminal_the_deadlock_comes_first_and_the_rest_is_counted(tmp_path: Path) -> None:
    text = """
    outside = outsider()
    locks = [threading.Lock() for _ in range(40)]
    for lock in locks:
        lock.acquire()
    threads = [
        threading.Thread(target=lock.acquire, name=f"waiter-{i}", daemon=True)
        for i, lock in enumerate(locks)
    ]
    both = threading.Barrier(2)
    def turn(first, second):
        with first:
            both.wait()
            with second:
                pass
    one, two = threading.Lock(), threading.Lock()
    for args in ((one, two), (two, one)):
        threads.append(threading.Thread(target=turn, args=args, name="lost", daemon=True))
    for thread in threads:
        thread.start()
    until_blocked(*threads)
    from ropewalk import _ropewalk
    _ropewalk.set_suspect_grace(0)
    ready()
    """
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    with Program(folder, text) as program:
        shown = on_a_terminal("ps", program.pid).splitlines()
    # The first line, with the folder, takes two.
    assert len(shown[0]) > 80
    assert len(shown) < 23
    assert [line.split()[0] for line in shown[3:5]] == ["lost", "lost"]
    assert "waiter-0 " in shown[5]
    [left_out] = [line for line in shown if line.startswith("... ")]
    assert left_out.endswith(f" more threads; `ropewalk ps {program.pid} --all` shows each")


def test_without_standard_error_the_exit_codes_are_the_same() -> None:
    # Nothing has the number 1 and runs under Ropewalk as us, or such a number at all.
    for words, code in ((["ps", 1], 1), (["ps", "9" * 5000], 1), (["top", 1], 2), (["walk"], 2)):
        assert ropewalk(*words).returncode == code
        done = shell("$ropewalk 2>&-", *words)
        assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
