//! The locks that each thread holds, for those who want to know: the check of their order, a trace.
//!
//! Nothing is recorded unless somebody does; a lock then asks one flag. A thread's list is its own,
//! so that nobody waits for it; others look at it only when a trace ends. Any thread may release some locks: it leaves a note with the one that
//! has taken the lock, which strikes it off its list before it looks at that again. So a list is as
//! long as the thread holds locks.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::sync::Arc;

use super::events::HoldTitle;
use super::order::{self, Inversion, Taken};
use super::trace;
use crate::primitive::{AtomicU32, Ordering, ShortLock, WordMap, now, thread_local, thread_word};
use crate::wait::{Origin, ThreadInfo, ThreadRef, current, find};

/// Who wants to know of each lock that is taken or released: a lock asks once for all of them.
static NOTED: AtomicU32 = AtomicU32::new(0);
/// The check of their order.
pub(super) const ORDER: u32 = 1;
/// A trace.
pub(super) const TRACE: u32 = 2;

/// What a thread holds. The lock is of the thread's record, and held for a look.
type List = ShortLock<Vec<Held>>;

thread_local! {
    /// The thread and its list, once it has taken a lock. Borrowed while the list is locked, so that it
    /// is not locked twice.
    static LIST: RefCell<Option<(ThreadRef, Arc<List>)>> = const { RefCell::new(None) };
}

/// A lock that the thread holds, and since when.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) lock: usize,
    pub(super) since: u64,
    /// If there is a trace, and the lock is one of the program.
    pub(super) title: Option<HoldTitle>,
    /// If the order is checked.
    pub(super) taken: Option<Arc<Taken>>,
}

/// A lock that the calling thread has just taken.
#[derive(Debug)]
pub struct Taking<'a> {
    /// The identity of the lock.
    pub lock: usize,
    /// What kind of lock it is.
    pub kind: &'static str,
    /// Where it was made.
    pub origin: Origin,
    /// The name that it was given.
    pub name: Option<&'a str>,
    /// What the check of the order has to know, if it is on.
    pub taken: Option<Taken>,
}

/// Sets what somebody wants to know; returns whether it was set before.
pub(super) fn set(what: u32, on: bool) -> bool {
    // Relaxed (all of them): nothing else is published by it.
    let before = if on {
        NOTED.fetch_or(what, Ordering::Relaxed)
    } else {
        NOTED.fetch_and(!what, Ordering::Relaxed)
    };
    before & what != 0
}

#[inline]
pub(super) fn notes(what: u32) -> bool {
    NOTED.load(Ordering::Relaxed) & what != 0
}

/// Whether anybody wants to know of locks that are taken and released.
#[inline]
#[must_use]
pub fn notes_locks() -> bool {
    NOTED.load(Ordering::Relaxed) != 0
}

/// Says that the calling thread has taken a lock; returns the inversions that this showed. To be
/// called while [`notes_locks`] says that somebody wants to know.
pub fn lock_taken(taking: Taking<'_>) -> Vec<Inversion> {
    let Taking { lock, kind, origin, name, taken } = taking;
    let title = if trace::is_tracing() { trace::title_of_hold(kind, origin, name) } else { None };
    let new = Held { lock, since: now(), title, taken: taken.map(Arc::new) };
    with_held(|me, held| {
        if strike_off(me, held, lock) {
            // Another thread was faster to release it than this one to say so.
            return Vec::new();
        }
        let found = new.taken.as_ref().map(|taken| order::taken(held, taken));
        held.push(new);
        found.unwrap_or_default()
    })
}

/// Says that the calling thread is about to wait for a lock, which is as good as having taken it to
/// the check of the order; returns the inversions that this showed.
#[must_use]
pub fn lock_wanted(wanted: Taken) -> Vec<Inversion> {
    with_held(|me, held| {
        strike_off(me, held, wanted.lock);
        order::taken(held, &Arc::new(wanted))
    })
}

/// As [`lock_wanted`], of a lock that the calling thread is about to release for a wait, and takes again
/// when that is over.
#[must_use]
pub fn lock_wanted_again(wanted: Taken) -> Vec<Inversion> {
    with_held(|me, held| {
        strike_off(me, held, wanted.lock);
        order::taken_anew(held, &Arc::new(wanted))
    })
}

