"""What goes wrong around a program: no room, no folder, no output, nobody there."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from ropewalk import inspect
from tests.deadlock.programs import run
from tests.face.programs import LIMIT, environment
from tests.insight.programs import ROOT, Program, ropewalk, says
from tests.insight.traces import read
from tests.traps.ways import until

if TYPE_CHECKING:
    from pathlib import Path

# More than fit into what the disk is said to have.
_MANY_EVENTS = """
import resource, sys, threading
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
lock = threading.Lock()
for _ in range(20_000):
    with lock:
        pass
print("done")
"""


def test_a_disk_that_gets_full_ends_the_trace_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    done = run(tmp_path, _MANY_EVENTS, f"--trace={path}")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.startswith("ropewalk: the trace is not complete: ")
    assert done.stderr.count("\n") == 1
    assert path.stat().st_size <= 300_000
    # What was written can be read.
    held = [each for each in read(path) if each["name"].startswith("hold Lock")]
    assert 1_000 < len(held) < 20_000


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        file.writelines(itertools.repeat(b"x" * 4096))


def test_a_file_system_without_room_is_said(tmp_path: Path) -> None:
    """A real one, where this user may mount one."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(small)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("this user may not mount anything")
    try:
        text = _MANY_EVENTS.replace("resource.setrlimit", "(lambda *_: None)")
        path = small / "out.json"
        done = run(tmp_path, text, f"--trace={path}")
        assert (done.returncode, done.stdout) == (0, "done\n")
        assert "the trace is not complete: No space left" in done.stderr
        assert len(read(path)) > 1_000
        fill(small / "the rest")
        done = run(tmp_path, "print('done')", f"--report={small}/report.json")
        assert (done.returncode, done.stdout) == (0, "done\n")
        assert "the report cannot be written: " in done.stderr
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("option", ["--report", "--trace=/no/such/folder/x", "--report=/no/such/x"])
def test_a_closed_standard_error_is_nobody_elses_file(tmp_path: Path, option: str) -> None:
    """The first file that the program opens gets the descriptor's number."""
    path = tmp_path / "program.py"
    path.write_text("file = open('precious', 'w')\nprint(file.fileno())\nfile.write('mine')\n")
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-m", "ropewalk", "run", option, path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=LIMIT,
        check=False,
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(ROOT)),
    )
    assert (done.returncode, done.stdout) == (0, "2\n")
    assert (tmp_path / "precious").read_text() == "mine"


def test_children_that_end_without_a_word_leave_no_sockets(tmp_path: Path, runtime: Path) -> None:
    text = """
    gate = threading.Lock()
    gate.acquire()
    for _ in range(12):
        pid = os.fork()
        if pid == 0:
            gate.acquire(timeout=0.001)
            os._exit(0)
        os.waitpid(pid, 0)
    ready()
    """
    with Program(tmp_path, text) as program:
        # Each removes what those before it have left.
        assert len(list(runtime.iterdir())) <= 2
        assert program.end()[0] == 0
    with Program(tmp_path, "outside = outsider()\nready()") as program:
        assert [each.name for each in runtime.iterdir()] == [f"{program.pid}.sock"]
        assert program.end()[0] == 0


def test_the_socket_of_a_program_that_lives_is_let_be(tmp_path: Path, runtime: Path) -> None:
    runtime.mkdir(mode=0o700)
    foreign = runtime / f"{2**22 + 1}.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        # As of a process in another namespace: there is no such number here, but somebody listens.
        listener.bind(str(foreign))
        listener.listen()
        stranger = runtime / "something else"
        stranger.write_text("")
        with Program(tmp_path, "outside = outsider()\nready()") as program:
            assert foreign.exists()
            assert stranger.exists()
            assert program.end()[0] == 0


def test_numbers_of_processes_that_cannot_be(tmp_path: Path) -> None:
    for pid in (2**22 + 1, 2**31, 10**30):
        for command in ("ps", "stacks"):
            done = ropewalk(command, pid)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr == f"ropewalk: there is no process {pid}\n"


def test_a_folder_that_cannot_be_looked_into_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a file"
    file.write_text("")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(file))
    for words in (["ps"], ["ps", 1], ["stacks"]):
        done = ropewalk(*words)
        assert done.returncode == 1
        assert done.stderr.startswith("ropewalk: ")
        assert "cannot be looked into: Not a directory" in done.stderr
    # The program runs on without, and who asks for it is told.
    with Program(tmp_path, "outside = outsider()\nready()") as program:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        done = ropewalk("ps", program.pid)
        assert done.returncode == 1
        assert "runs under Ropewalk but has no socket in" in done.stderr
        assert program.end() == (0, "", "")


