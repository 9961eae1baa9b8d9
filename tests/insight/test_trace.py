"""`ropewalk run --trace`: a file in Chrome's trace event format."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from tests.deadlock.programs import run
from tests.insight.traces import lanes, nanos, read, slices, traced

if TYPE_CHECKING:
    from pathlib import Path

    from tests.insight.traces import Event

PROGRAM = """
import queue, threading
from ropewalk import inspect
from tests.traps.ways import until, until_blocked
lock = threading.Lock()
jobs = queue.Queue()
def waiter():
    with lock:
        pass
    for _ in range(3):
        jobs.get()
thread = threading.Thread(target=waiter, name='the "waiter"')
with lock:
    thread.start()
    until_blocked(thread)
until(lambda: any(wait.waits_for.kind == "Queue.get" for wait in inspect.waits()))
for each in range(3):
    jobs.put(each)
thread.join()
"""


def test_waits_wakes_and_holds_are_there(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    done = run(tmp_path, PROGRAM, f"--trace={path}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert path.read_text().endswith("]\n")
    events = read(path)
    tids = lanes(events)
    waiter, main = tids['the "waiter"'], tids["MainThread"]
    [wait] = [each for each in slices(events, waiter) if each["name"].startswith("wait Lock")]
    assert wait["name"].endswith("program.py:4")
    [hold] = [each for each in slices(events, main) if "program.py:4" in each["name"]]
    assert hold["name"].startswith("hold Lock")
    # What was waited for is what was held.
    assert hold["ts"] < wait["ts"]
    assert abs((hold["ts"] + hold["dur"]) - (wait["ts"] + wait["dur"])) < 5_000_000
    ends = {each["id"]: each for each in events if each["ph"] == "f"}
    starts = {each["id"]: each for each in events if each["ph"] == "s"}
    arrows = [(starts[flow], ends[flow]) for flow in ends if flow in starts]
    into_wait = [
        start for start, end in arrows if wait["ts"] <= end["ts"] <= wait["ts"] + wait["dur"]
    ]
    assert any(start["tid"] == main for start in into_wait)
    # Perfetto turns an arrow around that ends at a slice which began before the one it begins at.
    woken = {(each["tid"], each["ts"]) for each in events if each["name"] == "woken"}
    assert all((end["tid"], end["ts"]) in woken for end in ends.values())
    assert all(start["ts"] < end["ts"] for start, end in arrows)
    counters = [each for each in events if each["ph"] == "C"]
    assert any("Queue.get" in each["name"] and each["args"]["items"] >= 0 for each in counters)


def test_slices_of_a_lane_lie_within_each_other(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    text = """
    import threading
    a, b, c = (threading.Lock() for _ in range(3))
    for _ in range(50):
        a.acquire(); b.acquire(); c.acquire()
        a.release(); c.release(); b.release()
    """
    done = run(tmp_path, text, "--trace", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    events = read(path)
    main = lanes(events)["MainThread"]
    held = [each for each in slices(events, main) if "program.py" in each["name"]]
    # In two parts: b and c when a is released; of them c is released first.
    assert len(held) == 50 * 5


STRESS = """
import queue, signal, threading, time
from concurrent.futures import ThreadPoolExecutor
class Wrapped:
    # A condition over a lock that is not known releases it while it begins to wait.
    def __init__(self):
        self.lock = threading.Lock()
    def acquire(self, *args):
        return self.lock.acquire(*args)
    def release(self):
        self.lock.release()
    def __enter__(self):
        self.acquire()
    def __exit__(self, *args):
        self.release()
there, back = threading.Lock(), threading.Lock()
there.acquire(), back.acquire()
def ping():
    for _ in range(300):
        there.release()
        back.acquire()
def pong():
    for _ in range(300):
        there.acquire()
        back.release()
jobs, lock, again = queue.Queue(3), threading.Lock(), threading.RLock()
def produce():
    for each in range(500):
        with lock, again:
            pass
        jobs.put(each)
def consume():
    for _ in range(500):
        jobs.get()
        with again:
            pass
