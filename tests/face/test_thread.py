"""`Thread`: the same test on the stdlib's and on ours, where both must agree."""

# ruff: noqa: ANN401 - the twins are modules and have no types
from __future__ import annotations

import contextvars
import gc
import re
import sys
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from ropewalk import threading as ours

if TYPE_CHECKING:
    from types import ModuleType

LIMIT = 30.0


@pytest.fixture
def held(threading: ModuleType) -> Any:
    """A thread that lives until its `release` is set."""

    class Held:
        def __init__(self) -> None:
            self.inside = threading.Event()
            self.release = threading.Event()
            self.thread = threading.Thread(target=self.work, name="held", daemon=True)

        def work(self) -> None:
            self.inside.set()
            self.release.wait(LIMIT)

    it = Held()
    yield it
    it.release.set()
    if it.thread.ident is not None:
        it.thread.join(LIMIT)
        assert not it.thread.is_alive()


def run(thread: Any) -> Any:
    thread.start()
    thread.join(LIMIT)
    assert not thread.is_alive()
    return thread


def test_target_with_arguments(threading: ModuleType) -> None:
    got: list[object] = []
    run(threading.Thread(target=lambda *a, **k: got.append((a, k)), args=[1, 2], kwargs={"x": 3}))
    assert got == [((1, 2), {"x": 3})]


def test_subclass_and_bound_method(threading: ModuleType) -> None:
    class Own(threading.Thread):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__(name="own")
            self.got = 0

        def run(self) -> None:
            self.add()

        def add(self) -> None:
            self.got += 1

    own = run(Own())
    run(threading.Thread(target=own.add))
    assert (own.got, own.name) == (2, "own")


def test_target_and_arguments_are_dropped(threading: ModuleType) -> None:
    thread = run(threading.Thread(target=print, args=(), kwargs={"end": ""}))
    assert {"_target", "_args", "_kwargs"}.isdisjoint(vars(thread))


def test_names(threading: ModuleType) -> None:
    def work() -> None: ...

    assert threading.Thread(name="mine").name == "mine"
    assert threading.Thread(name=5).name == "5"
    unnamed = threading.Thread(target=work).name
    assert unnamed.startswith("Thread-")
    assert unnamed.endswith(" (work)")
    assert threading.Thread(target=object.__new__(type("T", (), {}))).name.count(" ") == 0
    thread = threading.Thread()
    thread.name = 7
    assert thread.name == "7"
    assert threading.main_thread().name == "MainThread"


def test_a_name_that_utf_8_does_not_have(threading: ModuleType) -> None:
    """A file's name, say, with a byte that was not to be decoded."""
    name = "file-\udcff"
    thread = run(threading.Thread(name=name))
    assert thread.name == name
    thread.name += "\udc80"
    assert thread.name == name + "\udc80"


def test_right_after_start_everything_is_in_place(threading: ModuleType, held: Any) -> None:
    thread = held.thread
    assert (thread.ident, thread.native_id, thread.is_alive()) == (None, None, False)
    assert thread not in threading.enumerate()
    before = threading.active_count()
    thread.start()
    assert thread.is_alive()
    assert thread in threading.enumerate()
    assert threading.active_count() == before + 1
    assert threading._active[thread.ident] is thread
    assert thread not in threading._limbo
    assert isinstance(thread.native_id, int)
    assert held.inside.wait(LIMIT)
    assert thread.native_id != threading.get_native_id()
    assert repr(thread) == f"<Thread(held, started daemon {thread.ident})>"
    held.release.set()
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert thread not in threading.enumerate()
    assert thread.ident not in threading._active
    assert repr(thread) == f"<Thread(held, stopped daemon {thread.ident})>"


def test_idents_inside(threading: ModuleType) -> None:
    got: list[object] = []

    def work() -> None:
        me = threading.current_thread()
        got[:] = [me, me.ident, me.native_id, threading.get_ident(), threading.get_native_id()]

    thread = run(threading.Thread(target=work))
    assert got == [thread, *[thread.ident, thread.native_id] * 2]


