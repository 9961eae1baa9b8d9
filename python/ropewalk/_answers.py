"""What a program answers, under the GIL, to those who look at it from outside.

Where many threads compute, whoever gives the GIL up waits long until it has it again. So nothing
here does: it reads no files, and imports nothing.
"""

from __future__ import annotations

import sys
from _json import encode_basestring_ascii as _quoted  # All of `json` takes longer to import.

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

_OURS = __file__.rpartition("_answers")[0]
# A stack that is deeper is cut in the middle: a recursion that went wrong has a million frames.
_MOST = 200


def answer(question: str) -> str | None:
    """Return the answer as JSON, or None if there is none to this question.

    Of the frames' sources it has what the program has read: others can read the files themselves.
    """
    if question != "stacks":
        return None
    stacks = []
    for ident, frame in sys._current_frames().items():
        rows = [
            f"[{_quoted(file)},{line},{_quoted(function)},{_quoted(source)}]"
            for file, line, function, source in stack(frame, _read_before)
        ]
        stacks.append(f'"{ident}":[{",".join(rows)}]')
    return f"{{{','.join(stacks)}}}"


def stack(
    frame: FrameType | None, source_of: Callable[[str, int, dict[str, Any]], str]
) -> list[tuple[str, int, str, str]]:
    """Return file, line, function and source of each frame, the outermost first.

    Args:
        frame: the innermost one.
        source_of: as `linecache.getline`.
    """
    frames: list[tuple[str, int, str, str]] = []
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith((_OURS, "<frozen ")):
            line = frame.f_lineno or code.co_firstlineno
            source = source_of(code.co_filename, line, frame.f_globals).strip()
            frames.append((code.co_filename, line, code.co_name, source))
        frame = frame.f_back
    frames.reverse()
    if len(frames) > _MOST:
        left_out = len(frames) - _MOST
        frames[_MOST // 2 : -_MOST // 2] = [("", 0, f"... {left_out} frames ...", "")]
    return frames


def _read_before(file: str, line: int, _: dict[str, Any]) -> str:
    """Return a line as `linecache` has it, which also knows code that is in no file."""
    try:
        return str(sys.modules["linecache"].cache[file][2][line - 1])
    except Exception:
        # Anybody may put anything there.
        return ""
