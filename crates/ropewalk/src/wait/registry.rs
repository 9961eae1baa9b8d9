//! All threads that the runtime knows, and what becomes of them in a fork.

use std::sync::Arc;

use super::object;
use super::runtime::ResourceKind;
use super::thread::{QUEUED, ThreadInfo, ThreadRef};
use crate::platform;
use crate::primitive::{AtomicBool, Ordering, ShortLock, WordMap, global, thread_local};

/// All threads by their word.
struct Registry {
    by_word: ShortLock<Option<WordMap<ThreadRef>>>,
}

fn registry() -> &'static Registry {
    global! { static REGISTRY: Registry = Registry { by_word: ShortLock::new(None) }; }
    &REGISTRY
}

/// Registers the thread for as long as it lives.
struct Slot(ThreadRef);

impl Slot {
    fn new() -> Self {
        let info = Arc::new(ThreadInfo::new(name_of_rust()));
        // A model has its own threads, which end with each execution: they stay out of the list.
        if cfg!(not(loom)) {
            let mut map = registry().by_word.lock();
            map.get_or_insert_default().insert(info.word(), info.clone());
        }
        Self(info)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if cfg!(not(loom)) {
            super::owed::pay();
            let word = self.0.word();
            if find(word).is_some() {
                // First: who sums up finds it in one of the two places.
                super::ended::thread_ends(&self.0);
                let gone = registry().by_word.lock().as_mut().and_then(|map| map.remove(&word));
                drop(gone);
                super::runtime::observer().after_end(&self.0);
            }
        }
    }
}

/// The name that the calling thread has in Rust, unless there is a host, which names threads itself.
fn name_of_rust() -> Option<Arc<str>> {
    // A model's threads are not std's.
    if cfg!(loom) || super::runtime::has_host() {
        return None;
    }
    std::thread::current().name().map(Arc::from)
}

thread_local! { static CURRENT: Slot = Slot::new(); }

/// The record of the calling thread, made when it is first asked for.
#[must_use]
pub fn current() -> ThreadRef {
    // While the thread's locals are being destroyed a wait still works, unseen by the registry.
    // Nor does std know the thread any more: it must not be asked for a name.
    CURRENT.try_with(|slot| slot.0.clone()).unwrap_or_else(|_| Arc::new(ThreadInfo::new(None)))
}

/// Registers the calling thread; `false` if its locals are being destroyed already.
pub(super) fn register() -> bool {
    CURRENT.try_with(|_| ()).is_ok()
}

/// All registered threads that are alive, in no order.
#[must_use]
pub fn threads() -> Vec<ThreadRef> {
    registry()
        .by_word
        .lock()
        .as_ref()
        .map(|map| map.values().cloned().collect())
        .unwrap_or_default()
}

/// The words of the threads that are waiting at the wait point now. Background threads of the runtime
/// that have nothing to do are not among them.
#[must_use]
pub fn blocked_threads() -> Vec<usize> {
    let waits = |thread: &&ThreadRef| {
        thread.look(|wait| wait.is_some_and(|wait| wait.what.kind() != ResourceKind::Idle))
    };
    threads().iter().filter(waits).map(|thread| thread.word()).collect()
}

/// The registered thread that has this word, if it is alive.
#[must_use]
pub fn find(word: usize) -> Option<ThreadRef> {
    registry().by_word.lock().as_ref().and_then(|map| map.get(&word).cloned())
}

/// How many threads are registered.
pub(crate) fn live_threads() -> usize {
    registry().by_word.lock().as_ref().map_or(0, WordMap::len)
}

/// Whether this process ends only when its last thread does, background threads included: it was
/// forked by a thread that was not the main one, and no main function of it will return.
///
/// `true` as well in the child of a fork where it is not known which thread is the main one.
pub(crate) fn ends_with_last_thread() -> bool {
    // Relaxed: it changes only in a fork, before there is another thread.
    HAS_NO_MAIN.load(Ordering::Relaxed)
}

// The children of such a process are such processes, too: it is never taken back.
global! { static HAS_NO_MAIN: AtomicBool = AtomicBool::new(false); }

/// Right before a fork, on the forking thread: keeps the registry whole.
///
/// One of [`after_fork_in_parent`] and [`after_fork_in_child`] must follow on the same thread, and
/// no wait in between. Not for other crates: each of the three breaks what it is called in the middle
/// of.
#[cfg_attr(any(loom, not(unix)), expect(dead_code, reason = "nobody forks there"))]
pub(crate) fn before_fork() {
    drop(current());
    super::owed::before_fork();
    object::before_fork();
    std::mem::forget(registry().by_word.lock());
}

/// In the parent after [`before_fork`] and a fork, also when the fork failed.
#[cfg_attr(any(loom, not(unix)), expect(dead_code, reason = "nobody forks there"))]
pub(crate) fn after_fork_in_parent() {
    // SAFETY: `before_fork` holds the lock on this thread's behalf; nothing was left half done.
    unsafe { registry().by_word.reset() };
    super::owed::after_fork();
    object::after_fork();
}

/// In the child after [`before_fork`] and a fork: forgets the threads that do not exist there and
/// takes them out of every queue.
///
/// A lock that such a thread held stays locked, as in CPython.
#[cfg_attr(any(loom, not(unix)), expect(dead_code, reason = "nobody forks there"))]
pub(crate) fn after_fork_in_child() {
    // SAFETY: `before_fork` took the lock, so the map is whole; its taker is this thread.
    unsafe { registry().by_word.reset() };
    super::owed::after_fork();
    super::owed::after_fork_in_child();
    super::spin::after_fork_in_child();
    object::after_fork();
    object::after_fork_in_child();
    let me = current();
    if !me.is_main() {
        HAS_NO_MAIN.store(true, Ordering::Relaxed);
    }
    platform::process_is_new();
    me.is_another_thread();
    let ghosts = {
        let mut map = registry().by_word.lock();
        map.replace(WordMap::from_iter([(me.word(), me.clone())]))
    };
    for ghost in ghosts.unwrap_or_default().into_values().filter(|t| !Arc::ptr_eq(t, &me)) {
        // SAFETY: the ghost's thread does not exist, and its stack was copied as it stood.
        unsafe { ghost.forget_waits() };
    }
    QUEUED.set(me.queued());
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_the_name_that_it_was_started_with() {
        let name = || current().name();
        let named = std::thread::Builder::new().name("packer".into()).spawn(name).unwrap();
        assert_eq!(named.join().unwrap().as_deref(), Some("packer"));
        assert_eq!(std::thread::spawn(name).join().unwrap(), None);
    }

    #[test]
    fn a_thread_whose_locals_are_being_destroyed_still_has_a_record() {
        struct AtTheEnd;
        impl Drop for AtTheEnd {
            fn drop(&mut self) {
                assert_eq!(current().word(), crate::primitive::thread_word());
            }
        }
        thread_local! { static LOCAL: AtTheEnd = const { AtTheEnd }; }
        let thread = std::thread::spawn(|| {
            // Made first, destroyed last.
            LOCAL.with(|_| ());
            drop(current());
        });
        thread.join().unwrap();
    }
}
