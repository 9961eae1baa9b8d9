"""The commands that look at a running program: `ps`, `stacks` and `top`."""

from __future__ import annotations

import sys

COMMANDS = ("ps", "stacks", "top")


class UsageError(Exception):
    """The command line cannot be understood; the message says why."""


def main(words: list[str]) -> int:
    """Carry out one of the commands.

    Raises:
        UsageError: unknown options, or not one process.
    """
    command, *rest = words
    if sys.platform == "win32":
        raise UsageError(f"{command} needs Unix sockets")
    as_json = "--json" in rest and command != "top"
    numbers = [word for word in rest if not (as_json and word == "--json")]
    for word in numbers:
        if word.startswith("-"):
            raise UsageError(f"unknown option of {command}: {word}")
        if not word.isdecimal():
            raise UsageError(f"{command} wants the number of a process, not {word!r}")
    if len(numbers) > 1:
        raise UsageError(f"{command} looks at one process at a time")
    from ropewalk import _ps, _remote

    try:
        if command == "ps":
            if not numbers:
                return _ps.list_programs(as_json=as_json)
            return _ps.ps(int(numbers[0]), as_json=as_json)
        pid = int(numbers[0]) if numbers else _only_one(command)
        if command == "stacks":
            return _ps.stacks(pid, as_json=as_json)
        from ropewalk import _top

        return _top.top(pid)
    except _remote.NotReachable as error:
        sys.stderr.write(f"ropewalk: {error}\n")
        return 1


def _only_one(command: str) -> int:
    from ropewalk import _remote

    pids = _remote.pids()
    if len(pids) == 1:
        return pids[0]
    if not pids:
        raise _remote.NotReachable("no program of yours runs under Ropewalk")
    programs = "".join(f"\n{pid:>8}  {_remote.command(pid)}" for pid in pids)
    raise _remote.NotReachable(f"{command} which one?{programs}")
