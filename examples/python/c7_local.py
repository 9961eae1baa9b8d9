"""C7. One `threading.local`, and each thread sees its own attributes in it."""

import threading

mine = threading.local()
all_have_written = threading.Barrier(3)


def worker(name: str, seen: dict[str, str]) -> None:
    mine.name = name
    all_have_written.wait()  # nobody reads before everybody has written
    seen[name] = mine.name


def main() -> None:
    mine.name = "main"
    seen: dict[str, str] = {}
    threads = [
        threading.Thread(target=worker, args=(name, seen)) for name in ("one", "two", "three")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, value in sorted(seen.items()):
        print(f"{name} sees {value}")
    print("main sees", mine.name)

    newcomer = threading.Thread(
        target=lambda: print("a newcomer has a name:", hasattr(mine, "name"))
    )
    newcomer.start()
    newcomer.join()


if __name__ == "__main__":
    main()