conditions = threading.Condition(), threading.Condition(Wrapped()), threading.Condition(lock)
def notify(condition):
    outer = threading.Lock()
    for _ in range(150):
        with condition, outer:
            condition.notify_all()
            condition.wait(0.001)
barrier, permits = threading.Barrier(3), threading.Semaphore(2)
def meet():
    for _ in range(150):
        barrier.wait()
        with permits:
            time.sleep(0)
short, long = threading.Lock(), threading.Lock()
handled = 0
def handler(*args):
    # Within a wait; the second one is held from one handler's call to the next. They may nest.
    global handled
    if short.acquire(False):
        handled += 1
        (long.release if long.locked() else long.acquire)()
        short.release()
targets = [(ping,), (pong,), (produce,), (consume,)]
targets += [(notify, each) for each in conditions for _ in range(3)] + [(meet,)] * 3
threads = [threading.Thread(target=each[0], args=each[1:]) for each in targets]
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
for thread in threads:
    thread.start()
with conditions[1]:
    while handled < 20:
        conditions[1].wait(0.05)
for thread in threads:
    thread.join()
with ThreadPoolExecutor(4) as pool:
    assert sum(pool.map(abs, range(500))) == 124750
signal.setitimer(signal.ITIMER_REAL, 0)
"""


def test_slices_of_many_threads_and_handlers_lie_within_each_other(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    done = run(tmp_path, STRESS, "--trace", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    kinds = Counter(event["name"].partition(" ")[0] for event in read(path))
    assert min(kinds[each] for each in ("hold", "wait", "wake", "woken")) > 500, kinds


def test_locks_that_another_thread_releases_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    # Each of them would be looked through at each acquire.
    text = """
    import threading
    locks = [threading.Lock() for _ in range(20000)]
    for lock in locks:
        lock.acquire()
    thread = threading.Thread(target=lambda: [lock.release() for lock in locks], name="releaser")
    thread.start()
    thread.join()
    for lock in locks:
        with lock:
            pass
    """
    done = run(tmp_path, text, "--trace", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    events = read(path)
    held = [each for each in events if each["name"].startswith("hold Lock")]
    # As they were released by this thread, and not cut by the releases of those before.
    assert sum("program.py:2" in each["name"] for each in held) == 20000
    assert "releaser" in lanes(events)


def test_waits_that_go_on_at_the_end_are_there(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    text = """
    import threading
    from tests.traps.ways import until_blocked
    event = threading.Event()
    thread = threading.Thread(target=event.wait, name="waiter", daemon=True)
    thread.start()
    until_blocked(thread)
    native_id = thread.native_id
    print(native_id)
    """
    done = run(tmp_path, text, f"--trace={path}")
    assert (done.returncode, done.stderr) == (0, "")
    tid = int(done.stdout)
    assert any("wait Event" in each["name"] for each in slices(read(path), tid))


def test_names_of_the_program_its_locks_and_its_pools_are_there(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    text = """
    import threading
    from concurrent.futures import ThreadPoolExecutor
    from ropewalk import inspect
    from tests.traps.ways import until
    go, index = threading.Event(), threading.Lock(name="the index")
    with index:
        pass
    with threading.RLock(name="again"):
        pass
    # More lines than a thread remembers: each has its own.
    for number in range(40):
        code = "\\n" * number + "lock = threading.Lock()\\nwith lock: pass"
        exec(compile(code, f"made{number}.py", "exec"), {"threading": threading})
    with ThreadPoolExecutor(1, "web") as pool:
        for _ in range(5):
            pool.submit(go.wait)
        until(lambda: any(look.busy for look in inspect.snapshot().pools))
        # So that some wait ends.
        threading.Event().wait(0.02)
        go.set()
    """
    events = traced(tmp_path, text, path)
    names = {event["name"] for event in events}
    assert {"hold Lock 'the index'", "hold RLock 'again'"} <= names
    assert {f"hold Lock made{number}.py:{number + 1}" for number in range(40)} <= names
    counts = [each["args"]["items"] for each in events if each["name"] == "items in pool 'web'"]
    assert 4 in counts
    # Also where it is killed: it comes first.
    assert events[0]["name"] == "process_name"
    assert events[0]["args"]["name"].endswith("program.py")


def test_a_lock_is_not_held_while_its_condition_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    text = """
    import threading
    from tests.traps.ways import until_blocked
    lock = threading.RLock(name="cv")
    outer, later = threading.Lock(name="a"), threading.Lock(name="b")
    changed = threading.Condition(lock, name="changed")
    def wait():
        with outer, lock, lock, later:
            changed.wait()
    waiter = threading.Thread(target=wait, name="waiter")
    waiter.start()
    until_blocked(waiter)
    with lock:
        changed.notify_all()
    waiter.join()
    """
    events = traced(tmp_path, text, path)
    all_slices = slices(events, lanes(events)["waiter"])
    [wait] = [each for each in all_slices if each["name"] == "wait Condition 'changed'"]
    begin, end = nanos(wait)
    # From its notification on it waits for the lock, which the notifier has.
    [again] = [nanos(each) for each in all_slices if each["name"] == "wait RLock 'cv'"]
    assert again[0] == end
    held = [nanos(each) for each in all_slices if each["name"] == "hold RLock 'cv'"]
    # Twice before it, and twice after it, cut where b is released.
    assert sum(last <= begin for _, last in held) == 2
    assert sum(first >= again[1] for first, _ in held) == 4 == len(held) - 2
    for name in ("hold Lock 'a'", "hold Lock 'b'"):
        held = [nanos(each) for each in all_slices if each["name"] == name]
        # Up to a nanosecond at each cut.
        total = max(last for _, last in held) - min(first for first, _ in held)
        assert 0 <= total - sum(last - first for first, last in held) < 10


def test_a_wait_of_several_turns_is_one_slice(tmp_path: Path) -> None:
    trace, report = tmp_path / "out.json", tmp_path / "report.json"
    text = """
    import queue, threading, time
    jobs = queue.Queue(name="jobs")
    def get():
        for _ in range(300):
            jobs.get()
    def put():
        for each in range(600):
            jobs.put(each)
            if each % 3 == 0:
                time.sleep(0.0005)
    threads = [threading.Thread(target=target) for target in [get] * 4 + [put] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    """
    done = run(tmp_path, text, f"--trace={trace}", f"--report={report}")
    assert (done.returncode, done.stderr) == (0, "")
    name = "wait Queue.get 'jobs'"
    durations = [each["dur"] / 1e6 for each in read(trace) if each["name"] == name]
    things = json.loads(report.read_text())["things"]
    [told] = [each["waits"] for each in things if each["name"] == "jobs"]
    assert len(durations) == told["number"]
    assert abs(sum(durations) - told["total"]) < 0.1 * told["total"]


def test_every_arrow_to_a_thread_that_waits_has_an_end(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    text = """
    import threading, time
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(2, "web") as pool:
        for _ in range(50):
            pool.submit(time.sleep, 0.001).result()
            time.sleep(0.001)
    for _ in range(20):
        thread = threading.Thread(target=time.sleep, args=(0.001,))
        thread.start()
        thread.join()
    """
    events = traced(tmp_path, text, path)
    ends = {each["id"]: each for each in events if each["ph"] == "f"}
    starts = {each["id"]: each for each in events if each["ph"] == "s"}
    # One may be on its way when the trace ends.
    assert len(starts) > 100
    assert len(starts.keys() - ends.keys()) <= 1
    # From submit to the thread of the pool.
    names = lanes(events)
    workers = {tid for name, tid in names.items() if name.startswith("web_")}
    main = names["MainThread"]
    arrows = [(starts[flow]["tid"], end["tid"]) for flow, end in ends.items()]
    assert sum(start == main and end in workers for start, end in arrows) > 40
    idle = [each for each in events if each["name"] == "idle"]
    assert sum(each["tid"] in workers for each in idle) > 40


def test_locks_that_are_held_at_the_end_are_there(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    text = """
    import threading, time
    from tests.traps.ways import until_blocked
    big, held = threading.Lock(name="big"), threading.Event()
    def hold():
        with big:
            held.set()
            threading.Event().wait()
    def wait():
        with big:
            pass
    threading.Thread(target=hold, name="holder", daemon=True).start()
    held.wait()
    waiter = threading.Thread(target=wait, name="waiter", daemon=True)
    waiter.start()
    until_blocked(waiter)
    own = threading.RLock(name="own")
    own.acquire()
    """
    events = traced(tmp_path, text, path)
    names = lanes(events)
    [hold] = [each for each in events if each["name"] == "hold Lock 'big'"]
    [wait] = [each for each in events if each["name"] == "wait Lock 'big'"]
    assert (hold["tid"], wait["tid"]) == (names["holder"], names["waiter"])
    assert hold["ts"] < wait["ts"]
    assert abs(hold["ts"] + hold["dur"] - wait["ts"] - wait["dur"]) < 5_000_000
    [own] = [each for each in events if each["name"] == "hold RLock 'own'"]
    assert own["tid"] == names["MainThread"]


def test_a_lane_has_the_last_name_of_its_thread(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    text = """
    import threading
    event = threading.Event()
    def work():
        event.wait(0.01)
        threading.current_thread().name = "after"
        event.wait(0.01)
    thread = threading.Thread(target=work, name="before")
    thread.start()
    thread.join()
    """
    events = traced(tmp_path, text, path)
    names = lanes(events)
    assert names["before"] == names["after"]
    order = [each["args"]["name"] for each in events if each["name"] == "thread_name"]
    assert order.index("before") < order.index("after")


def test_each_lane_with_a_slice_has_a_name(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    text = """
    import _thread, threading, time
    from tests.traps.ways import until
    lock, slept, ended = threading.Lock(), [], []
    def sleeps():
        with lock:
            pass
        threading.current_thread().name = "sleeper"
        slept.append(True)
        time.sleep(100)
    def nameless():
        with lock:
            pass
        ended.append(_thread.get_native_id())
    threading.Thread(target=sleeps, name="early", daemon=True).start()
    threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
    _thread.start_new_thread(nameless, ())
    until(lambda: slept and ended)
    print(ended[0])
    """
    done = run(tmp_path, text, f"--trace={path}")
    assert (done.returncode, done.stderr) == (0, "")
    events = read(path)
    names = {event["tid"]: each for each, event in _names(events)}
    assert {each["tid"] for each in events if each["ph"] == "X"} <= names.keys()
    assert names[int(done.stdout)] == f"thread {done.stdout.strip()}"
    assert "sleeper" in names.values()


def _names(events: list[Event]) -> list[tuple[str, Event]]:
    return [(event["args"]["name"], event) for event in events if event["name"] == "thread_name"]


def test_what_ropewalk_makes_for_itself_is_no_thing_of_the_program(tmp_path: Path) -> None:
    path, report = tmp_path / "out.json", tmp_path / "report.json"
    text = """
    import threading
    from tests.traps.ways import until_blocked
    gate = threading.Event()
    def items():
        gate.wait()
        yield from range(2)
    # It has a lock of its own.
    both = threading.serialize_iterator(items())
    threads = [threading.Thread(target=next, args=(both,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    until_blocked(*threads)
    gate.set()
    for thread in threads:
        thread.join()
    """
    done = run(tmp_path, text, f"--trace={path}", f"--report={report}")
    assert (done.returncode, done.stderr) == (0, "")
    told = [each["name"] for each in read(path) if each["ph"] == "X"]
    assert [each for each in told if each.startswith("hold")] == []
    assert told.count("wait Lock of ropewalk") == 1
    assert [each for each in told if "/ropewalk/" in each] == []
    summed = json.loads(report.read_text())
    assert {each["kind"] for each in summed["things"]} == {"Event", "Thread"}
    assert "Lock" in {each["kind"] for each in summed["waited"]}