/// Says that the calling thread has released a lock, and which thread had taken it. To the trace it
/// was held if that is the same one.
pub fn lock_released(lock: usize, owner: usize) {
    released(lock, owner, false);
}

/// As [`lock_released`], of a lock that the calling thread's innermost wait has released: it was held
/// until that began.
pub fn lock_given_up(lock: usize, owner: usize) {
    released(lock, owner, true);
}

fn released(lock: usize, owner: usize, by_wait: bool) {
    if owner != thread_word() {
        if let Some(owner) = find(owner) {
            owner.released.add(lock);
        }
        return;
    }
    with_held(|me, held| {
        strike_off(me, held, lock);
        if let Some(place) = held.iter().rposition(|held| held.lock == lock) {
            if trace::is_tracing() {
                let mut waits = me.waits_began();
                let until = if by_wait { waits.pop() } else { None };
                trace::released(&mut held[place..], &waits, until);
            }
            held.remove(place);
        }
    });
}

/// Calls `with` with each lock that the calling thread has taken after that time and holds, the last
/// one first.
pub(super) fn taken_since(since: u64, with: impl FnMut(&mut Held)) {
    with_held(|_, held| held.iter_mut().rev().take_while(|held| held.since > since).for_each(with));
}

/// A thread whose locals are gone already has no list.
#[inline]
fn with_held<R: Default>(with: impl FnOnce(&ThreadInfo, &mut Vec<Held>) -> R) -> R {
    let with = |list: &RefCell<Option<(ThreadRef, Arc<List>)>>| {
        let mut list = list.try_borrow_mut().ok()?;
        let (thread, held) = list.get_or_insert_with(new_list);
        Some(with(thread, &mut held.lock()))
    };
    LIST.try_with(with).ok().flatten().unwrap_or_default()
}

#[cold]
fn new_list() -> (ThreadRef, Arc<List>) {
    let (thread, list) = (current(), Arc::new(List::new(Vec::new())));
    let _ = thread.notes.set(list.clone());
    (thread, list)
}

/// Calls `with` with each lock that a thread holds.
pub(super) fn each_held(thread: &ThreadInfo, with: impl FnMut(&Held)) {
    if let Some(list) = thread.notes.get().and_then(|notes| notes.downcast_ref::<List>()) {
        list.lock().iter().for_each(with);
    }
}

/// Takes what others have released off the list; returns whether one of them is `lock`, and was not
/// on the list.
#[inline]
fn strike_off(me: &ThreadInfo, held: &mut Vec<Held>, lock: usize) -> bool {
    let released = me.released.take();
    !released.is_empty() && strike_all_off(&released, held, lock)
}

