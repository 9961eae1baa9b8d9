"""The import leaves nothing behind that each loop of the program would look at."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

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
