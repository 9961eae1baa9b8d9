//! P2. The crawler: list pages give detail pages. First all lists and then the details, then the
//! details of each list as soon as it is there, by tasks that submit tasks.
//!
//! What it crawls is a small site in memory; one page of it is missing.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use ropewalk::exec::{Future, Submitter, ThreadPool, Until, as_completed, wait};
use ropewalk::wait::Deadline;

const LISTS: usize = 4;
const DETAILS: usize = 5;

/// The links of a list page.
fn fetch_list(list: usize) -> Vec<String> {
    (0..DETAILS).map(|detail| format!("/{list}/{detail}")).collect()
}

/// The title of a detail page.
fn fetch_detail(url: &str) -> String {
    assert!(url != "/2/3", "404: {url}");
    format!("page {url}")
}

fn titles(details: Vec<Future<String>>) -> (usize, Vec<String>) {
    let (mut found, mut errors) = (0, Vec::new());
    for detail in details {
        match detail.result() {
            Ok(_title) => found += 1,
            Err(error) => errors.push(error.to_string()),
        }
    }
    (found, errors)
}

/// All lists have come before the first detail page is asked for.
fn lists_first(pool: &ThreadPool) -> Result<(), Box<dyn Error>> {
    let lists = (0..LISTS).map(|list| pool.submit(move || fetch_list(list)));
    let lists = lists.collect::<Result<Vec<_>, _>>()?;
    let waited = wait(&lists, Until::All, Deadline::NEVER)?;
    println!("lists: {} done, {} not", waited.done.len(), waited.not_done.len());
    let mut details = Vec::new();
    for list in lists {
        for url in list.result()? {
            details.push(pool.submit(move || fetch_detail(&url))?);
        }
    }
    let (found, errors) = titles(details);
    println!("lists first: {found} pages, {} missing", errors.len());
    println!("an error that surfaces at result(): {}", errors[0]);
    Ok(())
}

/// A task that submits tasks: the details of a list do not wait for the other lists.
fn crawl_list(submitter: &Submitter, list: usize) -> Vec<Future<String>> {
    let details =
        fetch_list(list).into_iter().map(|url| submitter.submit(move || fetch_detail(&url)));
    details.collect::<Result<_, _>>().expect("the pool is open")
}

fn details_at_once(pool: &ThreadPool) -> Result<(), Box<dyn Error>> {
    let (told, mut found, mut missing) = (Arc::new(AtomicUsize::new(0)), 0, 0);
    let mut lists = Vec::new();
    for list in 0..LISTS {
        let submitter = pool.submitter();
        let future = pool.submit(move || crawl_list(&submitter, list))?;
        let told = told.clone();
        future.on_done(move || {
            told.fetch_add(1, Relaxed);
        });
        lists.push(future);
    }
    for list in as_completed(lists) {
        let (_number, list) = list?;
        let (some, errors) = titles(list.result()?);
        found += some;
        missing += errors.len();
    }
    pool.join()?;
    println!("details at once: {found} pages, {missing} missing");
    println!("callbacks: {}", told.load(Relaxed));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    // The missing page is an error of its task: nothing to be reported here.
    std::panic::set_hook(Box::new(|_| {}));
    let pool = ThreadPool::new(3);
    lists_first(&pool)?;
    details_at_once(&pool)?;
    // What is submitted after the end is refused.
    match pool.submit(|| ()) {
        Ok(_) => println!("after the end: submitted"),
        Err(error) => println!("after the end: {error}"),
    }
    Ok(())
}
