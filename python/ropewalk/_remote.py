"""Asks other programs of the same user, at their sockets."""

from __future__ import annotations

import functools
import json
import os
import socket
import stat
import time

from ropewalk import _ropewalk, _snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Stack = list[tuple[str, int, str, str]]

# Longer than a program takes that is busy; its own patience is less.
_PATIENCE = 5.0
_ALONE = "has started no thread and waited for nothing of Ropewalk's yet"


class NotReachable(Exception):
    """The program does not answer; the message says why and what to do."""


class Silent(NotReachable):
    """The program is there, but has not answered in time."""


class Busy(NotReachable):
    """Python itself does not answer: its threads compute, or one keeps the GIL."""


def folder() -> str:
    """Return where the sockets are.

    Raises:
        NotReachable: the folder could be somebody else's.
    """
    path = _ropewalk.socket_folder()
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return path
    except OSError as error:
        raise NotReachable(f"{path} cannot be looked into: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise NotReachable(f"{path} is not a folder of this user")
    return path


def _sockets() -> Iterator[tuple[int, str]]:
    path = folder()
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise NotReachable(f"{path} cannot be looked into: {error.strerror}") from error
    for name in names:
        number = name.removesuffix(".sock").partition("-")[0]
        if name.endswith(".sock") and number.isdecimal():
            yield int(number), os.path.join(path, name)


def pids() -> list[int]:
    """Return the programs that can be asked; sockets that were left behind are removed."""
    found = set()
    for pid, path in _sockets():
        try:
            _connect(path).close()
        except ConnectionRefusedError:
            # Its program was killed.
            try:  # noqa: SIM105 - contextlib is slow to import
                os.unlink(path)
            except OSError:
                pass
        except OSError:
            pass
        else:
            found.add(pid)
    return sorted(found)


def _connect(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        client.settimeout(_PATIENCE)
        client.connect(path)
    except BaseException:
        client.close()
        raise
    return client


def ask(pid: int, question: str) -> str:
    """Return what a program answers, which is JSON.

    Raises:
        NotReachable: it does not run, not under Ropewalk, or does not answer.
    """
    until = time.monotonic() + _PATIENCE
    while not (answer := _ask_once(pid, question)):
        # It forks: who answers there is ended for that, and comes back.
        if time.monotonic() > until:
            raise Silent(f"process {pid} does not come to answer: it forks all the time")
        time.sleep(0.01)
    return answer


def _ask_once(pid: int, question: str) -> str:
    for each, path in _sockets():
        if each != pid:
            continue
        try:
            with _connect(path) as client:
                client.sendall(f"{question}\n".encode())
                answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
        except ConnectionRefusedError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            return ""
        except TimeoutError as error:
            raise Silent(
                f"process {pid} does not answer: it is stopped, or has no file descriptor left, "
                f"or has called serve() and {_ALONE}"
            ) from error
        except OSError as error:
            raise NotReachable(f"process {pid} does not answer: {error}") from error
        return answer.decode(errors="replace")
    raise NotReachable(_why_not(pid))


def _why_not(pid: int) -> str:
    if pid <= 0:
        # The kernel takes such a number for a group of processes.
        return f"there is no process {pid}"
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return f"there is no process {pid}"
    except PermissionError:
        return f"process {pid} belongs to another user"
    if _has_ended(pid):
        return f"process {pid} has ended; its parent has yet to ask for its exit code"
    if _runs_under_ropewalk(pid):
        return (
            f"process {pid} runs under Ropewalk but has no socket in {folder()}: it {_ALONE}, "
            "or that could not be made there, or XDG_RUNTIME_DIR was another one, or the process "
            "is about to exit, or was forked by a thread"
        )
    return (
        f"process {pid} cannot be asked: start it with `ropewalk run`, "
        "or have it call ropewalk.inspect.serve()"
    )


def _has_ended(pid: int) -> bool:
    """Whether it is what is called a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name, in parentheses, may have any in it.
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (OSError, IndexError):
        return False


def _runs_under_ropewalk(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return b"\0ROPEWALK_RUN=" in b"\0" + file.read()
    except OSError:
        return False


def snapshot(pid: int) -> _snapshot.Snapshot:
    """Return what a program waits for. As `ask`."""
    answer = ask(pid, "snapshot")
    try:
        return _snapshot.read(json.loads(answer))
    except _snapshot.UnknownForm as error:
        raise NotReachable(f"the answer of process {pid} cannot be read: {error}") from error
    except _NO_ANSWER as error:
        raise _unreadable(pid, answer) from error


def stacks(pid: int) -> dict[int, Stack]:
    """Return the Python stacks of all threads by ident, each with the outermost frame first.

    Raises:
        Busy: Python does not answer.
        NotReachable: as `ask`.
    """
    text = ask(pid, "stacks")
    try:
        answer = json.loads(text or "null")
        if answer == "busy":
            raise Busy(
                f"the stacks of process {pid} cannot be read: its GIL was not to be had within "
                "2 s, as too many threads compute or one keeps it"
            )
        if answer is None:
            raise NotReachable(f"process {pid} is about to exit")
        folder = _folder_of(pid)
        return {int(ident): [_frame(row, folder) for row in rows] for ident, rows in answer.items()}
    except _NO_ANSWER as error:
        raise _unreadable(pid, text) from error


def _frame(row: list[Any], folder: str) -> tuple[str, int, str, str]:
    file, line, function, source = row
    source = source or _source(os.path.join(folder, str(file)), int(line))
    return str(file), int(line), str(function), str(source)


# What is larger was not written by people.
_LARGEST = 10_000_000
_WIDEST = 500


def _source(path: str, line: int) -> str:
    """Return a line of a program's file, or an empty string.

    It is read here: the program would give its GIL up for that, and may not have it again soon.
    """
    try:
        lines = _lines(path) if os.path.isabs(path) else []
    except Exception:
        # The program may have any name for its code, and any file of that name.
        return ""
    return lines[line - 1].strip()[:_WIDEST] if 0 < line <= len(lines) else ""


@functools.cache
def _lines(path: str) -> list[str]:
    import linecache
    import zipfile

    # Whatever else has such a name, or no size, could keep us waiting.
    if os.path.isfile(path):
        return linecache.getlines(path) if 0 < os.path.getsize(path) <= _LARGEST else []
    archive = os.path.dirname(path)
    while not os.path.exists(archive):
        archive = os.path.dirname(archive)
    if not (os.path.isfile(archive) and zipfile.is_zipfile(archive)):
        return []
    with zipfile.ZipFile(archive) as files:
        member = os.path.relpath(path, archive).replace(os.sep, "/")
        if files.getinfo(member).file_size > _LARGEST:
            return []
        return files.read(member).decode(errors="replace").splitlines()


def _folder_of(pid: int) -> str:
    """Return where a process is now, to which its relative names belong; empty if unknown."""
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


# What comes of reading something else than an answer.
_NO_ANSWER = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


def _unreadable(pid: int, answer: str) -> NotReachable:
    if not answer:
        return NotReachable(f"process {pid} gives no answer: it is about to exit")
    return NotReachable(
        f"the answer of process {pid} cannot be read: it is cut off, or not Ropewalk's"
    )


def command(pid: int) -> str:
    """Return the command line of a process, or an empty string where it cannot be seen."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().rstrip(b"\0").split(b"\0")
    except OSError:
        return ""
    return " ".join(word.decode(errors="replace") for word in words)
