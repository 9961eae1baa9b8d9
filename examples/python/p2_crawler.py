"""P2. The crawler: list pages give detail pages.

First all lists and then all details; then details as soon as their list is there, by tasks that
submit tasks. An exception in a task surfaces when its result is asked for.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

LISTS = 4
DETAILS = 5
# What a page takes to come.
DELAY = 0.005


def fetch_list(number: int) -> list[str]:
    time.sleep(DELAY)
    if number == LISTS:
        raise LookupError(f"no list {number}")
    return [f"{number}/{detail}" for detail in range(DETAILS)]


def fetch_detail(page: str) -> str:
    time.sleep(DELAY)
    return f"detail {page}"


def one_after_the_other() -> None:
    with ThreadPoolExecutor(4) as pool:
        pages = [page for pages in pool.map(fetch_list, range(LISTS)) for page in pages]
        details = list(pool.map(fetch_detail, pages))
    print("lists, then details:", len(details), "in order:", details == sorted(details))


def as_soon_as_it_is_there() -> None:
    with ThreadPoolExecutor(4) as pool:
        lists = [pool.submit(fetch_list, number) for number in range(LISTS)]
        details = [
            pool.submit(fetch_detail, page)
            for done in as_completed(lists)
            for page in done.result()
        ]
        found = {done.result() for done in as_completed(details)}
    print("as they complete:", len(found))


def tasks_that_submit_tasks() -> None:
    found: list[str] = []
    all_there = threading.Event()

    def note(detail: "Future[str]") -> None:
        found.append(detail.result())
        if len(found) == LISTS * DETAILS:
            all_there.set()

    def crawl(number: int) -> None:
        for page in fetch_list(number):
            pool.submit(fetch_detail, page).add_done_callback(note)

    with ThreadPoolExecutor(4) as pool:
        for number in range(LISTS):
            pool.submit(crawl, number)
        all_there.wait()
    print("tasks that submit tasks:", len(found), "different:", len(set(found)))


def an_exception() -> None:
    with ThreadPoolExecutor(4) as pool:
        futures = {pool.submit(fetch_list, number): number for number in range(LISTS + 1)}
    for future, number in futures.items():
        try:
            future.result()
        except LookupError as error:
            print(f"list {number} failed:", error)
    print("the others:", sum(future.exception() is None for future in futures))


def main() -> None:
    one_after_the_other()
    as_soon_as_it_is_there()
    tasks_that_submit_tasks()
    an_exception()


if __name__ == "__main__":
    main()
