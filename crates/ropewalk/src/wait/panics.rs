//! Panics in code of the user's that a thread of the runtime has to live through.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a panic was raised with.
type Payload = Box<dyn Any + Send>;

/// Runs code of the user's: a callback, or the destructor of a value. Returns whether it came to its
/// end; if not, the panic hook has reported why, and nothing else happens.
pub(crate) fn survives(work: impl FnOnce()) -> bool {
    let Err(payload) = catch_unwind(AssertUnwindSafe(work)) else { return true };
    discard(payload);
    false
}

/// Does all of the works, each of which may run code of the user's. Afterwards the first panic among
/// them goes on.
pub(super) fn all(works: impl Iterator<Item = impl FnOnce()>) {
    let mut first = None;
    for work in works {
        match (catch_unwind(AssertUnwindSafe(work)), &first) {
            (Ok(()), _) => {}
            (Err(payload), None) => first = Some(payload),
            (Err(payload), Some(_)) => discard(payload),
        }
    }
    if let Some(payload) = first {
        resume_unwind(payload);
    }
}

/// Drops a payload, which is a value of the user's as well: its destructor may panic.
fn discard(payload: Payload) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // This could go on for ever.
        std::mem::forget(another);
    }
}
