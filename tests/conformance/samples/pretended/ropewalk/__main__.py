"""`python -m ropewalk run SCRIPT ARGUMENTS` and `--version`, as far as the harness uses them."""

from __future__ import annotations

import os
import runpy
import sys

import ropewalk

if sys.argv[1:] == ["--version"]:
    sys.stdout.write("ropewalk pretended\n")
elif sys.argv[1:2] == ["run"]:
    os.environ["ROPEWALK_RUN"] = "1"
    ropewalk.install()
    script = sys.argv[2]
    sys.argv[:] = sys.argv[2:]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")
else:
    raise SystemExit(2)
