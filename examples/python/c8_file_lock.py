"""C8. A lock guards a file that two fetching threads write: whole records, never mixed.

A record is written in pieces. Without the lock another thread's pieces could get between them.
"""

import tempfile
import threading
import time
from typing import TextIO

RECORDS = 200
LINES = 5

lock = threading.Lock()


def fetch(site: str, number: int) -> list[str]:
    """Stands for a download: takes a moment, and gives a record of some lines."""
    time.sleep(0.0001)
    return [f"{site} {number} line {line}\n" for line in range(LINES)]


def fetch_all(site: str, file: TextIO) -> None:
    for number in range(RECORDS):
        record = fetch(site, number)
        with lock:
            for line in record:
                file.write(line)
                file.flush()


def main() -> None:
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        threads = [threading.Thread(target=fetch_all, args=(site, file)) for site in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        file.seek(0)
        lines = file.readlines()

    records = [lines[i : i + LINES] for i in range(0, len(lines), LINES)]
    whole = [record for record in records if len({line.split(" line ")[0] for line in record}) == 1]
    print("records:", len(records))
    print("whole records:", len(whole))
    print("of a:", sum(record[0].startswith("a ") for record in records))
    print("of b:", sum(record[0].startswith("b ") for record in records))


if __name__ == "__main__":
    main()
