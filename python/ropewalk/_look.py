"""The commands that look at a running program: `ps`, `stacks` and `top`."""

from __future__ import annotations

import sys

COMMANDS = ("ps", "stacks", "top")
# No process has a number with more.
_DIGITS = 100
_OPTIONS = {"ps": ("--json", "-a", "--all"), "stacks": ("--json",), "top": ()}
_HELP = {
    "ps": """\
usage: ropewalk ps [PROGRAM] [--json] [-a | --all]

Without PROGRAM: lists your programs that run under Ropewalk. With it: shows all threads of one,
what each waits for, since when, and who holds it; circles of threads that wait for each other;
and what was waited for most.

  --json     everything that is known, for other programs
  -a, --all  each thread in a line of its own: without it, on a terminal, what there is no room
             for is left out, and those that wait for the same are in one line

examples:
  ropewalk ps
  ropewalk ps 4711
  ropewalk ps shop.py --json
""",
    "stacks": """\
usage: ropewalk stacks [PROGRAM] [--json]

Shows the Python stacks of all threads of a program, with what each thread waits for and holds.

  --json  the same, and everything else that is known, for other programs

examples:
  ropewalk stacks              if only one program of yours runs under Ropewalk
  ropewalk stacks shop.py
""",
    "top": """\
usage: ropewalk top [PROGRAM]

Shows the threads of a program and what each waits for, live; below them what is waited for. Those
that wait for each other are red.

keys:
  q      ends it
  w n c  sorts the threads by the longest wait, by name, by the time they ran
  i      hides those that have nothing to do
  t      hides what is waited for
  p      pauses

examples:
  ropewalk top                 if only one program of yours runs under Ropewalk
  ropewalk top shop.py
""",
}
_PROGRAM = """
PROGRAM is the number of a process, or a part of its command line that no other program has. It
was started by `ropewalk run`, or has called ropewalk.inspect.serve().
"""


class UsageError(Exception):
    """The command line cannot be understood; the message says why."""


def tell(text: str) -> int:
    """Write a text to standard output, and return the exit code."""
    from ropewalk import _output

    def say() -> int:
        _output.say(text.rstrip("\n"))
        return 0

    return _output.run(say)


def main(words: list[str]) -> int:
    """Carry out one of the commands.

    Raises:
        UsageError: unknown options, or not one process.
    """
    command, *rest = words
    if "-h" in rest or "--help" in rest:
        return tell(f"{_HELP[command]}{_PROGRAM}")
    if sys.platform == "win32":
        raise UsageError(f"{command} needs Unix sockets")
    options = [word for word in rest if word.startswith("-")]
    for option in options:
        if option[1:].isdecimal():
            raise UsageError(f"{command} wants the number or the name of a process, not {option}")
        if option not in _OPTIONS[command]:
            raise UsageError(f"unknown option of {command}: {option}")
    programs = [word for word in rest if not word.startswith("-")]
    if len(programs) > 1:
        raise UsageError(f"{command} looks at one process at a time")
    if "" in programs:
        raise UsageError(f"{command} wants the number or the name of a process, not ''")
    from ropewalk import _output, _remote

    try:
        return _output.run(lambda: _look(command, programs, options))
    except _remote.NotReachable as error:
        _output.complain(f"ropewalk: {error}")
        return 1
    except _WhichError as error:
        _output.complain(f"ropewalk: {error}")
        return 2


def _look(command: str, programs: list[str], options: list[str]) -> int:
    from ropewalk import _ps

    as_json = "--json" in options
    if command == "ps":
        if not programs:
            return _ps.list_programs(as_json=as_json)
        return _ps.ps(
            _only_one(command, programs),
            as_json=as_json,
            all_of_them="-a" in options or "--all" in options,
        )
    pid = _only_one(command, programs)
    if command == "stacks":
        return _ps.stacks(pid, as_json=as_json)
    from ropewalk import _top

    return _top.top(pid)


class _WhichError(Exception):
    """Several programs could be meant; the message lists them."""


def _only_one(command: str, programs: list[str]) -> int:
    """Return the process with this number, or the only one that has this in its command line."""
    from ropewalk import _remote

    if programs and programs[0].isdecimal():
        # Of more digits there is none, and Python reads only so many.
        if len(programs[0]) > _DIGITS:
            raise _remote.NotReachable(f"there is no process {programs[0][:_DIGITS]}...")
        return int(programs[0])
    pids = _remote.pids()
    if not pids:
        raise _remote.NotReachable("no program of yours runs under Ropewalk")
    named = programs[0] if programs else ""
    found = [pid for pid in pids if named in _remote.command(pid)]
    if len(found) == 1:
        return found[0]
    if found:
        raise _WhichError(f"{command} which one?{_listed(found)}")
    raise _remote.NotReachable(
        f"no command line of a program of yours under Ropewalk has {named!r}; there is"
        f"{_listed(pids)}"
    )


def _listed(pids: list[int]) -> str:
    from ropewalk import _ps

    return "".join(f"\n{_ps.program_line(pid)}" for pid in pids)
