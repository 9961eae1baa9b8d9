//! A data race, on purpose: if ThreadSanitizer does not see this one, it sees none.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

struct Shared(UnsafeCell<u64>);

// SAFETY: there is none: READY is stored and loaded without an order, which is the race.
unsafe impl Sync for Shared {}

static READY: AtomicBool = AtomicBool::new(false);
static SHARED: Shared = Shared(UnsafeCell::new(0));

fn main() {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: see above.
            unsafe { *SHARED.0.get() = 1 };
            READY.store(true, Ordering::Relaxed);
        });
        scope.spawn(|| {
            while !READY.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            // SAFETY: see above.
            unsafe { *SHARED.0.get() += 1 };
        });
    });
}
