"""T5. Names and numbers: who am I, and who else is here?

The old camelCase spellings still work; they warn that they are deprecated.
"""

import threading
import warnings

arrived = threading.Barrier(3)
may_go = threading.Event()


def worker() -> None:
    arrived.wait()
    may_go.wait()


def old_spellings() -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        me = threading.currentThread()
        print("currentThread() is current_thread():", me is threading.current_thread())
        print("activeCount():", threading.activeCount())
        me.setName("main, renamed")
        print("getName():", me.getName())
        print("isDaemon():", me.isDaemon())
    return [str(warning.message) for warning in caught]


def main() -> None:
    threads = [threading.Thread(target=worker, name="named"), threading.Thread(target=worker)]
    print("before start: ident", threads[0].ident, "native_id", threads[0].native_id)
    for thread in threads:
        thread.start()
    arrived.wait()

    print("active:", threading.active_count())
    print("all:", ", ".join(thread.name for thread in threading.enumerate()))
    print("I am:", threading.current_thread().name)
    print("I am the main thread:", threading.current_thread() is threading.main_thread())
    print("my ident is get_ident():", threading.current_thread().ident == threading.get_ident())
    print("different idents:", len({thread.ident for thread in threading.enumerate()}))
    print("different native ids:", len({thread.native_id for thread in threading.enumerate()}))
    threads[0].name = "renamed"
    print("renamed:", threads[0].name)

    may_go.set()
    for thread in threads:
        thread.join()
    print("active in the end:", threading.active_count())
    for message in old_spellings():
        print("warned:", message)


if __name__ == "__main__":
    main()
