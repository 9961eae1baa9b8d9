"""The command `ropewalk`.

Read by hand and not with argparse: what follows the target belongs to the program, whatever it
looks like, and `-m` and `-c` end the options as they do for `python`.
"""

from __future__ import annotations

import os
import sys

from ropewalk import _look, _options, _run
from ropewalk._look import UsageError

HELP = """\
Ropewalk runs Python's threads on one wait point written in Rust: the same programs, faster,
and a deadlock is an error with the stacks of everyone in it instead of a hang.

usage:
  ropewalk run [options] script.py [arguments]     a file, or a folder or zip with __main__.py
  ropewalk run [options] -m module [arguments]     a module, as python -m
  ropewalk run [options] -c code [arguments]       a string of code, as python -c
  ropewalk run [options] - [arguments]             code from standard input
  ropewalk ps [PROGRAM] [--json]       programs; all threads of one, and what each waits for
  ropewalk stacks [PROGRAM] [--json]   all Python stacks of one, with what each thread waits for
  ropewalk top [PROGRAM]               the same live; `ropewalk top --help` and the like say more
  ropewalk --version
  ropewalk --help

PROGRAM is the number of a process, or a part of its command line: `ropewalk top app.py`. On a
terminal ps shows one screen, with threads that wait for the same in one line; `ps -a PROGRAM`
(or --all) shows each.

The program needs no change. It sees the arguments, the exit code, the signals and the
tracebacks that it would see under python; Python processes that it starts get the same.

options of run (before the script):
  --deadlock=raise    a deadlock that nothing can end raises ropewalk.DeadlockError in one of
                      the threads; one that might still end is reported (this is the default)
  --deadlock=report   both are reported on standard error, and the program goes on
  --deadlock=off      deadlocks are not looked for
  --report[=FILE]     tell at the end, on standard error or as JSON in a file, how long was waited
                      for what
  --trace FILE        write every wait, wake and held lock into a file that https://ui.perfetto.dev
                      and chrome://tracing open
  --lock-order        report two locks that are taken in both orders, though nothing hung

examples:
  ropewalk run app.py --port 8000
  ropewalk run --deadlock=report -m pytest tests
  python -X dev -m ropewalk run app.py             python's own options go to python

From inside a program: `import ropewalk; ropewalk.install()`, or take the modules by name:
`from ropewalk import queue, threading`.
"""


def parse_run(words: list[str]) -> tuple[_options.Options, list[str]]:
    """Split what follows `ropewalk run` into the options and the target with its arguments.

    Raises:
        UsageError: an unknown option or mode, a file that would be lost, or no target.
    """
    deadlock = "raise"
    lock_order = False
    report: str | None = None
    trace: str | None = None
    rest = list(words)
    while rest:
        word = rest[0]
        if word == "--lock-order":
            lock_order = True
        elif word == "--report":
            report = ""
        elif word.startswith("--report="):
            report = word.partition("=")[2]
            _check_file(word, report, "report")
        elif word == "--trace":
            trace = rest.pop(1) if len(rest) > 1 else ""
            _check_file(word, trace, "trace")
        elif word.startswith("--trace="):
            trace = word.partition("=")[2]
            _check_file(word, trace, "trace")
        elif word == "--deadlock":
            if len(rest) == 1:
                raise UsageError(f"--deadlock needs one of {', '.join(_options.DEADLOCK_MODES)}")
            deadlock = rest.pop(1)
        elif word.startswith("--deadlock="):
            deadlock = word.partition("=")[2]
        elif word == "--":
            del rest[0]
            break
        elif word.startswith("-") and word != "-" and word[:2] not in ("-m", "-c"):
            raise UsageError(f"unknown option of run: {word}")
        else:
            break
        del rest[0]
    if report and trace and _is_one_file(report, trace):
        raise UsageError(
            f"--report={report} is the file of the trace: one of both would be lost. "
            "Take another name"
        )
    if not rest:
        raise UsageError("run needs a script, -m module, -c code, or - for standard input")
    if rest[0] in ("-m", "-c") and len(rest) == 1:
        raise UsageError(f"argument expected for the {rest[0]} option")
    try:
        return _options.Options(deadlock, lock_order=lock_order, report=report, trace=trace), rest
    except ValueError as error:
        raise UsageError(f"--{error}") from None


# How a file begins that was written by us. Any JSON would not do: it may be the program's.
_BEGINS = {
    "report": b'{\n "program": [',
    "trace": b'[\n{"ph":"M","name":"process_name","pid":',
}


def _check_file(option: str, path: str, what: str) -> None:
    """Refuse to write over something else, such as the program whose name came too early.

    Raises:
        UsageError: there is no name, or a file that was not written by this option.
    """
    option = option.partition("=")[0]
    if not path:
        raise UsageError(f"{option} needs the name of a file")
    if path.startswith("-"):
        raise UsageError(f"{option} needs the name of a file, not {path} (./{path} would be one)")
    if not os.path.isfile(path):
        return
    begins = _BEGINS[what]
    try:
        with open(path, "rb") as file:
            found = file.read(len(begins))
    except OSError:
        # If it cannot be written either, that is told later.
        return
    if found not in (b"", begins):
        raise UsageError(f"{path} is no {what}: it would be lost. Take another name, or remove it")


def _is_one_file(one: str, other: str) -> bool:
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return os.path.samefile(one, other)
    except OSError:
        # Nor is there one yet.
        return False


def main(arguments: list[str] | None = None) -> int:
    """Carry out a command line (that of the process when none is given).

    Returns:
        The exit code: 0, or 2 for a command line that cannot be understood. `run` does not
        return where the system can replace a process by another.
    """
    words = sys.argv[1:] if arguments is None else arguments
    try:
        if not words:
            raise UsageError("what is to be done? ropewalk run script.py")
        if words[0] in ("-h", "--help", "help"):
            return _look.tell(HELP)
        if words[0] in ("-V", "--version"):
            from ropewalk import __version__

            return _look.tell(f"ropewalk {__version__}")
        if words[0] in _look.COMMANDS:
            return _look.main(words)
        if words[0] != "run":
            raise UsageError(f"unknown command: {words[0]}")
        if words[1:2] in (["-h"], ["--help"]):
            return _look.tell(HELP)
        options, target = parse_run(words[1:])
        return _run.run(options, target)
    except (UsageError, _run.CannotRun) as error:
        # Here: a program that runs does not wait for its being imported.
        from ropewalk._output import complain

        complain(f"ropewalk: {error}")
        if isinstance(error, UsageError):
            complain("Try `ropewalk --help`.")
        return 2
