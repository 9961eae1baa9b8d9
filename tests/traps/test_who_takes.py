"""Which thread takes a signal, and what that means for the main thread."""

from __future__ import annotations

from tests.traps.programs import succeeds


def test_a_signal_that_its_sender_takes_is_seen_by_the_main_thread() -> None:
    """The kernel chooses the main thread, but whoever unmasks its signals before that runs may take
    the signal from it: Python's mark is set then, and the main thread is not woken."""
    program = """
    taken = threading.Lock()
    taken.acquire()
    signal.signal(signal.SIGUSR1, lambda number, frame: taken.release())

    def send_and_take():
        every = set(signal.Signals)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGUSR1)
        for _ in range(20):
            signal.pthread_sigmask(signal.SIG_BLOCK, every)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, every)

    for _ in range(5):
        sender = threading.Thread(target=send_and_take)
        sender.start()
        taken.acquire()
        sender.join()
    """
    succeeds(program)


def test_a_signal_that_all_threads_of_the_program_block_comes_to_none_of_ours() -> None:
    """Its default would end the process; the program waits for it instead."""
    program = """
    called = threading.Timer(0.001, int)
    called.start()
    waits = threading.Timer(LIMIT, int)
    waits.start()
    called.join()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    os.kill(os.getpid(), signal.SIGUSR2)
    assert signal.sigwait([signal.SIGUSR2]) == signal.SIGUSR2
    waits.cancel()
    """
    succeeds(program)


def test_a_timer_calls_with_the_signals_of_who_started_it() -> None:
    """They are inherited by the processes that its function starts."""
    program = """
    def blocked():
        return signal.pthread_sigmask(signal.SIG_BLOCK, [])
    seen = queue.Queue()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    for _ in range(3):
        threading.Timer(0.001, lambda: seen.put(blocked())).start()
        assert seen.get() == {signal.SIGUSR2}
    """
    succeeds(program)


def test_no_thread_of_ours_takes_a_signal() -> None:
    program = """
    ping, pong = threading.Semaphore(0), threading.Semaphore(0)
    def answer():
        for _ in range(500):
            ping.acquire()
            pong.release()
    thread = threading.Thread(target=answer)
    thread.start()
    for _ in range(500):
        ping.release()
        pong.acquire()
    thread.join()
    timer = threading.Timer(LIMIT, int)
    timer.start()
    def masks():
        # The kernel keeps fifteen letters of a name; a new thread names itself.
        seen = {}
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/status") as file:
                status = dict(line.split(":", 1) for line in file)
            seen[status["Name"].strip()] = int(status["SigBlk"], 16)
        return {name: mask for name, mask in seen.items() if name.startswith("ropewalk-")}
    until(lambda: {"ropewalk-insigh", "ropewalk-timer"} <= set(masks()))
    ours = masks()
    for name in ours:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2, signal.SIGALRM):
            assert ours[name] >> (number - 1) & 1, (name, number)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
    timer.cancel()
    """
    succeeds(program)
