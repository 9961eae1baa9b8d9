"""`ropewalk run`: the program sees what it would see under `python`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

import ropewalk
from tests.face.programs import LIMIT, ROPEWALK, STOCK, code, environment, python, same, succeeds

# What a program can see of how it was started.
WHO_AM_I = """
import sys
main = sys.modules["__main__"]
print(sys.argv, __name__, main.__dict__.get("__file__"), main.__dict__.get("__cached__"))
print(type(main.__loader__).__name__, getattr(main.__loader__, "__name__", None))
print(main.__spec__ and (main.__spec__.name, main.__spec__.origin), main.__package__)
print(sys.path[0], sys.flags, sys.orig_argv[1:] and sys.orig_argv[-2:])
print(sorted(vars(main)))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(WHO_AM_I)
    return path


def test_script(script: Path) -> None:
    assert f"['{script}', '--flag', '-m', 'x']" in same(script, "--flag", "-m", "x")


def test_script_by_relative_path(script: Path) -> None:
    assert "['program.py']" in same("program.py", cwd=script.parent)


def test_code() -> None:
    assert "['-c', 'a', '--b']" in same("-c", WHO_AM_I, "a", "--b")


def test_module(script: Path) -> None:
    assert "('program'" in same("-m", "program", "one", cwd=script.parent)


