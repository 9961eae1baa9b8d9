//! What is known of each thing that was waited for: made at the first wait, gone with the thing.
//!
//! A primitive's queue owns a reference to its [`ObjectInfo`], so every primitive has one without
//! knowing of it, and one that nobody ever waited for costs a null pointer. There is a list of all
//! of them, for those who look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

#[cfg(not(loom))]
use super::ended::keeps;
use super::queue::erase;
use super::runtime::{Depth, Origin, Resource, ResourceKind};
use super::site::Sites;
use super::tally::{Tally, Waits};
use crate::primitive::{ShortLock, global};

/// A shared reference to what is known of a thing.
pub type ObjectRef = Arc<ObjectInfo>;

/// From so many waits on, not every short one is measured.
pub(super) const HOT: u8 = 64;

/// What is known of a thing that was waited for, or that was named.
#[derive(Debug)]
pub struct ObjectInfo {
    /// Followed only under the lock of `state`.
    what: *const dyn Resource,
    kind: ResourceKind,
    /// Whether the address is that of the thing, and not of one wait for it, and the thing stays
    /// there: what the host made does (`HostSite::new`), a value of Rust's may move when nobody
    /// waits for it.
    stays: bool,
    own: bool,
    made_at: Option<Arc<str>>,
    state: ShortLock<State>,
    /// Its place in the list. Written under the list's lock.
    place: AtomicU32,
    /// How many waits there were, up to [`HOT`].
    seen: AtomicU8,
    tally: Tally,
}

#[derive(Debug)]
struct State {
    name: Option<Arc<str>>,
    /// Whether `what` may be followed.
    can_look: bool,
}

// SAFETY: `what` is followed only while the thing is alive and stays where it is (`can_look`,
// under its lock), and resources are Sync.
unsafe impl Send for ObjectInfo {}
// SAFETY: as above.
unsafe impl Sync for ObjectInfo {}

/// What a thing looks like at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// The thread word of whoever can end a wait for it, where that is one known thread.
    pub owner: Option<usize>,
    /// How much is in it, for a queue.
    pub depth: Option<Depth>,
}

impl ObjectInfo {
    fn new(what: &dyn Resource) -> Self {
        let stays = what.is_lasting() && matches!(what.origin(), Origin::Host(_));
        Self {
            stays,
            // Followed only as long as `can_look` says that it is alive.
            what: erase(what),
            kind: what.kind(),
            // Now and not when somebody asks: the thing is alive and the host at hand.
            made_at: what.origin().describe_shared(),
            own: what.origin().is_own(),
            state: ShortLock::new(State { name: None, can_look: stays }),
            place: AtomicU32::new(0),
            seen: AtomicU8::new(0),
            tally: Tally::new(),
        }
    }

