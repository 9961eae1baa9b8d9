"""The pages and links that were found, in SQLite."""

import contextlib
import hashlib
import sqlite3
from pathlib import Path

SCHEMA = """
    PRAGMA journal_mode = off;
    PRAGMA synchronous = off;
    CREATE TABLE pages (url TEXT PRIMARY KEY, status INTEGER, title TEXT, error TEXT);
    CREATE TABLE links (source TEXT, target TEXT);
"""
INSERT = {
    "pages": "INSERT INTO pages VALUES (?, ?, ?, ?)",
    "links": "INSERT INTO links VALUES (?, ?)",
}
BATCH = 1000  # rows of a table that are written at once

Row = tuple[str, tuple[str | int, ...]]  # the table, and the values of its columns


class Store:
    """A new database. One thread may write to it and another, after that one, close it."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.executescript(SCHEMA)
        self._batches: dict[str, list[tuple[str | int, ...]]] = {table: [] for table in INSERT}

    def write(self, row: Row) -> None:
        table, values = row
        batch = self._batches[table]
        batch.append(values)
        if len(batch) >= BATCH:
            self._insert(table, batch)

    def _insert(self, table: str, batch: list[tuple[str | int, ...]]) -> None:
        with self._database:
            self._database.executemany(INSERT[table], batch)
        batch.clear()

    def close(self) -> None:
        try:
            for table, batch in self._batches.items():
                self._insert(table, batch)
        finally:
            self._database.close()


def digest(path: Path) -> tuple[int, int, str]:
    """How many pages and links a database holds, and a hash of all rows whatever their order."""
    rows = hashlib.sha256()
    counts = []
    with contextlib.closing(sqlite3.connect(path)) as database:
        for query in (
            "SELECT url, status, title, error FROM pages ORDER BY url",
            "SELECT source, target FROM links ORDER BY source, target",
        ):
            count = 0
            for row in database.execute(query):
                rows.update(repr(row).encode())
                count += 1
            counts.append(count)
    pages, links = counts
    return pages, links, rows.hexdigest()
