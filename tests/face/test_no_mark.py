"""The import leaves nothing behind that each loop of the program would look at."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Where CPython marks that an exception was sent to some thread: bytes of the interpreter's state.
MARKS = {(3, 11): (100, 124), (3, 12): (368, 420)}

_PROGRAM = """
import ctypes, sys, threading
address = ctypes.pythonapi.PyInterpreterState_Get
address.restype = ctypes.c_void_p

def marks():
    # A mark that is due is looked at, and stays if nothing was sent.
    for _ in range(1000):
        pass
    return [ctypes.c_ubyte.from_address(address() + int(at)).value for at in sys.argv[1:]]

before = marks()
from ropewalk import queue
after = marks()
ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)
print(before, after, marks())
"""


@pytest.mark.skipif(sys.version_info[:2] not in MARKS, reason="only these versions have such marks")
@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="the places are those of 64 bits")
def test_no_loop_looks_for_an_exception_that_was_never_sent() -> None:
    places = map(str, MARKS[sys.version_info[:2]])
    command = [sys.executable, "-c", _PROGRAM, *places]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    # The last one shows that these are the places.
    assert done.stdout == "[0, 0] [0, 0] [1, 1]\n", done.stderr


_TRACED = """
import sys, threading
calls = []
def look(frame, event, argument):
    if frame.f_code.co_filename != __file__:
        calls.append((frame, event))
    return look
def look_at_profile(frame, event, argument):
    look(frame, event, argument)
getattr(sys, "set" + sys.argv[1])(look if sys.argv[1] == "trace" else look_at_profile)
from ropewalk import queue
there = getattr(sys, "get" + sys.argv[1])() is not None
getattr(sys, "set" + sys.argv[1])(None)
depth = 0
for frame, event in calls:
    depth += {"call": 1, "return": -1}.get(event, 0)
    assert depth >= 0, frame
print(there, depth, len(calls) > 100)
"""


@pytest.mark.parametrize("what", ["trace", "profile"])
def test_the_import_can_be_debugged_and_profiled(what: str, tmp_path: Path) -> None:
    """Nothing is raised that a debugger could see, nor are calls that end before they begin."""
    program = tmp_path / "program.py"
    program.write_text(_TRACED)
    command = [sys.executable, str(program), what]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "True 0 True\n", done.stderr
