//! Runs the examples as programs and checks what they print.

#![cfg(not(loom))]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{io, thread};

use ropewalk::sync::Event;
use ropewalk::wait::Deadline;

/// The example's program, which Cargo put beside the folder of this test's own.
///
/// `cargo test` builds the examples, but not when it is asked for one test alone: a program that is
/// missing or older than its source must not pass for the example.
fn program(example: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.ancestors().nth(2).expect("target/<profile>/deps/<test>");
    let program =
        profile.join("examples").join(example).with_extension(std::env::consts::EXE_EXTENSION);
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example).with_extension("rs");
    let changed = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    assert!(
        changed(&program) >= changed(&source),
        "{} is missing or older than its source: run `cargo build --examples`",
        program.display()
    );
    program
}

/// Runs the example, at most half a minute; the lines that it printed.
fn run(example: &str) -> Vec<String> {
    let mut child = Command::new(program(example))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the example starts");
    let (mut output, mut errors) = (child.stdout.take(), child.stderr.take());
    let ended = Event::new();
    let (printed, reported, in_time) = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let printed = output.as_mut().map(io::read_to_string);
            let reported = errors.as_mut().map(io::read_to_string);
            ended.set();
            (printed, reported)
        });
        let in_time = ended.wait_until(Deadline::after(Duration::from_secs(30)));
        let in_time = in_time.expect("no deadlock of ours");
        if !in_time {
            child.kill().expect("the example can be ended");
        }
        let (printed, reported) = reader.join().expect("the reader does not panic");
        (printed.unwrap().unwrap(), reported.unwrap().unwrap(), in_time)
    });
    assert!(in_time, "{example} hangs; it printed {printed} and reported {reported}");
    let status = child.wait().expect("the example's exit status");
    assert!(status.success(), "{example}: {status} {reported}");
    assert_eq!(reported, "", "{example} has nothing to report");
    printed.lines().map(String::from).collect()
}

#[test]
fn s1_with_a_lock_nothing_is_lost() {
    let lines = run("s1_lost_updates");
    let lost = lines[0].strip_prefix("without lock: ").map(str::parse::<i64>);
    assert!(lost.unwrap().unwrap().abs() <= 1_000_000);
    assert_eq!(lines[1..], ["with lock: 0"]);
}

#[test]
#[cfg_attr(
    any(not(target_os = "linux"), ropewalk_portable),
    ignore = "only Linux tells which threads there are: elsewhere any may release a plain Lock"
)]
fn s2_the_same_lock_twice_is_an_error_and_an_rlock_is_not() {
    let lines = run("s2_lock_twice");
    assert!(lines[0].starts_with("Lock: deadlock"), "{lines:?}");
    assert!(lines[1].contains("waits for Lock made at "), "{lines:?}");
    assert!(lines[1].contains("s2_lock_twice.rs:"), "{lines:?}");
    assert_eq!(
        lines[2..],
        [
            "Lock: held afterwards: false",
            "RLock: depth 2",
            "RLock: held afterwards: false",
            "another thread: cannot release un-acquired lock",
        ]
    );
}

#[test]
fn s3_one_thread_of_a_deadlock_lets_go_and_the_other_goes_on() {
    let mut lines = run("s3_abba");
    let rest = lines.split_off(4);
    // The one who got both and the three lines of the error are printed at the same time.
    let (has_both, error): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line.ends_with(" has both"));
    assert_eq!(has_both.len(), 1);
    assert_eq!(error[0], "deadlock: 2 thread(s) wait for each other");
    for line in &error[1..] {
        assert!(line.contains(" waits for RLock made at "), "{line}");
        assert!(line.contains(", held by "), "{line}");
    }
    assert_eq!(
        rest,
        ["dinner is over", "Ann backs off", "Bob has both", "Ann has both", "dinner is over"]
    );
}

#[test]
fn s4_turns_by_releasing_the_next_ones_lock_are_legal() {
    assert_eq!(run("s4_turns"), ["1", "2", "3", "1", "2", "3", "1", "2", "3"]);
}