def test_a_path_that_is_too_long_for_a_socket_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with Program(tmp_path, "outside = outsider()\nready()") as program:
        assert list(long.iterdir()) == []
        assert "MainThread" in says(["ps", program.pid])
        assert program.end() == (0, "", "")


_CROWD = """
import resource
threading.stack_size(64 * 1024)
gate, both = threading.Event(), threading.Semaphore(0)
def wait():
    both.release()
    gate.wait()
threads = []
try:
    for number in range({number}):
        threads.append(threading.Thread(target=wait, name=f"crowd-{{number}}"))
        threads[-1].start()
except (RuntimeError, MemoryError):
    threads.pop()
for _ in threads:
    both.acquire()
until_blocked(*threads[-10:])
print("ready", flush=True)
sys.stdin.readline()
gate.set()
for thread in threads:
    thread.join()
print(len(threads))
"""


def test_thousands_of_threads(tmp_path: Path) -> None:
    """As many as the system gives, up to 2,000: more take a while to end."""
    trace, report = tmp_path / "out.json", tmp_path / "report.json"
    text = _CROWD.format(number=2_000)
    with Program(tmp_path, text, f"--trace={trace}", f"--report={report}") as program:
        data = json.loads(says(["ps", program.pid, "--json"]))
        crowd = [each for each in data["threads"] if (each["name"] or "").startswith("crowd-")]
        shown = says(["ps", program.pid])
        assert shown.count("\ncrowd-") == len(crowd)
        assert says(["stacks", program.pid]).count("Thread 'crowd-") == len(crowd)
        code, out, err = program.end()
    assert (code, err) == (0, "")
    number = int(out)
    assert len(crowd) == number
    # All but those that ulimit or the container forbids.
    assert number > 500
    assert json.loads(report.read_text())["threads"] >= number
    waits = [each for each in read(trace) if each["name"].startswith("wait Event")]
    assert len(waits) >= number - 10