def test_many_threads_each_ran_once(threading: ModuleType) -> None:
    """None of them is lost or left over, whichever of parent and child came first."""
    ran: list[int] = []
    threads = [threading.Thread(target=ran.append, args=(n,)) for n in range(300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert sorted(ran) == list(range(300))
    assert not any(thread.is_alive() for thread in threads)
    assert not set(threads) & set(threading._active.values())
    assert not set(threads) & set(threading._limbo)


def test_started_twice(threading: ModuleType, held: Any) -> None:
    held.thread.start()
    with pytest.raises(RuntimeError, match=r"^threads can only be started once$"):
        held.thread.start()
    done = run(threading.Thread())
    with pytest.raises(RuntimeError, match=r"^threads can only be started once$"):
        done.start()


def test_joins_that_cannot_be(threading: ModuleType) -> None:
    with pytest.raises(RuntimeError, match=r"^cannot join thread before it is started$"):
        threading.Thread().join()
    with pytest.raises(RuntimeError, match=r"^cannot join current thread$"):
        threading.current_thread().join()


def test_join_with_timeout(held: Any) -> None:
    held.thread.start()
    for timeout in (0, 0.01, -5):
        held.thread.join(timeout)
        assert held.thread.is_alive()
    with pytest.raises(TypeError):
        held.thread.join("1")
    with pytest.raises(OverflowError):
        held.thread.join(1e100)


def test_without_the_constructor(threading: ModuleType) -> None:
    class Careless(threading.Thread):  # type: ignore[name-defined, misc]
        def __init__(self) -> None: ...

    thread = Careless()
    for call, message in (
        (thread.start, "thread.__init__"),
        (thread.join, "Thread.__init__"),
        (lambda: setattr(thread, "daemon", True), "Thread.__init__"),
    ):
        with pytest.raises(RuntimeError, match=rf"^{message}\(\) not called$"):
            call()
    for name in ("name", "ident", "native_id", "daemon"):
        with pytest.raises(AssertionError, match=r"^Thread.__init__\(\) not called$"):
            getattr(thread, name)
    with pytest.raises(AssertionError, match=r"^Thread.__init__\(\) was not called$"):
        repr(thread)


def test_daemon_rules(threading: ModuleType, held: Any) -> None:
    assert not threading.Thread().daemon
    assert threading.Thread(daemon=True).daemon
    inherited: list[bool] = []
    run(threading.Thread(target=lambda: inherited.append(threading.Thread().daemon), daemon=True))
    assert inherited == [True]
    held.thread.start()
    with pytest.raises(RuntimeError, match=r"^cannot set daemon status of active thread$"):
        held.thread.daemon = False


def test_group_is_refused(threading: ModuleType) -> None:
    with pytest.raises(AssertionError, match=r"^group argument must be None for now$"):
        threading.Thread(group=1)


def test_when_no_thread_can_be_started(
    threading: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left of the attempt, and the same object can be started later."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    name = "_start_joinable_thread" if sys.version_info >= (3, 13) else "_start_new_thread"
    thread = threading.Thread()
    with monkeypatch.context() as patch:
        patch.setattr(threading, name, fails)
        with pytest.raises(RuntimeError, match=r"^can't start new thread$"):
            thread.start()
    assert thread not in threading._limbo
    assert thread not in threading.enumerate()
    assert (thread.ident, thread.is_alive()) == (None, False)
    run(thread)


@pytest.mark.parametrize("kind", ["Thread", "Timer"])
def test_a_name_that_is_none(threading: ModuleType, kind: str) -> None:
    """A subclass may use the attribute for something else."""
    if sys.version_info >= (3, 14):
        pytest.skip("it is given to the system, which takes none: the thread fails")
    ran: list[object] = []
    thread = (
        threading.Thread(target=ran.append, args=(1,))
        if kind == "Thread"
        else threading.Timer(0.001, ran.append, (1,))
    )
    thread._name = 42
    run(thread)
    assert ran == [1]
    assert thread not in threading._limbo


def test_a_start_that_fails_early() -> None:
    """Nothing is left of the attempt, whatever fails."""

    class Broken(ours.Thread):
        @property  # type: ignore[misc]
        def daemon(self) -> bool:
            raise LookupError

    thread = Broken(daemon=False)
    with pytest.raises(LookupError):
        thread.start()
    assert thread not in ours._limbo


def test_a_replaced_get_ident_is_asked_by_threads_that_end(
    threading: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is how pools wait for the first of several threads to end."""
    asked: list[str] = []
    genuine = threading.get_ident
    idents: list[int] = []

    def get_ident() -> int:
        ident: int = genuine()
        if ident in idents:
            asked.append("ends")
        return ident

    thread = threading.Thread(target=lambda: idents.append(genuine()))
    with monkeypatch.context() as patch:
        patch.setattr(threading, "get_ident", get_ident)
        run(thread)
    assert asked == ["ends"]
    assert idents == [thread.ident]


@pytest.mark.parametrize(
    ("owner", "name", "arguments", "message"),
    [
        ("module", "currentThread", (), "currentThread() is deprecated, use current_thread()"),
        ("module", "activeCount", (), "activeCount() is deprecated, use active_count()"),
        ("thread", "getName", (), "getName() is deprecated, get the name attribute"),
        ("thread", "setName", ("n",), "setName() is deprecated, set the name attribute"),
        ("thread", "isDaemon", (), "isDaemon() is deprecated, get the daemon attribute"),
        ("thread", "setDaemon", (True,), "setDaemon() is deprecated, set the daemon attribute"),
    ],
)
def test_spellings_of_old(
    threading: ModuleType, owner: str, name: str, arguments: tuple[object, ...], message: str
) -> None:
    thread = threading.Thread(name="t")
    with pytest.warns(DeprecationWarning, match=re.escape(message)) as caught:
        got = getattr(threading if owner == "module" else thread, name)(*arguments)
    (warning,) = caught
    assert str(warning.message) == f"{message} instead"
    assert warning.filename == __file__
    wanted = {
        "currentThread": threading.current_thread(),
        "activeCount": threading.active_count(),
        "getName": "t",
        "isDaemon": False,
    }
    assert got == wanted.get(name)
    assert (thread.name, thread.daemon) == (
        ("n" if name == "setName" else "t"),
        name == "setDaemon",
    )


def test_main_thread(threading: ModuleType) -> None:
    main = threading.main_thread()
    assert main is threading.current_thread()
    assert type(main).__name__ == "_MainThread"
    assert main.is_alive()
    assert not main.daemon
    assert main.ident == threading.get_ident()
    assert main.native_id == threading.get_native_id()
    assert main in threading.enumerate()


def test_foreign_thread_gets_a_dummy(threading: ModuleType) -> None:
    import _thread

    got: list[Any] = []
    done = threading.Event()

    def work() -> None:
        me = threading.current_thread()
        got.extend([me, me is threading.current_thread(), me.is_alive(), me.daemon, repr(me)])
        got.append(me in threading.enumerate())
        error = RuntimeError if sys.version_info >= (3, 13) else AssertionError
        try:
            me.join()
        except error as refused:
            got.append(str(refused))
        done.set()

    ident = _thread.start_new_thread(work, ())
    assert done.wait(LIMIT)
    dummy, *rest = got
    assert type(dummy).__name__ == "_DummyThread"
    assert dummy.ident == ident
    assert dummy.name.startswith("Dummy-")
    assert rest == [
        True,
        True,
        True,
        f"<_DummyThread({dummy.name}, started daemon {ident})>",
        True,
        "cannot join a dummy thread",
    ]
    threading._active.pop(ident, None)


def test_thread_objects_are_collected(threading: ModuleType) -> None:
    class Argument: ...

    argument = Argument()
    thread = run(threading.Thread(target=id, args=(argument,)))
    gone = [weakref.ref(thread), weakref.ref(argument)]
    gc.collect()
    gc.disable()
    try:
        del thread, argument
        # At once: no cycle is made by running a thread.
        assert [it() for it in gone] == [None, None]
    finally:
        gc.enable()


def test_thread_local_data_is_gone_after_join(threading: ModuleType) -> None:
    """join() returns after the thread's local data went, destructors included."""
    order: list[str] = []
    local = threading.local()

    class Watch:
        def __del__(self) -> None:
            order.append("local data gone")

    def work() -> None:
        local.watch = Watch()

    run(threading.Thread(target=work))
    order.append("joined")
    assert order == ["local data gone", "joined"]


def test_thread_local_data_that_asks_whose_it_is_is_gone_after_join(threading: ModuleType) -> None:
    """The thread's object is gone by then: it gets a dummy, whose end is not the thread's."""
    order: list[str] = []
    local = threading.local()

    class Watch:
        def __del__(self) -> None:
            order.append(threading.current_thread().name.partition("-")[0])
            # Lets go of the GIL: who joins could go on.
            threading.Event().wait(0.05)
            order.append("local data gone")

    def work() -> None:
        local.watch = Watch()

    run(threading.Thread(target=work))
    order.append("joined")
    assert order == ["Dummy", "local data gone", "joined"]


def test_context_is_empty_unless_given() -> None:
    from ropewalk import threading

    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    variable.set("parent's")
    got: list[str] = []
    run(threading.Thread(target=lambda: got.append(variable.get())))
    context = contextvars.copy_context()
    run(threading.Thread(target=lambda: got.append(variable.get()), context=context))
    inherits = getattr(sys.flags, "thread_inherit_context", False)
    assert got == ["parent's" if inherits else "unset", "parent's"]


@pytest.mark.parametrize("kind", ["trace", "profile"])
def test_hooks_for_new_threads(threading: ModuleType, kind: str) -> None:
    calls: list[str] = []

    def hook(frame: Any, event: str, _: object) -> None:
        if event == "call":
            calls.append(frame.f_code.co_name)

    def work() -> None: ...

    set_hook, get_hook = getattr(threading, f"set{kind}"), getattr(threading, f"get{kind}")
    old = get_hook()
    set_hook(hook)
    try:
        assert get_hook() is hook
        run(threading.Thread(target=work))
    finally:
        set_hook(old)
    assert "work" in calls
    calls.clear()
    run(threading.Thread(target=work))
    assert "work" not in calls


@pytest.mark.parametrize("kind", ["trace", "profile"])
def test_hooks_for_all_threads(kind: str, request: pytest.FixtureRequest) -> None:
    """On CPython 3.11, where the stdlib has no such function, for the calling thread."""
    from ropewalk import threading

    def hook(*_: object) -> None: ...

    setter = getattr(threading, f"set{kind}_all_threads")
    old = getattr(sys, f"get{kind}")()
    request.addfinalizer(lambda: setter(old))
    setter(hook)
    assert getattr(threading, f"get{kind}")() is hook
    assert getattr(sys, f"get{kind}")() is hook


def test_stack_size(threading: ModuleType) -> None:
    old = threading.stack_size(512 * 1024)
    try:
        run(threading.Thread())
        assert threading.stack_size() == 512 * 1024
    finally:
        threading.stack_size(old)
    # CPython 3.14 names the least.
    with pytest.raises(ValueError, match=r"size must be (0 or a positive value|at least)"):
        threading.stack_size(-1)


def test_a_thread_with_a_small_stack_ends(threading: ModuleType) -> None:
    """CPython 3.14 puts off there for ever what it does elsewhere when a thread ends."""
    ended: list[bool] = []
    old = threading.stack_size(64 * 1024)
    try:
        thread = threading.Thread(target=lambda: ended.append(False))
        thread.start()
    finally:
        threading.stack_size(old)
    thread.join()
    assert ended == [thread.is_alive()]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_threads_is_given_back() -> None:
    """The chunks that are kept for the frames of the next threads are a few, not one for each."""
    from ropewalk import threading

    def deep(n: int) -> int:
        return deep(n - 1) + 1 if n else 0

    def mappings() -> int:
        with open("/proc/self/maps") as lines:
            return sum(1 for _ in lines)

    def burst() -> None:
        together = threading.Barrier(40)

        def work() -> None:
            together.wait(LIMIT)
            assert deep(500) == 500

        threads = [threading.Thread(target=work) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)

    burst()
    before = mappings()
    for _ in range(10):
        burst()
    # Stacks that the C library keeps vary a little; 400 threads have come and gone.
    assert mappings() < before + 40


def test_what_debuggers_ask_for() -> None:
    """Each version of CPython has its own private way to tell whether a thread has ended."""
    from ropewalk import threading

    thread = threading.Thread()

    def ended() -> bool:
        if sys.version_info >= (3, 14):
            return thread._os_thread_handle.is_done()
        if sys.version_info >= (3, 13):
            return thread._handle.is_done()
        return bool(thread._is_stopped)

    assert not thread._started.is_set()
    assert not ended()
    run(thread)
    assert thread._started.is_set()
    assert ended()
    if sys.version_info < (3, 13):
        assert thread._tstate_lock is None


def test_dangling_threads_come_and_go(threading: ModuleType) -> None:
    """What CPython's tests count to find leaks: every Thread that is still referred to."""
    dangling = threading._dangling
    gc.collect()
    before = set(map(id, dangling))
    threads = [threading.Thread() for _ in range(3)]
    assert set(map(id, dangling)) - before == set(map(id, threads))
    assert threads[0] in dangling
    saved = dangling.copy()
    # They may go while somebody looks.
    for thread in dangling:
        threads.clear()
        del thread
        gc.collect()
    assert set(map(id, dangling)) == before
    assert len(dangling) == len(saved) == len(before)
