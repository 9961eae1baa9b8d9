"""`ropewalk run`: start the program with the same interpreter, with ROPEWALK_RUN set.

The process becomes `python TARGET ARGUMENTS`, and the line in `ropewalk_run.pth` puts Ropewalk
under the stdlib's names while that interpreter starts. So there is no frame of ours below the
program's first line, and `sys.argv`, `__main__`, exit codes, signals and standard input are the
interpreter's own business; children that the program starts with Python are covered by the
same two things.
"""

# `signal` would load `enum` and what that needs, which takes longer than all that is done here.
import _signal as signal  # type: ignore[import-not-found]
import os
import sys

from ropewalk import _options

PTH = "ropewalk_run.pth"

# Ignored by every Python process; a process keeps through exec what is ignored, so without this
# the program could not tell what the shell had chosen. (As `subprocess` does.)
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ", "SIGXFZ")


class CannotRun(Exception):
    """The program cannot be started; the message says why and what to do."""


def interpreter_options(original: list[str]) -> list[str]:
    """The options of `python` itself in a command line such as `sys.orig_argv`.

    >>> interpreter_options(["python", "-X", "dev", "-Im", "ropewalk", "run", "app.py"])
    ['-X', 'dev', '-I']
    """
    options: list[str] = []
    words = iter(original[1:])
    for word in words:
        if word in ("-", "--") or not word.startswith("-"):
            break
        if word.startswith("--"):
            options.append(word)
            if word == "--check-hash-based-pycs":
                options.append(next(words, "default"))
            continue
        for place, letter in enumerate(word[1:], start=1):
            if letter in "mc":
                return [*options, word[:place]] if place > 1 else options
            if letter in "WX":
                options.append(word)
                if place == len(word) - 1:
                    options.append(next(words, ""))
                break
        else:
            options.append(word)
    return options


def _start_file_is_there() -> bool:
    return any(os.path.exists(os.path.join(folder, PTH)) for folder in sys.path)


def run(options: _options.Options, target: list[str]) -> int:
    """Replace this process by the program, or run it as a child where that cannot be done.

    Args:
        options: what `ropewalk run` was told.
        target: the script, `-m module`, `-c code` or `-`, and the program's arguments.

    Returns:
        The program's exit code (only where a process cannot be replaced).

    Raises:
        CannotRun: the interpreter is unknown, or would start without Ropewalk.
    """
    if not sys.executable:
        raise CannotRun("sys.executable is empty: the interpreter to run the program is unknown")
    if sys.flags.no_site or not _start_file_is_there():
        raise CannotRun(
            f"{PTH} is not in a site-packages folder that this interpreter reads at its start, "
            "so the program would run without Ropewalk. Install the package with pip, and "
            "leave out python's option -S."
        )
    command = [sys.executable, *interpreter_options(sys.orig_argv), *target]
    os.environ[_options.VARIABLE] = options.to_text()
    for stream in (sys.stdout, sys.stderr):
        # None when the descriptor is closed: the program may run without it.
        if stream is not None:
            stream.flush()
    if sys.platform == "win32":
        import subprocess

        # The child shares the console and gets Ctrl-C itself.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return subprocess.call(command)
    for name in _IGNORED_BY_PYTHON:
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(command[0], command)
    except (OSError, ValueError) as error:
        raise CannotRun(f"cannot start {command[0]}: {error}") from error