#[cold]
fn strike_all_off(released: &[usize], held: &mut Vec<Held>, lock: usize) -> bool {
    let mut left = WordMap::default();
    for lock in released {
        *left.entry(*lock).or_insert(0_usize) += 1;
    }
    held.retain(|held| {
        let times = left.get_mut(&held.lock).filter(|times| **times > 0);
        times.map(|times| *times -= 1).is_none()
    });
    left.get(&lock).is_some_and(|times| *times > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(lock: usize, waits: bool) -> Taken {
        let text = |what: &str| format!("{what} {lock}");
        let (name, at, thread) = (text("lock"), text("line"), "t".into());
        Taken { lock, name, at, thread, waits }
    }

    fn take(lock: usize, waits: bool) -> Vec<Inversion> {
        let taken = Some(taken(lock, waits));
        lock_taken(Taking { lock, kind: "Lock", origin: Origin::Unknown, name: None, taken })
    }

    fn release(lock: usize) {
        lock_released(lock, thread_word());
    }

    fn held() -> Vec<usize> {
        with_held(|_, held| held.iter().map(|held| held.lock).collect())
    }

    #[test]
    fn a_pair_in_both_orders_is_told_once_and_forgotten_with_its_lock() {
        assert!(take(1, true).is_empty());
        assert!(take(2, true).is_empty());
        release(2);
        release(1);
        assert!(take(2, true).is_empty());
        let found = take(1, true);
        assert_eq!(found.len(), 1);
        let text = found[0].describe(str::to_uppercase);
        assert!(text.contains("LOCK 1") && text.contains("LOCK 2"), "{text}");
        release(1);
        assert!(take(1, true).is_empty(), "it is told once");
        release(1);
        order::lock_gone(1);
        assert!(take(1, true).is_empty());
        release(1);
        release(2);
        // In the other order again: the first order was forgotten with the lock, this one is kept.
        assert!(take(2, true).is_empty());
        assert!(take(1, true).is_empty());
        assert!(take(1, true).is_empty(), "taken again");
        release(1);
        release(1);
        release(2);
        assert!(held().is_empty());
    }

    #[test]
    fn pairs_that_are_called_the_same_are_told_once() {
        let take = |lock: usize| {
            let (name, at, thread) = ("Lock made at a.py:1".into(), format!("{lock}"), "t".into());
            let taken = Some(Taken { lock, name, at, thread, waits: true });
            lock_taken(Taking { lock, kind: "Lock", origin: Origin::Unknown, name: None, taken })
        };
        let mut found = Vec::new();
        for (outer, inner) in [(31, 32), (33, 34), (34, 33), (32, 31), (31, 33), (33, 31)] {
            found.extend(take(outer));
            found.extend(take(inner));
            release(inner);
            release(outer);
        }
        let told: Vec<_> = found.iter().map(|each| each.describe(str::to_owned)).collect();
        let said = "possible deadlock: two Locks made at a.py:1 are taken in both orders
  thread t takes the first
    at 34
  and then the second
    at 33
  thread t takes the second
    at 33
  and then the first
    at 34
  take all such locks in one order everywhere";
        assert_eq!(told, [said]);
    }

    #[test]
    fn what_does_not_wait_makes_no_order_but_is_held() {
        assert!(take(11, true).is_empty());
        assert!(take(12, true).is_empty());
        release(12);
        release(11);
        assert!(take(12, true).is_empty());
        assert!(take(11, false).is_empty());
        assert!(take(13, true).is_empty());
        release(13);
        release(11);
        release(12);
        assert!(take(13, true).is_empty());
        assert_eq!(take(11, true).len(), 1, "13 was taken while 11 was held");
        release(11);
        release(13);
    }

    #[test]
    fn a_lock_that_is_waited_for_makes_a_pair_and_is_not_held() {
        assert!(take(41, true).is_empty());
        assert!(lock_wanted(taken(42, true)).is_empty());
        assert_eq!(held(), [41]);
        release(41);
        assert!(take(42, true).is_empty());
        assert_eq!(lock_wanted(taken(41, true)).len(), 1);
        assert!(take(41, true).is_empty(), "it is told once");
        release(41);
        release(42);
    }

    #[test]
    fn a_lock_that_a_wait_gives_up_makes_a_pair_when_the_wait_begins() {
        assert!(lock_wanted_again(taken(51, true)).is_empty());
        for _ in 0..2 {
            assert!(take(51, true).is_empty());
        }
        assert!(lock_wanted_again(taken(51, true)).is_empty());
        assert!(take(52, true).is_empty());
        assert_eq!(lock_wanted_again(taken(51, true)).len(), 1);
        assert_eq!(held(), [51, 51, 52]);
        for _ in 0..2 {
            release(51);
        }
        assert!(take(51, true).is_empty(), "it is told once");
        release(51);
        release(52);
    }

    #[test]
    fn what_another_thread_releases_is_held_no_more() {
        let me = current();
        for _ in 0..3 {
            take(21, true);
        }
        take(22, true);
        let by_others = |lock: usize| {
            let owner = me.word();
            std::thread::spawn(move || lock_released(lock, owner)).join().unwrap();
        };
        by_others(21);
        by_others(21);
        assert!(take(23, true).is_empty());
        assert_eq!(held(), [21, 22, 23]);
        by_others(21);
        release(23);
        assert_eq!(held(), [22]);
        // Released before this thread has said that it has taken it.
        by_others(24);
        take(24, true);
        assert_eq!(held(), [22]);
        take(24, true);
        assert_eq!(held(), [22, 24]);
        release(24);
        release(22);
    }
}
