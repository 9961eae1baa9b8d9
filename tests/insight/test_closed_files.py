"""A program may close all files that it finds, as daemons do: what it opens then is its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.insight.programs import Program

if TYPE_CHECKING:
    from pathlib import Path

_CLOSES = """
import socket

def numbers():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.fstat(int(name)).st_ino
        except OSError:
            pass  # it was for the listing itself
    return found

def work():
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()

from ropewalk import inspect
OPEN()
open_before = [number for number in numbers() if number > 2]
assert open_before
os.closerange(3, max(open_before) + 1)
server = socket.create_server(("127.0.0.1", 0))
for number in open_before:
    os.dup2(server.fileno(), number)
mine = numbers()

work()
client = socket.create_connection(server.getsockname())
server.settimeout(30)
connection, _ = server.accept()
connection.sendall(b"for the program")
assert client.recv(100) == b"for the program"

def still_there():
    now = numbers()
    return all(now.get(number) == inode for number, inode in mine.items())

child = os.fork()
if child == 0:
    os._exit(0 if still_there() else 1)
assert os.waitpid(child, 0)[1] == 0
assert still_there()
work()
assert still_there()
inspect.stop_serving()
assert still_there()
ready()
"""


@pytest.mark.parametrize("opens", ["inspect.serve", "work"])
def test_what_a_program_opens_under_our_numbers_is_its_own(tmp_path: Path, opens: str) -> None:
    with Program(tmp_path, _CLOSES.replace("OPEN", opens)) as program:
        assert program.end() == (0, "", "")


def test_a_trace_ends_where_its_file_was_closed(tmp_path: Path) -> None:
    body = """
    def work():
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
    work()
    os.closerange(3, 4096)
    mine = open("mine.txt", "w+b")
    for number in range(mine.fileno() + 1, 600):
        os.dup2(mine.fileno(), number)
    for _ in range(50):
        work()  # each thread has a piece of the file
    assert os.fstat(mine.fileno()).st_size == 0
    ready()
    """
    path = tmp_path / "trace.json"
    body = body.replace("mine.txt", str(tmp_path / "mine.txt"))
    with Program(tmp_path, body, f"--trace={path}") as program:
        code, out, err = program.end()
        assert (code, out) == (0, "")
        assert "the program has closed the file" in err
    assert (tmp_path / "mine.txt").stat().st_size == 0


def test_the_numbers_of_a_programs_files_are_as_without_us(tmp_path: Path) -> None:
    body = """
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    files = [open(os.devnull) for _ in range(4)]
    ready()
    print([file.fileno() for file in files])
    """
    with Program(tmp_path, body) as ours, Program(tmp_path, body, under=False) as stock:
        assert ours.end() == stock.end()
