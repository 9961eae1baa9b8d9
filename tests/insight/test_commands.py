"""`ropewalk ps` and `ropewalk stacks`: a program is looked at from outside."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import zipfile
from typing import TYPE_CHECKING

import pytest

from ropewalk import _remote, inspect
from tests.face.programs import LIMIT
from tests.insight.programs import ABBA, Program, ropewalk, says
from tests.traps.ways import until

if TYPE_CHECKING:
    from pathlib import Path


_THREADED = """
outside = outsider()
ready()
"""


def test_programs_are_listed_and_their_sockets_go_with_them(tmp_path: Path, runtime: Path) -> None:
    assert says(["ps"]) == "no program of yours runs under Ropewalk\n"
    with Program(tmp_path, _THREADED) as program:
        [socket] = runtime.iterdir()
        assert socket.name == f"{program.pid}.sock"
        assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        listed = says(["ps"])
        assert listed.split()[0] == str(program.pid)
        assert "program.py" in listed
        [entry] = json.loads(says(["ps", "--json"]))
        assert entry["pid"] == program.pid
        assert program.end() == (0, "", "")
    assert list(runtime.iterdir()) == []


def test_the_socket_of_a_killed_program_is_removed(tmp_path: Path, runtime: Path) -> None:
    with Program(tmp_path, _THREADED) as program:
        os.kill(program.pid, signal.SIGKILL)
        program.process.wait()
    assert len(list(runtime.iterdir())) == 1
    assert says(["ps"]) == "no program of yours runs under Ropewalk\n"
    assert list(runtime.iterdir()) == []


def test_ps_shows_who_waits_for_what_and_who_holds_it(tmp_path: Path) -> None:
    with Program(tmp_path, ABBA) as program:
        text = says(["ps", program.pid])
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    assert all(len(line) <= 80 for line in text.splitlines()[1:])
    assert "Lock program.py:8" in rows["reader"]
    assert rows["reader"].endswith("writer")
    assert "Lock program.py:7" in rows["writer"]
    assert rows["writer"].endswith("reader")
    assert "Queue.get program.py:9" in rows["worker"]
    assert "possible deadlock: reader -> writer -> reader" in text.replace(
        "writer -> reader -> writer", "reader -> writer -> reader"
    )


def test_the_json_of_ps_says_everything(tmp_path: Path) -> None:
    with Program(tmp_path, ABBA) as program:
        data = json.loads(says(["ps", program.pid, "--json"]))
    threads = {thread["name"]: thread for thread in data["threads"]}
    assert data["pid"] == program.pid
    assert threads["reader"]["waits_for"]["owner"] == threads["writer"]["ident"]
    held = threads["reader"]["holds"]
    assert threads["writer"]["waits_for"]["object_id"] in held
    [deadlock] = data["deadlocks"]
    assert deadlock["cycle"]
    assert not deadlock["certain"]
    assert set(deadlock["idents"]) == {threads[name]["ident"] for name in ("reader", "writer")}


def test_stacks_shows_all_stacks_with_the_waits(tmp_path: Path) -> None:
    with Program(tmp_path, ABBA) as program:
        text = says(["stacks", program.pid])
    blocks = {block.split("'")[1]: block for block in text.split("\nThread ")[1:]}
    reader = blocks["reader"]
    assert "waits for Lock made at" in reader
    assert "program.py:8, held by writer, since" in reader
    assert "program.py:7, for which writer waits" in reader
    assert "line 14, in reader\n    with index:" in reader
    assert "jobs.get()" in blocks["worker"]
    assert "sys.stdin.readline()" in blocks["MainThread"]


def test_stacks_shows_those_that_ropewalk_never_met(tmp_path: Path) -> None:
    text = """
    import _thread
    lock = threading.Lock(name="held")
    read_end, write_end = os.pipe()
    there = []
    def hold():
        with lock:
            there.append(hold)
            os.read(read_end, 1)
    def idle():
        there.append(idle)
        os.read(read_end, 1)
    _thread.start_new_thread(hold, ())
    _thread.start_new_thread(idle, ())
    until(lambda: len(there) == 2)
    waiter = threading.Thread(target=lock.acquire, name="waiter", daemon=True)
    waiter.start()
    until_blocked(waiter)
    ready()
    """
    with Program(tmp_path, text) as program:
        told = says(["stacks", program.pid])
    blocks = told.split("\nThread ")[1:]
    [holder] = [block for block in blocks if "in hold\n" in block]
    assert "  holds Lock 'held', for which waiter waits\n" in holder
    assert len([block for block in blocks if "in idle\n" in block]) == 1


def test_a_program_that_keeps_the_gil_still_answers(tmp_path: Path) -> None:
    text = """
    import ctypes
    lock = threading.Lock()
    lock.acquire()
    thread = threading.Thread(target=lock.acquire, name="waiter", daemon=True)
    thread.start()
    until_blocked(thread)
    print("ready", flush=True)
    # A call that does not release the GIL, and that does not return before it is told to.
    ctypes.PyDLL(None).read(0, ctypes.create_string_buffer(1), 1)
    """
    with Program(tmp_path, text) as program:
        assert "Lock program.py:" in says(["ps", program.pid])
        done = ropewalk("stacks", program.pid)
        assert done.returncode == 1
        assert "its GIL was not to be had within 2 s" in done.stderr
        assert "waits for Lock made at" in done.stdout
        # One thread for an answer waits for the GIL, however often it is asked.
        for _ in range(2):
            assert ropewalk("stacks", program.pid).returncode == 1
        threads = json.loads(says(["ps", program.pid, "--json"]))["threads"]
        states = [each["state"] for each in threads if each["name"] == "ropewalk-answer"]
        # It asks for the GIL again every few milliseconds.
        assert states in (["waiting for the GIL"], ["running"])
        assert program.end()[0] == 0


def test_sources_in_a_zip_are_read_and_what_is_no_source_is_not(tmp_path: Path) -> None:
    archive, large = tmp_path / "app.zip", tmp_path / "large.py"
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("package/module.py", "first\n  second\n")
    with large.open("wb") as file:
        file.truncate(1 << 30)
    inside = str(archive / "package" / "module.py")
    assert [_remote._source(inside, line) for line in (1, 2, 3)] == ["first", "second", ""]
    for path in (inside + "x", str(large), "/proc/self/status", "/no/such", "", "\0"):
        assert _remote._source(path, 1) == ""


def test_the_sources_are_read_by_the_one_who_asks(tmp_path: Path) -> None:
    # For each the program would give the GIL up, as for an import, and wait to have it again.
    (tmp_path / "there.py").write_text("def call(function):\n    function()  # there\n")
    text = f"""
    import linecache
    os.chdir({str(tmp_path)!r})
    names = ("there.py", "gone.py", "<generated>", "<half \\udcff>")
    code = "def call(function):\\n    function()"
    linecache.cache["<generated>"] = (9, None, ["", "function()  # generated\\n"], "<generated>")
    function = threading.Event().wait
    for name in names:
        exec(compile(code, name, "exec"))
        def function(call=call, function=function): call(function)
    thread = threading.Thread(target=function, name="waiter", daemon=True)
    thread.start()
    until_blocked(thread)
    before = set(linecache.cache), set(sys.modules)
    ready()
    print(set(linecache.cache) - before[0], set(sys.modules) - before[1])
    """
    with Program(tmp_path, text) as program:
        found = json.loads(says(["stacks", program.pid, "--json"]))
        assert program.end()[:2] == (0, "set() set()\n")
    [ident] = [each["ident"] for each in found["snapshot"]["threads"] if each["name"] == "waiter"]
    frames = [frame for frame in found["stacks"][str(ident)] if frame[2] == "call"]
    assert frames == [
        ["<half \udcff>", 2, "call", ""],
        ["<generated>", 2, "call", "function()  # generated"],
        ["gone.py", 2, "call", ""],
        ["there.py", 2, "call", "function()  # there"],
    ]


def test_who_was_woken_and_wants_the_gil_waits_for_that_alone(tmp_path: Path) -> None:
    text = """
    import ctypes
    lock = threading.Lock(name="lock")
    jobs = queue.Queue(name="q")
    event = threading.Event(name="event")
    condition = threading.Condition(threading.Lock(name="inner"), name="condition")
    def waiter():
        with condition:
            condition.wait()
    targets = (lock.acquire, jobs.get, event.wait, waiter)
    names = ("A", "B", "C", "D")
    threads = [threading.Thread(target=t, name=n, daemon=True) for t, n in zip(targets, names)]
    lock.acquire()
    for thread in threads:
        thread.start()
    until_blocked(*threads)
    print("ready", flush=True)
    # Nobody gets the GIL from here on.
    sys.setswitchinterval(100)
    with condition:
        condition.notify()
    lock.release()
    jobs.put(1)
    event.set()
    ctypes.PyDLL(None).read(0, ctypes.create_string_buffer(1), 1)
    """
    woken = {
        # A lock is handed to those who have waited long, for others it is free.
        "A": "(got|woken for) Lock 'lock'",
        "B": "woken for Queue.get 'q'",
        "C": "woken for Event 'event'",
        "D": "(got|woken for) Lock 'inner'",
    }
    with Program(tmp_path, text) as program:

        def threads() -> dict[str | None, inspect.ThreadInfo]:
            return {each.name: each for each in inspect.snapshot(program.pid).threads}

        # Only some systems tell that it is the GIL.
        until(lambda: all(threads()[name].state in _WOKEN for name in woken))
        assert inspect.waits(program.pid) == []
        snapshot = inspect.snapshot(program.pid)
        assert not any(each.waiters for each in snapshot.objects)
        assert not snapshot.deadlocks
        stacks = ropewalk("stacks", program.pid).stdout
        table = says(["ps", program.pid])
        for name, what in woken.items():
            goes_on = "(waits for the GIL|is about to go on)"
            assert re.search(f"^Thread '{name}': {what}, {goes_on}$", stacks, re.MULTILINE)
            assert re.search(f"^{name} +(wants GIL|woken) +{what}$", table, re.MULTILINE)
        assert "for which" not in stacks


_WOKEN = ("waiting for the GIL", "woken")


def test_a_forked_child_answers_for_itself_when_it_waits(tmp_path: Path) -> None:
    text = """
    gate = threading.Lock()
    gate.acquire()
    threading.Event().wait(0.001)
    pid = os.fork()
    if pid == 0:
        # A signal ends it.
        gate.acquire(timeout=60)
        os._exit(0)
    until(lambda: any(f.startswith(f"{pid}.") for f in os.listdir(
        os.environ["XDG_RUNTIME_DIR"] + "/ropewalk")))
    threading.Event().wait(0.001)
    print(pid)
    ready()
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    """
    program = Program(tmp_path, text)
    assert program.process.stdout is not None
    child = int(program.process.stdout.readline())
    with program:
        until(lambda: f"{child}" in says(["ps"]) and f"{program.pid}" in says(["ps"]))
        assert "Lock program.py:" in says(["ps", child])
        assert program.end()[0] == 0


def test_a_child_that_was_forked_by_a_thread_does_not_answer_and_ends_with_its_threads(
    tmp_path: Path,
) -> None:
    """It has no main function that returns, so a thread of ours would keep it going for ever."""
    text = """
    def fork():
        pid = os.fork()
        if pid != 0:
            assert os.waitpid(pid, 0)[1] == 0
            return
        thread = threading.Thread(target=threading.Event().wait, args=(0.01,))
        thread.start()
        thread.join()
        sockets = os.listdir(os.environ["XDG_RUNTIME_DIR"] + "/ropewalk")
        print(any(name.startswith(f"{os.getpid()}.") for name in sockets), flush=True)
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
    """
    program = Program(tmp_path, text)
    code, out, err = program.end()
    assert (code, out) == (0, "False\n"), err


def test_no_thread_of_ours_is_there_when_a_program_forks(tmp_path: Path) -> None:
    text = """
    import warnings
    warnings.simplefilter("error")
    for _ in range(5):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    print(len(os.listdir("/proc/self/task")))
    """
    program = Program(tmp_path, text)
    code, out, err = program.end()
    assert (code, out, err) == (0, "1\n", "")


def test_what_cannot_be_asked_is_said(tmp_path: Path, runtime: Path) -> None:
    nobody = 2**22 + 1
    done = ropewalk("ps", nobody)
    assert (done.returncode, done.stderr) == (1, f"ropewalk: there is no process {nobody}\n")
    done = ropewalk("stacks", os.getpid())
    assert done.returncode == 1
    assert "start it with `ropewalk run`" in done.stderr
    assert ropewalk("ps", "1", "2").returncode == 2
    assert ropewalk("ps", "").returncode == 2
    assert ropewalk("stacks", "--yaml").returncode == 2
    done = ropewalk("stacks")
    assert (done.returncode, done.stderr) == (
        1,
        "ropewalk: no program of yours runs under Ropewalk\n",
    )
    with Program(tmp_path, _THREADED) as program:
        assert "MainThread" in says(["stacks"])
        [socket] = runtime.iterdir()
        assert program.end()[0] == 0
        assert not socket.exists()


def test_a_process_that_has_ended_is_told_from_one_that_cannot_be_asked(tmp_path: Path) -> None:
    with Program(tmp_path, _THREADED) as program:
        os.kill(program.pid, signal.SIGKILL)
        # It stays as it is until somebody asks for its exit code.
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
        for command in ("ps", "stacks"):
            done = ropewalk(command, program.pid)
            assert done.returncode == 1
            assert done.stderr.startswith(f"ropewalk: process {program.pid} has ended")


def test_a_deadlock_is_told_once_however_often_it_is_looked_at(tmp_path: Path) -> None:
    text = """
    jobs = queue.Queue()
    for _ in range(2):
        threading.Thread(target=jobs.get, daemon=True).start()
    print("ready", flush=True)
    jobs.get()
    """
    with Program(tmp_path, text, "--deadlock=report") as program:
        assert program.process.stderr is not None
        assert "all 3 threads wait" in program.process.stderr.readline()
        until(lambda: inspect.find_deadlocks(program.pid))
        for _ in range(100):
            _remote.stacks(program.pid)
        program.process.kill()
        _, err = program.process.communicate(timeout=LIMIT)
    assert "threads wait" not in err


def test_the_lock_of_a_condition_is_shown_with_its_line(tmp_path: Path) -> None:
    text = """
    changed = threading.Condition()
    def wait():
        with changed:
            changed.wait()
    waiter = threading.Thread(target=wait, name="waiter")
    waiter.start()
    until_blocked(waiter)
    with changed:
        changed.notify()
        ready()
    """
    with Program(tmp_path, text) as program:
        rows = {line.split()[0]: line for line in says(["ps", program.pid]).splitlines() if line}
        assert "RLock program.py:6" in rows["waiter"]
        assert program.end()[0] == 0


def test_all_threads_are_shown_once_it_is_told_that_they_wait(tmp_path: Path) -> None:
    text = """
    from ropewalk import _ropewalk
    _ropewalk.set_suspect_grace(0.2)
    getter = threading.Thread(target=queue.Queue().get, daemon=True)
    getter.start()
    until_blocked(getter)
    print("ready", flush=True)
    # For Ctrl-C: this is no certain deadlock.
    threading.Event().wait()
    """
    with Program(tmp_path, text) as program:
        assert program.process.stderr is not None
        assert "possible deadlock: all 2 threads wait" in program.process.stderr.readline()
        until(lambda: inspect.find_deadlocks(program.pid))
        [shown] = inspect.find_deadlocks(program.pid)
        assert (shown.certain, shown.cycle, len(shown.idents)) == (False, False, 2)
        assert "possible deadlock: all threads wait" in says(["ps", program.pid])


def test_numbers_that_no_process_has() -> None:
    done = ropewalk("ps", "0")
    assert (done.returncode, done.stderr) == (1, "ropewalk: there is no process 0\n")
    done = ropewalk("ps", "-1")
    assert done.returncode == 2
    assert "ps wants the number or the name of a process, not -1" in done.stderr


@pytest.mark.parametrize("pid", [0, -1, True])
def test_nobody_is_asked_by_a_number_that_no_process_has(pid: int) -> None:
    from ropewalk import inspect

    for look in (inspect.snapshot, inspect.waits, inspect.find_deadlocks):
        with pytest.raises(ValueError, match=f"must be the number of a process, not {pid}"):
            look(pid)


@pytest.mark.parametrize("pid", ["1", 1.0, object])
def test_what_is_no_number_is_refused(pid: int) -> None:
    from ropewalk import inspect

    for look in (inspect.snapshot, inspect.waits, inspect.find_deadlocks):
        with pytest.raises(TypeError, match="must be the number of a process, an int, not "):
            look(pid)


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_folder_that_is_open_to_others_is_not_used(
    tmp_path: Path, runtime: Path, mode: int
) -> None:
    runtime.mkdir()
    runtime.chmod(mode)
    with Program(tmp_path, _THREADED) as program:
        assert list(runtime.iterdir()) == []
        assert program.end() == (0, "", "")


def test_a_client_that_says_nothing_does_not_keep_others_out(tmp_path: Path, runtime: Path) -> None:
    import socket

    with Program(tmp_path, _THREADED) as program:
        [path] = runtime.iterdir()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
            silent.connect(str(path))
            assert "MainThread" in says(["ps", program.pid])
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as rude:
            rude.connect(str(path))
            rude.sendall(b"x" * 100_000)
        assert "MainThread" in says(["ps", program.pid])
        assert program.end() == (0, "", "")


def test_a_program_without_threads_is_as_it_would_be_without_us(
    tmp_path: Path, runtime: Path
) -> None:
    with Program(tmp_path, "ready()") as program:
        assert len(os.listdir(f"/proc/{program.pid}/task")) == 1
        # Programs count their descriptors.
        open_ones = [
            os.readlink(f"/proc/{program.pid}/fd/{number}")
            for number in os.listdir(f"/proc/{program.pid}/fd")
        ]
        assert not [name for name in open_ones if name.startswith("socket:")]
        assert not runtime.exists()
        assert str(program.pid) not in says(["ps"])
        done = ropewalk("ps", program.pid)
        assert done.returncode == 1
        assert "it has started no thread and waited for nothing" in done.stderr
        assert program.end() == (0, "", "")


def test_a_program_without_threads_has_a_socket_if_it_wants_one(
    tmp_path: Path, runtime: Path
) -> None:
    serving = """
    from ropewalk import _snapshot, inspect
    inspect.serve()
    ready()
    """
    with Program(tmp_path, serving) as program:
        assert len(os.listdir(f"/proc/{program.pid}/task")) == 1
        assert str(program.pid) in says(["ps"])
        done = ropewalk("ps", program.pid)
        assert done.returncode == 1
        assert "has called serve() and has started no thread" in done.stderr
        assert program.end() == (0, "", "")
    assert list(runtime.iterdir()) == []


@pytest.mark.parametrize("thread", ["outside = outsider()", ""])
def test_a_socket_that_was_removed_is_made_again(tmp_path: Path, thread: str) -> None:
    text = f"""
    from ropewalk import inspect
    inspect.serve()
    {thread}
    os.unlink(inspect.serve())
    assert os.path.exists(inspect.serve())
    assert inspect.serve() == inspect.serve()
    threads = len(os.listdir("/proc/self/task"))
    ready()
    assert len(os.listdir("/proc/self/task")) == threads
    """
    with Program(tmp_path, text) as program:
        assert str(program.pid) in says(["ps"])
        if thread:
            assert "MainThread" in says(["ps", program.pid])
        assert program.end() == (0, "", "")


def test_a_program_can_be_meant_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Program(tmp_path, _THREADED) as program:
        for word in ("program.py", str(tmp_path)):
            assert says(["ps", word]).startswith(f"process {program.pid}: ")
            assert says(["stacks", word]).startswith(f"process {program.pid}: ")
        assert json.loads(says(["ps", "program.py", "--json"]))["pid"] == program.pid
        done = ropewalk("ps", "app\x1b.py")
        assert (done.returncode, done.stdout) == (1, "")
        assert "has 'app\\x1b.py'; there is\n" in done.stderr
        assert f"{program.pid}  " in done.stderr
        with Program(tmp_path / "other", _THREADED) as other:
            assert says(["ps", "other/program.py"]).startswith(f"process {other.pid}: ")
            for words in (["ps", "program.py"], ["stacks", "program.py"], ["top"]):
                done = ropewalk(*words)
                assert (done.returncode, done.stdout) == (2, "")
                first, *listed = done.stderr.splitlines()
                assert first == f"ropewalk: {words[0]} which one?"
                assert {line.split()[0] for line in listed} == {str(program.pid), str(other.pid)}


def test_what_the_list_says_cannot_move_the_cursor(tmp_path: Path) -> None:
    folder = tmp_path / "\x1b[2J\nfolder"
    folder.mkdir()
    with Program(folder, _THREADED), Program(tmp_path, _THREADED):
        done = ropewalk("top")
        assert "\x1b" not in done.stderr
        assert done.stderr.count("\n") == 3


def test_a_thread_is_found_without_looking_at_all_others() -> None:
    from ropewalk import _snapshot, inspect

    snapshot = inspect.snapshot()
    [main] = [thread for thread in snapshot.threads if thread.is_main]
    assert snapshot.thread(main.ident) is main
    assert snapshot.thread(1) is None
    for each in snapshot.objects:
        assert snapshot.object(each.object_id) is not None
    # One that was put together of other parts, as by a test.
    assert snapshot._replace(threads=[main]).thread(main.ident) is main
    assert json.loads(json.dumps(snapshot.threads)) is not None
    many = [main._replace(ident=number) for number in range(50_000)]
    crowd = _snapshot.read({"form": 2, **snapshot._replace(threads=many)._asdict()})
    assert all(crowd.thread(number) for number in range(50_000))
