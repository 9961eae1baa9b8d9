"""What a program answers, under the GIL, to those who look at it from outside."""

from __future__ import annotations

import json
import linecache
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_OURS = __file__.rpartition("_answers")[0]
# A stack that is deeper is cut in the middle: a recursion that went wrong has a million frames.
_MOST = 200


def answer(question: str) -> str | None:
    """Return the answer as JSON, or None if there is none to this question."""
    if question == "stacks":
        frames = sys._current_frames()
        return json.dumps({str(ident): stack(frame) for ident, frame in frames.items()})
    if question == "program":
        return json.dumps({"argv": sys.argv, "version": sys.version.split()[0]})
    return None


def stack(frame: FrameType | None) -> list[tuple[str, int, str, str]]:
    """Return file, line, function and source of each frame, the outermost first."""
    frames: list[tuple[str, int, str, str]] = []
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith((_OURS, "<frozen ")):
            line = frame.f_lineno or code.co_firstlineno
            source = linecache.getline(code.co_filename, line, frame.f_globals).strip()
            frames.append((code.co_filename, line, code.co_name, source))
        frame = frame.f_back
    frames.reverse()
    if len(frames) > _MOST:
        left_out = len(frames) - _MOST
        frames[_MOST // 2 : -_MOST // 2] = [("", 0, f"... {left_out} frames ...", "")]
    return frames