    /// The identity of the thing: the address of a lock or queue of the host's, for all others a
    /// number that nothing else has as long as this lives.
    #[must_use]
    pub fn id(&self) -> usize {
        if self.stays { self.what.cast::<()>() as usize } else { std::ptr::from_ref(self) as usize }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> ResourceKind {
        self.kind
    }

    /// Where it was made, as `file:line`.
    #[must_use]
    pub fn made_at(&self) -> Option<Arc<str>> {
        self.made_at.clone()
    }

    /// Whether the runtime made it for itself.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// The name that somebody gave it.
    #[must_use]
    pub fn name(&self) -> Option<Arc<str>> {
        self.state.lock().name.clone()
    }

    /// How often and how long it was waited for: waits that are over.
    #[must_use]
    pub fn waits(&self) -> Waits {
        self.tally.read()
    }

    /// What it looks like now. `None` if that cannot be seen: it is gone, or it was made in Rust,
    /// where a thing may move while nobody waits for it.
    #[must_use]
    pub fn look(&self) -> Option<Look> {
        let state = self.state.lock();
        if !state.can_look {
            return None;
        }
        // SAFETY: the thing is alive until `retire` has had the lock that we hold, and has not
        // moved since it was first waited for (`HostSite::new`).
        let what = unsafe { &*self.what };
        Some(Look { owner: what.owner(), depth: what.depth() })
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Whether it was waited for often.
    pub(super) fn is_hot(&self) -> bool {
        self.seen.load(Ordering::Relaxed) >= HOT
    }

    /// Counts up to [`HOT`]; one that is lost makes no difference.
    pub(super) fn see(&self) {
        let seen = self.seen.load(Ordering::Relaxed);
        if seen < HOT {
            self.seen.store(seen + 1, Ordering::Relaxed);
        }
    }
}

global! { static OBJECTS: ShortLock<Vec<ObjectRef>> = ShortLock::new(Vec::new()); }
global! { static GONE: ShortLock<Option<Sites>> = ShortLock::new(None); }

/// All things that were waited for, or were named, and that still exist.
#[must_use]
pub fn objects() -> Vec<ObjectRef> {
    OBJECTS.lock().clone()
}

/// What was kept of the things that are gone, since [`keep_ended`](super::keep_ended).
#[cfg(not(loom))]
pub(crate) fn gone_objects() -> Sites {
    GONE.lock().clone().unwrap_or_default()
}

/// Makes the record of a thing; it is not in the list yet.
pub(super) fn make(what: &dyn Resource) -> ObjectRef {
    Arc::new(ObjectInfo::new(what))
}

/// Whether anything was ever named.
static ANY_NAME: AtomicBool = AtomicBool::new(false);

/// Whether anything was ever named, and so may have a name.
pub(super) fn any_has_name() -> bool {
    // Relaxed: who named a thing sees it, and others may be early.
    ANY_NAME.load(Ordering::Relaxed)
}

/// Names a thing.
pub(super) fn rename(object: &ObjectInfo, name: &str) {
    ANY_NAME.store(true, Ordering::Relaxed);
    let new = Some(Arc::from(name));
    let old = {
        // As in `retire`.
        let _all = OBJECTS.lock();
        std::mem::replace(&mut object.state.lock().name, new)
    };
    drop(old);
}

/// Puts a record into the list.
pub(super) fn enlist(object: &ObjectRef) {
    let mut all = OBJECTS.lock();
    // Relaxed (here and below): under the list's lock.
    object.place.store(u32::try_from(all.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
    all.push(object.clone());
}

/// The thing is about to go.
#[cfg(not(loom))]
pub(super) fn retire(object: &ObjectRef) {
    // The last look: it is still whole.
    let depth = if keeps() { object.look().and_then(|look| look.depth) } else { None };
    let taken = {
        let mut all = OBJECTS.lock();
        // Under the list's lock, which a fork waits for: the child must find this one free.
        object.state.lock().can_look = false;
        let place = object.place.load(Ordering::Relaxed) as usize;
        // Not in the list: in the child of a fork that happened before it was put there.
        if !all.get(place).is_some_and(|at| Arc::ptr_eq(at, object)) {
            return;
        }
        let taken = all.swap_remove(place);
        if let Some(moved) = all.get(place) {
            moved.place.store(object.place.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        taken
    };
    if keeps() {
        let mut gone = GONE.lock();
        gone.get_or_insert_default().add(&taken, depth.map(|depth| depth.peak));
    }
}

/// Keeps the lists whole during a fork.
pub(super) fn before_fork() {
    std::mem::forget(OBJECTS.lock());
    std::mem::forget(GONE.lock());
    super::ended::before_fork();
}

/// After a fork, in both processes.
pub(super) fn after_fork() {
    // SAFETY: `before_fork` holds both on this thread's behalf; nothing was left half done.
    unsafe {
        GONE.reset();
        OBJECTS.reset();
    }
    super::ended::after_fork();
}

/// In the child of a fork: what was kept is the parent's to tell.
pub(super) fn after_fork_in_child() {
    super::ended::after_fork_in_child();
    let gone = GONE.lock().take();
    drop(gone);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_was_waited_for_costs_at_most_200_bytes() {
        // The record, the two counts of an `Arc`, the pointer in the queue, and the place in the
        // list at its worst, when that has just doubled.
        let pointer = size_of::<usize>();
        assert!(size_of::<ObjectInfo>() + 5 * pointer <= 200, "{}", size_of::<ObjectInfo>());
    }
}
