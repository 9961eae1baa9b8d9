"""Imported by the line in `ropewalk_run.pth` when ROPEWALK_RUN is set: in a program started by
`ropewalk run` and in the Python processes that it starts, before their first own import.
"""

import os

from ropewalk import _options

try:
    _options.parse(os.environ.get(_options.VARIABLE, "")).apply()
except Exception as error:
    # `site` would print a traceback and go on, and the program would run on the stdlib unnoticed.
    os.write(2, f"ropewalk: cannot start: {type(error).__name__}: {error}\n".encode())
    os._exit(70)