def test_package(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(WHO_AM_I)
    assert "package.__main__" in same("-m", "package", cwd=tmp_path)


def test_folder_and_zip(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "__main__.py").write_text(WHO_AM_I)
    archive = tmp_path / "program.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(folder / "__main__.py", "__main__.py")
    assert str(folder) in same(folder)
    assert str(archive) in same(archive, "x")


def test_standard_input() -> None:
    assert "['-', 'x']" in same("-", "x", standard_input=WHO_AM_I)


def test_program_reads_standard_input(tmp_path: Path) -> None:
    program = tmp_path / "reads.py"
    program.write_text("import sys; print(sys.stdin.read().upper())")
    assert same(program, standard_input="text\n") == "TEXT\n\n"


def test_ours_are_under_the_stdlib_s_names() -> None:
    printed = succeeds(
        """
        import sys
        assert not {"threading", "queue", "argparse"} & set(sys.modules)
        import _thread, queue, threading
        from ropewalk import _ropewalk
        assert threading.Lock is _thread.allocate_lock is _thread.LockType is _ropewalk.Lock
        assert _thread.RLock is _ropewalk.RLock
        assert sys.modules["threading"] is sys.modules["ropewalk.threading"]
        assert queue.SimpleQueue is _ropewalk.SimpleQueue
        print(threading.Thread, threading.__name__, threading.Thread.__module__)
        print(repr(threading).startswith("<module 'threading' from "))
        """
    )
    assert printed == "<class 'threading.Thread'> threading threading\nTrue\n"


def test_a_program_s_own_queue_module_comes_first(tmp_path: Path) -> None:
    (tmp_path / "queue.py").write_text("mine = True")
    program = tmp_path / "program.py"
    program.write_text("import queue; print(queue.mine)")
    assert same(program) == "True\n"


# Exit codes


@pytest.mark.parametrize(
    "statement",
    [
        "pass",
        "sys.exit()",
        "sys.exit(3)",
        "sys.exit('a message')",
        "sys.exit(None)",
        "raise SystemExit(True)",
        "raise SystemExit((1, 2))",
        "sys.exit(256 + 7)",
        "os._exit(9)",
        "1 / 0",
        "raise KeyboardInterrupt",
        "os.kill(os.getpid(), signal.SIGTERM)",
        "os.kill(os.getpid(), signal.SIGINT)",
        "import nothing_of_this_name",
        "import atexit; atexit.register(print, 'at exit'); sys.exit(4)",
        "compile('1 +', 'file', 'exec')",
        "sys.excepthook = lambda *it: print('hook', it[0]); 1 / 0",
        "raise ExceptionGroup('group', [ValueError(1), TypeError(2)])",
        "import threading; sys.exit(threading.active_count())",
    ],
)
def test_exit_code_and_traceback(statement: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"import os, signal, sys\n\ndef main():\n    {statement}\n\nmain()\n")
    same(program)


@pytest.mark.parametrize(
    "words",
    [
        ("no_such_script.py",),
        ("-m", "no_such_module"),
        ("-c", "1 +"),
        ("-c", "def f():\n  g()\nf()"),
        ("-m", "json.nothing"),
        (".",),
    ],
)
def test_what_cannot_be_run(words: tuple[str, ...], tmp_path: Path) -> None:
    same(*words, cwd=tmp_path)


def test_interrupt_from_outside() -> None:
    """Ctrl-C while the main thread is blocked: the traceback, and death by the signal."""
    text = """
    import threading
    print("ready", flush=True)
    threading.Event().wait(60)
    """
    command = [sys.executable, *ROPEWALK, "-c", textwrap.dedent(text)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == -signal.SIGINT
    assert errors.startswith("Traceback (most recent call last):\n")
    assert errors.endswith("KeyboardInterrupt\n")
    assert "ropewalk" not in errors


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_descriptors_are_as_under_python(closed: tuple[int, ...], tmp_path: Path) -> None:
    """A daemon's parent may leave it without standard streams, which are None then."""
    seen = tmp_path / "seen"
    program = textwrap.dedent(
        f"""
        import sys, threading
        thread = threading.Thread(target=print, args=("thread",))
        thread.start()
        thread.join()
        streams = [stream and stream.name for stream in (sys.stdin, sys.stdout, sys.stderr)]
        with open({str(seen)!r}, "a") as file:
            print(streams, file=file)
        sys.exit(3)
        """
    )

    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    codes = [
        subprocess.run(
            [sys.executable, *under, "-c", program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LIMIT,
            check=False,
            env=environment(),
            preexec_fn=close,
        ).returncode
        for under in (STOCK, ROPEWALK)
    ]
    assert codes == [3, 3]
    stock, ours = seen.read_text().splitlines()
    assert ours == stock
    assert "None" in ours


@pytest.mark.parametrize(
    ("words", "status"), [(("--help",), 0), (("--version",), 0), (("dance",), 2)]
)
def test_the_command_without_standard_streams(words: tuple[str, ...], status: int) -> None:
    def close() -> None:
        os.close(1)
        os.close(2)

    done = subprocess.run(
        [sys.executable, "-m", "ropewalk", *words],
        timeout=LIMIT,
        check=False,
        env=environment(),
        preexec_fn=close,
    )
    assert done.returncode == status


def test_ignored_signals_are_as_under_python() -> None:
    text = "import signal; print([signal.getsignal(it) for it in signal.valid_signals()])"
    same("-c", text)
    # What a child of the program would inherit if it put nothing back. (SigQ is of all the user's.)
    text = """
for line in open('/proc/self/status'):
    if line.startswith(('SigBlk', 'SigIgn', 'SigCgt')):
        print(line)
"""
    same("-c", text)


def test_error_in_a_thread_shows_the_program_s_frames_only() -> None:
    done = code(
        """
        import threading
        def work():
            1 / 0
        class Own(threading.Thread):
            def run(self):
                super().run()
                raise ValueError("own")
        for thread in (
            threading.Thread(target=work), Own(), threading.Timer(0, work),
        ):
            thread.start()
            thread.join()
        """
    )
    assert done.returncode == 0
    assert done.stderr.count("Traceback (most recent call last):\n") == 3
    assert done.stderr.count("ZeroDivisionError: division by zero\n") == 2
    assert "Exception in thread Thread-1 (work):\n" in done.stderr
    assert "ropewalk" not in done.stderr


def test_wrong_arguments_of_a_target_are_told() -> None:
    done = code("import threading; threading.Thread(target=lambda: 0, args=(1,)).start()")
    assert "takes 0 positional arguments but 1 was given" in done.stderr


def test_no_frame_of_ours_below_the_program() -> None:
    assert same("-c", "import traceback; traceback.print_stack()") == ""
    assert same("-c", "import inspect; print(len(inspect.stack()))") == "1\n"


# Options


def test_interpreter_options_are_kept() -> None:
    options = ("-X", "dev", "-Wdefault", "-Bs", "-O")
    text = "import sys; print(sys.flags, sys.warnoptions, sys._xoptions)"
    stock = python("-c", text, under=options)
    ours = python("-c", text, under=(*options, *ROPEWALK))
    assert ours.stdout == stock.stdout
    assert ours.stderr == stock.stderr == ""
    glued = python("-c", text, under=(*options[:-2], "-BsOm", "ropewalk", "run"))
    assert glued.stdout == stock.stdout


def test_help_teaches() -> None:
    for words in (("--help",), ("-h",), ("run", "--help")):
        done = python(*words, under=("-m", "ropewalk"))
        assert done.returncode == 0
        assert "ropewalk run app.py" in done.stdout
        assert "--deadlock=report" in done.stdout


@pytest.mark.parametrize("command", ["ps", "stacks", "top"])
def test_help_of_the_commands_that_look_teaches(command: str) -> None:
    for words in ((command, "--help"), (command, "-h"), (command, "app.py", "--help")):
        done = python(*words, under=("-m", "ropewalk"))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"usage: ropewalk {command} [PROGRAM]")
        assert f"  ropewalk {command} shop.py" in done.stdout
        assert "PROGRAM is the number of a process, or a part" in done.stdout


def test_version() -> None:
    done = python("--version", under=("-m", "ropewalk"))
    assert done.stdout == f"ropewalk {ropewalk.__version__}\n"
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "what is to be done?"),
        (("walk",), "unknown command: walk"),
        (("run",), "run needs a script"),
        (("run", "--deadlock=raise"), "run needs a script"),
        (("run", "-m"), "argument expected for the -m option"),
        (("run", "-c"), "argument expected for the -c option"),
        (("run", "--fast", "x.py"), "unknown option of run: --fast"),
        (("run", "--deadlock=maybe", "x.py"), "deadlock must be one of raise, report, off"),
        (("run", "--deadlock"), "--deadlock needs one of raise, report, off"),
        (("run", "--trace"), "--trace needs the name of a file"),
        (("run", "--trace=", "x.py"), "--trace needs the name of a file"),
        (("run", "--report=", "x.py"), "--report needs the name of a file"),
        (("run", "--trace", "--report", "x.py"), "--trace needs the name of a file, not --report"),
        (("run", "--trace", "-m", "x"), "--trace needs the name of a file, not -m (./-m would be"),
        (("run", "--report=-", "x.py"), "--report needs the name of a file, not -"),
    ],
)
def test_wrong_command_lines(words: tuple[str, ...], message: str) -> None:
    done = python(*words, under=("-m", "ropewalk"))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--trace", "--report="])
