"""Documentation that is installed on this machine, for the demo to crawl.

That of Rust where it is there, else that of Python, else (this always works) pages that pydoc makes
from the modules of the standard library: `python corpus.py FOLDER` writes those.
"""

import contextlib
import html
import importlib
import io
import pydoc
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

# Importing these does something: a browser is opened, a poem printed, a window or a shell made.
NOT_TO_IMPORT = {"antigravity", "this", "idlelib", "turtledemo", "turtle", "__main__"}


def rust_documentation() -> Path | None:
    """The start page of the documentation of Rust's core library, if rustup installed it."""
    if not shutil.which("rustc"):
        return None
    asked = subprocess.run(
        ["rustc", "--print", "sysroot"], capture_output=True, text=True, check=False
    )
    start = Path(asked.stdout.strip(), "share/doc/rust/html/core/index.html")
    return start if asked.returncode == 0 and start.is_file() else None


def python_documentation() -> Path | None:
    """The start page of Python's documentation, if a package of the system installed it."""
    for prefix in (Path(sys.base_prefix), Path("/usr")):
        for start in sorted(prefix.glob("share/doc/python3*/html/index.html"), reverse=True):
            return start
    return None


def installed_documentation() -> tuple[Path, Path] | None:
    """The folder to serve and the start page in it, or None when nothing is installed."""
    if start := rust_documentation():
        return start.parent.parent, start
    if start := python_documentation():
        return start.parent, start
    return None


def generate(folder: Path) -> None:
    """Write pages made by pydoc to the folder, in a process of its own: it imports everything."""
    subprocess.run([sys.executable, __file__, str(folder)], check=True)


def write_pydoc_pages(folder: Path) -> None:
    formatter = pydoc.HTMLDoc()
    written = []
    for name in sorted(sys.stdlib_module_names - NOT_TO_IMPORT):
        try:
            page = formatter.page(name, formatter.document(importlib.import_module(name), name))
        except Exception as error:  # modules of other systems, or that need what is not there
            print(f"no page for {name}: {error}", file=sys.stderr)
            continue
        (folder / f"{name}.html").write_text(page, encoding="utf-8", errors="replace")
        written.append(name)
    links = "\n".join(f'<li><a href="{html.escape(n)}.html">{html.escape(n)}</a>' for n in written)
    index = f"<!DOCTYPE html><title>The standard library</title><ul>\n{links}\n</ul>\n"
    (folder / "index.html").write_text(index, encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # deprecated modules say so when they are imported
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        write_pydoc_pages(Path(sys.argv[1]))
