//! A trace, at the end of a thread.

#![cfg(all(unix, not(loom)))]

use std::cell::Cell;

use ropewalk::sync::Event;
use ropewalk::wait::{HostSite, Origin};
use ropewalk::watch::{Taking, lock_released, lock_taken, start_trace, stop_trace};

fn take_and_release() {
    // SAFETY: nobody reads the code, as there is no host.
    let origin = Origin::Host(unsafe { HostSite::new(16, 1) });
    lock_taken(Taking { lock: 32, kind: "Lock", origin, name: None, taken: None });
    lock_released(32, ropewalk::wait::current().word());
}

/// Uses a lock when the thread's other locals are gone.
#[derive(Default)]
struct Last(Cell<bool>);

impl Drop for Last {
    fn drop(&mut self) {
        take_and_release();
        ENDED.set();
    }
}

static ENDED: Event = Event::new();

thread_local! { static LAST: Last = Last::default(); }

#[test]
fn locks_may_be_used_when_the_locals_of_a_thread_are_gone() {
    let path = std::env::temp_dir().join(format!("ropewalk-trace-{}.json", std::process::id()));
    start_trace(&path).unwrap();
    // A process can be traced once.
    let again = start_trace(&path).unwrap_err();
    assert_eq!(again.to_string(), "this process has begun a trace before");
    let thread = std::thread::spawn(|| {
        // Made first, so destroyed last.
        LAST.with(|last| last.0.set(true));
        take_and_release();
    });
    thread.join().unwrap();
    assert!(ENDED.is_set());
    stop_trace().unwrap();
    let trace = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(trace.contains("Lock"), "{trace}");
}