def test_a_file_that_would_be_lost_is_refused(tmp_path: Path, option: str) -> None:
    app = tmp_path / "app.py"
    app.write_text("print('ran')\n")
    option, equals, _ = option.partition("=")

    def to(name: str) -> tuple[str, ...]:
        path = str(tmp_path / name)
        return (option + equals + path,) if equals else (option, path)

    done = python(*to("app.py"), app)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"app.py is no {option[2:]}: it would be lost" in done.stderr
    assert app.read_text() == "print('ran')\n"
    # What looks like it at first sight.
    for text in ("[project]\n", "[1]", "[\n 1\n]", '{"name": "mine"}', '{\n "name": 1}', "{", "["):
        (tmp_path / "theirs").write_text(text)
        done = python(*to("theirs"), app)
        assert (done.returncode, done.stdout) == (2, "")
        assert (tmp_path / "theirs").read_text() == text
    empty = tmp_path / "empty.json"
    empty.touch()
    # The second time over what was written at the first.
    for name in ("new.json", "new.json", "empty.json"):
        done = python(*to(name), app)
        assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")
        assert (tmp_path / name).stat().st_size > 0


def test_one_file_for_the_trace_and_the_report_is_refused(tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text("print('ran')\n")
    path = tmp_path / "out.json"
    (tmp_path / "link.json").symlink_to(path)
    (tmp_path / "folder").symlink_to(tmp_path)

    def refused(other: str) -> bool:
        done = python("--trace", path, f"--report={other}", app)
        assert (done.returncode, done.stdout) in ((2, ""), (0, "ran\n"))
        assert ("is the file of the trace" in done.stderr) == (done.returncode == 2)
        return done.returncode == 2

    same = [str(path), f"{tmp_path}/./out.json", f"{tmp_path}/link.json"]
    same.append(f"{tmp_path}/folder/out.json")
    assert all(refused(other) for other in same)
    assert not path.exists()
    path.touch()
    (tmp_path / "hard.json").hardlink_to(path)
    assert all(refused(other) for other in [*same, f"{tmp_path}/hard.json"])
    assert path.stat().st_size == 0
    assert not refused(f"{tmp_path}/other.json")
    assert path.stat().st_size > 0


def test_without_site_packages_it_says_so() -> None:
    """The start file would not be read: better no program than one without Ropewalk."""
    where = Path(ropewalk.__path__[0]).parent
    env = environment(PYTHONPATH=str(where))
    done = python("-c", "print(1)", under=("-S", *ROPEWALK), env=env)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "leave out python's option -S" in done.stderr


# Children

CHILD = "import threading; from ropewalk import _ropewalk; print(threading.Lock is _ropewalk.Lock)"


@pytest.mark.parametrize("option", ["-B", "-E", "-I", "-P", "-s"])
def test_children_by_subprocess(option: str) -> None:
    text = f"""
    import subprocess, sys
    subprocess.run([sys.executable, {option!r}, "-c", {CHILD!r}], check=True)
    """
    assert succeeds(text) == "True\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_by_multiprocessing(method: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import multiprocessing, threading

            def child(results):
                from ropewalk import _ropewalk
                got = []
                thread = threading.Thread(target=got.append, args=(1,))
                thread.start()
                thread.join()
                results.put((threading.Lock is _ropewalk.Lock, got, threading.active_count()))

            if __name__ == "__main__":
                context = multiprocessing.get_context({method!r})
                results = context.SimpleQueue()
                process = context.Process(target=child, args=(results,))
                process.start()
                print(results.get())
                process.join()
                print(process.exitcode)
            """
        )
    )
    done = python(program)
    assert done.stderr == ""
    assert done.stdout == "(True, [1], 1)\n0\n"


def test_options_reach_children() -> None:
    child = "import os; print(os.environ['ROPEWALK_RUN'])"
    text = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    under = (*ROPEWALK, "--deadlock=report", "--lock-order")
    assert succeeds(text, under=under) == "deadlock=report,lock-order\n"


def test_stock_children_stay_stock() -> None:
    """Without ROPEWALK_RUN the line in the start file does nothing."""
    text = "import sys; print([name for name in sys.modules if 'ropewalk' in name])"
    assert succeeds(text, under=STOCK) == "[]\n"


@pytest.mark.skipif(sys.version_info < (3, 14), reason="CPython has no such option")
@pytest.mark.parametrize("inherits", [0, 1])
def test_threads_that_inherit_the_context(inherits: int) -> None:
    text = """
    import contextvars, threading
    value = contextvars.ContextVar("value", default="none")
    late = threading.Thread(target=lambda: print("late", value.get()))
    value.set("parent")
    def show(name):
        print(name, value.get())
        value.set("child")
    for thread in (
        late,
        threading.Thread(target=show, args=["plain"]),
        threading.Thread(target=show, args=["empty"], context=contextvars.Context()),
        threading.Timer(0, show, ["timer"]),
    ):
        thread.start()
        thread.join()
    print(value.get())
    """
    option = ("-X", f"thread_inherit_context={inherits}")
    printed = succeeds(text, under=(*option, *ROPEWALK))
    assert printed == succeeds(text, under=option)
    assert printed.startswith("late parent\n" if inherits else "late none\n")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="run_string's module has another name")
def test_sub_interpreters_keep_the_stdlib() -> None:
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    text = f"""
    import {name} as interpreters
    inner = '''if True:
        import threading, sys
        from ropewalk import threading as named, queue
        import concurrent.futures
        from ropewalk.concurrent import futures
        assert futures is concurrent.futures
        assert named is threading and "_ropewalk" not in " ".join(sys.modules)
        assert "ropewalk" not in threading.__file__
        thread = threading.Thread(target=print, args=("inside",))
        thread.start()
        thread.join()
        sys.stdout.flush()
    '''
    interpreter = interpreters.create()
    failed = interpreters.run_string(interpreter, inner)
    assert failed is None, failed
    # Not left to the exit, of which CPython complains from 3.14 on.
    interpreters.destroy(interpreter)
    import threading
    print(threading.__file__.split("/")[-2])
    """
    assert succeeds(text) == "inside\nropewalk\n"