#[test]
fn c1_the_speakers_alternate() {
    assert_eq!(
        run("c1_dialogue"),
        ["speaker: 1", "listener: 2", "speaker: 3", "listener: 4", "speaker: 5", "listener: 6"]
    );
}

#[test]
fn c2_the_slot_is_filled_and_emptied_in_turn() {
    let expected: Vec<String> =
        (1..=5).flat_map(|bun| [format!("made bun {bun}"), format!("ate bun {bun}")]).collect();
    assert_eq!(run("c2_one_slot"), expected);
}

#[test]
fn c3_the_queue_made_by_hand_is_bounded_and_loses_nothing() {
    assert_eq!(
        run("c3_bounded_queue"),
        [
            "get from an empty queue: None",
            "put to a full queue: false",
            "sum of all items: 1999000, expected 1999000",
        ]
    );
}

#[test]
fn c4_never_more_inside_than_the_semaphore_lets_in() {
    let lines = run("c4_semaphore");
    // At least two: they do stay at the same time, the semaphore is not just a lock.
    let allowed = [2, 3].map(|most| format!("at most at once: {most}, free seats: 3"));
    assert!(allowed.contains(&lines[0]), "{lines:?}");
    assert_eq!(lines[1..], ["Semaphore released too many times"]);
}

#[test]
fn c5_all_wait_for_one_event() {
    assert_eq!(
        run("c5_event"),
        [
            "waited in vain: true",
            "before the signal, finished: 0",
            "after the signal, finished: 5",
            "is set after clear: false",
        ]
    );
}

#[test]
fn c8_the_records_in_the_file_are_whole() {
    assert_eq!(run("c8_file_lock"), ["records: 400, whole: 400"]);
}

#[test]
fn s5_the_pipeline_gives_the_right_results() {
    assert_eq!(run("s5_pipeline"), ["right and in order: 100000, left: 0"]);
}

#[test]
fn q1_nothing_is_lost_between_producers_and_consumers() {
    assert_eq!(
        run("q1_producers_consumers"),
        [
            "length: 500",
            "taken: 700, different: 700, left: 0",
            "empty: true, full: false",
            "empty: false, full: true",
            "try_put: the queue is full, Some(\"three\") comes back",
            "put_until: the queue is full",
            "got one, which makes room for three",
            "got two and three",
            "try_get: the queue is empty",
        ]
    );
}

#[test]
fn q2_all_is_done_and_the_workers_end() {
    assert_eq!(
        run("q2_until_all_is_done"),
        ["join: the sum is 435", "sentinel: 30 done, left in the queue: 1"]
    );
}

#[test]
fn c6_a_timer_fires_once_or_is_cancelled() {
    assert_eq!(
        run("c6_timer"),
        [
            "calls after its interval: 1",
            "not before its interval: true",
            "cancelled in time: true",
            "cancelled again: false",
            "calls in the end: 1",
        ]
    );
}

#[test]
fn p1_a_pool_does_cancels_and_gives_back() {
    assert_eq!(
        run("p1_thread_pool"),
        [
            "done: false, false",
            "cancelled: true",
            "result: first",
            "error: the task was cancelled",
            "110 tasks, 10 names",
            "in order: [1, 4, 9, 16, 25]",
            "as completed: E D C B A",
        ]
    );
}

#[test]
fn p2_the_crawler_finds_each_page_both_ways() {
    assert_eq!(
        run("p2_crawler"),
        [
            "lists: 4 done, 0 not",
            "lists first: 19 pages, 1 missing",
            "an error that surfaces at result(): the task panicked: 404: /2/3",
            "details at once: 19 pages, 1 missing",
            "callbacks: 4",
            "after the end: the pool is shut down",
        ]
    );
}

#[test]
fn p3_a_future_has_states_and_callbacks() {
    assert_eq!(
        run("p3_future"),
        [
            "RUNNING, PENDING",
            "cancel what runs: false",
            "cancel what waits: true",
            "done in a millisecond: false",
            "done in the end: true",
            "FINISHED, CANCELLED_AND_NOTIFIED",
            "result: 42",
            "reported: the second callback panics",
            "called: [1, 2, 3], and the result is 42",
        ]
    );
}
