"""`make check-install`: `pip install .` into an environment of its own, and what must then work.

The other environments of the project are editable installs. This is what users get: the wheel,
with the command `ropewalk` and with the `.pth` file by which Python children are reached.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.environments import ROOT, run

PROGRAM = """
import subprocess, sys, threading
import ropewalk._ropewalk

assert threading.Lock is ropewalk._ropewalk.Lock, threading.Lock
print(ropewalk.__file__)
for option in sys.argv[1:]:
    child = "import sys, threading; print(threading.Lock is sys.modules['ropewalk._ropewalk'].Lock)"
    subprocess.run([sys.executable, option, "-c", child], check=True)
"""
# The ways in which CPython's own tests start children: without the environment, and isolated.
CHILDREN = ("-B", "-E", "-I")


def output(command: list[str | Path], folder: Path) -> list[str]:
    """The lines that a command prints; ends this program if it fails or complains."""
    # Outside of the tree: nothing of it may be found by accident. What goes wrong in a .pth file
    # is told on stderr only, and the program goes on.
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0 or done.stderr:
        name = " ".join(map(str, command))
        sys.exit(f"exit status {done.returncode}: {name}\n{done.stdout}{done.stderr}")
    return done.stdout.splitlines()


def main() -> None:
    # A space in the path: launchers and .pth files have broken on that.
    with tempfile.TemporaryDirectory(prefix="ropewalk install ") as name:
        folder = Path(name).resolve()
        python = folder / "venv" / "bin" / "python"
        base = getattr(sys, "_base_executable", sys.executable)
        run([base, "-m", "venv", folder / "venv"])
        pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check"]
        before = set(folder.rglob("*"))
        # Not the target folder of the developer's builds: this interpreter has another path.
        environment = os.environ | {"CARGO_TARGET_DIR": str(ROOT / "target" / "install")}
        environment.pop("PYO3_PYTHON", None)
        run([*pip, "install", "--no-compile", ROOT], env=environment)

        program = folder / "program.py"
        program.write_text(PROGRAM)
        command: list[str | Path] = [folder / "venv" / "bin" / "ropewalk"]
        (version,) = output([*command, "--version"], folder)
        where, *children = output([*command, "run", program, *CHILDREN], folder)
        if not Path(where).is_relative_to(folder):
            sys.exit(f"ran what is installed elsewhere: {where}")
        if children != ["True"] * len(CHILDREN):
            sys.exit(f"not every child was reached: {dict(zip(CHILDREN, children, strict=True))}")

        program.unlink()
        run([*pip, "uninstall", "--yes", "ropewalk"])
        left = [it for it in set(folder.rglob("*")) - before if "__pycache__" not in it.parts]
        if left:
            sys.exit(f"pip uninstall left behind: {', '.join(map(str, left))}")
    print(
        f"pip install, {version}, run with children {' '.join(CHILDREN)}, pip uninstall: all well"
    )


if __name__ == "__main__":
    main()