def test_a_process_of_another_user_is_not_asked(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    # The interpreter may be where nobody else can read: all that is needed is imported before.
    text = """
    import json, os, shutil, socket, sys
    from ropewalk import _look, _ps
    os.setgid(65534)
    os.setuid(65534)
    for _ in range(2):
        print(_look.main(["ps", sys.argv[1]]), flush=True)
        os.environ.pop("XDG_RUNTIME_DIR", None)
        os.environ["TMPDIR"] = "/tmp"
    """
    with Program(tmp_path, "outside = outsider()\nready()") as program:
        done = subprocess.run(
            [sys.executable, "-c", dedent(text), str(program.pid)],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
            env=environment(),
        )
        assert done.stdout.split() == ["1", "1"], done.stderr
        first, second = done.stderr.splitlines()
        # The latter where other users cannot even see the folder.
        assert "is not a folder of this user" in first or "Permission denied" in first
        assert second == f"ropewalk: process {program.pid} belongs to another user"
        assert program.end() == (0, "", "")


def test_programs_that_only_use_what_they_must_end_with_the_trace_whole(tmp_path: Path) -> None:
    """However a program ends, its trace can be read."""
    for end in (
        "os._exit(0)",
        "os.abort()",
        "os.kill(os.getpid(), 15)",
        "os.kill(os.getpid(), 9)",
        "sys.exit(3)",
        "1 / 0",
    ):
        path = tmp_path / "out.json"
        text = f"""
        import os, resource, sys, threading
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        lock = threading.Lock()
        for _ in range(3_000):
            with lock:
                pass
        {end}
        """
        done = run(tmp_path, text, f"--trace={path}")
        assert done.returncode != 0 or end == "os._exit(0)"
        held = [each for each in read(path) if each["name"].startswith("hold Lock")]
        assert len(held) == 3_000, end


def test_a_program_that_ends_while_it_is_asked(tmp_path: Path) -> None:
    """The answer is one of two: a picture, or that it is not there; never a traceback."""
    text = """
    outside = outsider()
    print("ready", flush=True)
    sys.stdin.readline()
    """
    for _ in range(3):
        with Program(tmp_path, text) as program:
            asking = [
                subprocess.Popen(
                    [sys.executable, "-m", "ropewalk", "ps", str(program.pid)],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                    env=environment(),
                )
                for _ in range(4)
            ]
            assert program.end()[0] == 0
            for each in asking:
                _, err = each.communicate(timeout=LIMIT)
                assert "Traceback" not in err
                assert each.returncode in (0, 1)
    until(lambda: says(["ps"]) == "no program of yours runs under Ropewalk\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_parent_of_a_fork_answers_though_nobody_waits_any_more(tmp_path: Path) -> None:
    text = """
    threading.Thread(target=threading.Event().wait, name="waits", daemon=True).start()
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    ready()
    os.kill(child, 9)
    os.waitpid(child, 0)
    """
    with Program(tmp_path, text) as program:
        looked = ropewalk("ps", program.pid)
        assert looked.returncode == 0, looked.stderr
        assert "waits" in looked.stdout
        assert program.end()[0] == 0


def test_a_client_that_is_stuck_holds_up_neither_forks_nor_the_exit(
    tmp_path: Path, runtime: Path
) -> None:
    """One that asks nothing, and one that does not read its answer."""
    text = """
    locks = [threading.Lock() for _ in range(20_000)]
    for number, lock in enumerate(locks):
        ropewalk.inspect.set_name(lock, f"lock number {number}, with a long name " + 100 * "x")
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    ready()
    began = time.monotonic()
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        time.sleep(0.2)
    print(time.monotonic() - began)
    """
    with Program(tmp_path, "import ropewalk.inspect\n" + dedent(text)) as program:
        path = str(runtime / f"{program.pid}.sock")
        with (
            socket.socket(socket.AF_UNIX) as reads_nothing,
            socket.socket(socket.AF_UNIX) as asks_nothing,
        ):
            reads_nothing.connect(path)
            reads_nothing.sendall(b"snapshot\n")
            asks_nothing.connect(path)
            code, out, _ = program.end()
        assert code == 0
        # What it slept itself, and far less than what a client may take in peace.
        assert float(out) < 0.6 + 1.5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_program_that_forks_all_the_time_answers(tmp_path: Path) -> None:
    text = """
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    told = threading.Event()
    threading.Thread(target=lambda: (ready(), told.set())).start()
    while not told.is_set():
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        time.sleep(0.005)
    """
    with Program(tmp_path, text) as program:
        for question in ["ps", "stacks"] * 3:
            asked = ropewalk(question, program.pid)
            assert (asked.returncode, asked.stderr) == (0, ""), asked
        assert program.end()[0] == 0


def test_a_program_without_file_descriptors_answers_when_it_has_some_again(
    tmp_path: Path, runtime: Path
) -> None:
    text = """
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    outside = outsider()
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    def answers(task):
        with open(f"/proc/self/task/{task}/comm") as file:
            return file.read().startswith("ropewalk-insi")
    until(lambda: any(map(answers, os.listdir("/proc/self/task"))))
    [task] = filter(answers, os.listdir("/proc/self/task"))
    status = os.open(f"/proc/self/task/{task}/status", os.O_RDONLY)
    def sleeps():
        # How often it has gone to sleep: not at all while it only tries.
        words = os.pread(status, 10_000, 0).split()
        return int(words[words.index(b"voluntary_ctxt_switches:") + 1])
    files = []
    try:
        while True:
            files.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    ready()
    begun = sleeps()
    until(lambda: sleeps() > begun + 3)
    for file in files:
        os.close(file)
    sys.stdin.readline()
    """
    with (
        Program(tmp_path, text) as program,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client,
    ):
        client.settimeout(LIMIT)
        client.connect(str(runtime / f"{program.pid}.sock"))
        client.sendall(b"snapshot\n")
        assert program.process.stdin is not None
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
        assert json.loads(answer)["threads"]
        assert program.end() == (0, "", "")


def test_after_a_fork_it_answers_though_the_main_thread_is_in_a_long_call(tmp_path: Path) -> None:
    text = """
    reads, writes = os.pipe()
    def fork():
        ready()
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        ready()
        os.write(writes, b"0")
    threading.Thread(target=fork).start()
    os.read(reads, 1)
    """
    with Program(tmp_path, text) as program:
        assert inspect.snapshot(program.pid).threads
        assert program.process.stdin is not None
        assert program.process.stdout is not None
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        assert program.process.stdout.readline() == "ready\n"
        assert inspect.snapshot(program.pid).threads
        assert program.end()[0] == 0
