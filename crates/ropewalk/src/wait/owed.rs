//! Wakes that a thread owes until it sleeps itself.
//!
//! A thread that is woken wants the host's own lock (Python's GIL) next. If its waker holds that, the
//! woken thread may pre-empt the waker, find the lock taken, sleep again and be woken a second time:
//! five switches for a handing over and back instead of two. To release the host's lock for the wake
//! is no way out: the woken thread would run before the waker's next line, and programs that have
//! grown up with such a lock do not expect that (`event.set(); done = True`). But if the waker is
//! about to sleep, the wake can wait for that: the host's lock is free by then.
//!
//! That it is about to sleep is known where a wait begins with a wake (a condition releases its
//! lock) and where a thread ends ([`owing`]). Elsewhere it is guessed: when the last wakes of a
//! thread were each followed by a sleep before the next wake, the next one will be as well.
//!
//! A wrong guess keeps a thread waiting that could run, if the waker computes or sleeps elsewhere.
//! So while there are guesses a background thread, the bailiff, looks every millisecond and gives the
//! wakes that are older than that. A thread that it had to help guesses no more for some time.
//!
//! Invariants:
//! 1. A thread owes one wake at most; it marks itself (`Mine::owes`), and if it guesses the bailiff
//!    (`Bailiff::used`), after it has put the wake into a place of `OWED`.
//! 2. Whoever takes a wake out of its place gives it, once, outside the lock.
//! 3. The bailiff sleeps without a deadline only after it has said so (`Bailiff::asleep`), and then
//!    seen neither mark nor guess; whoever guesses looks for that after its mark. `SeqCst` on both
//!    sides: one of the two sees the other.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Duration;

use super::deadline::Deadline;
use super::herd;
use super::park::{Park, park};
use super::queue::{List, WaitQueue};
use super::registry;
use super::runtime::{Resource, ResourceKind, host, sched};
use super::thread::ThreadRef;
use crate::platform;
use crate::primitive::{
    AtomicBool, AtomicU64, Ordering, ShortGuard, ShortLock, thread_local, thread_word,
};

/// After so many wakes in a row that a sleep followed, the next is owed.
const HABIT: i32 = 3;
/// Where a thread begins again after a wrong guess.
const WRONG: i32 = -64;
/// How often the bailiff looks, in nanoseconds.
const LOOK_NS: u64 = 1_000_000;
/// After so many looks without a mark it sleeps.
const QUIET_LOOKS: u32 = 16;

/// A wake that is owed.
#[derive(Debug)]
struct Owed {
    by: usize,
    to: ThreadRef,
    /// The bailiff's look before it; `KNOWN` if it need not look after it.
    look: u64,
}

const KNOWN: u64 = u64::MAX;

/// More threads than this cannot owe at the same time: the others give theirs at once.
const PLACES: usize = 16;

static OWED: ShortLock<[Option<Owed>; PLACES]> = ShortLock::new([const { None }; PLACES]);
static BAILIFF: Bailiff = Bailiff {
    queue: WaitQueue::new(),
    started: ShortLock::new(false),
    asleep: AtomicBool::new(true),
    used: AtomicBool::new(false),
    is_to_end: AtomicBool::new(false),
    looks: AtomicU64::new(0),
};

/// What a thread knows of its own wakes.
struct Mine {
    owes: Cell<bool>,
    /// It has woken somebody since it slept last.
    woke: Cell<bool>,
    /// How many wakes in a row were each followed by a sleep; below 0 after a wrong guess.
    habit: Cell<i32>,
    /// It is known to be about to sleep.
    about_to_sleep: Cell<bool>,
}

impl Mine {
    /// Whether it may be guessed that the next wake is followed by a sleep.
    fn has_habit(&self) -> bool {
        // The bailiff would keep a process going that ends with its last thread.
        self.habit.get() >= HABIT && !registry::ends_with_last_thread()
    }
}

thread_local! {
    static MINE: Mine = const {
        Mine {
            owes: Cell::new(false),
            woke: Cell::new(false),
            habit: Cell::new(0),
            about_to_sleep: Cell::new(false),
        }
    };
}

/// Runs `work`, whose first wake is given when the calling thread sleeps or ends: it is about to.
///
/// Only if the calling thread holds the host's lock ([`Host::holds_lock`](super::Host::holds_lock));
/// otherwise, as in a program of Rust alone, every wake is given at once.
///
/// ```
/// use ropewalk::sync::Event;
/// use std::sync::Arc;
///
/// let done = Arc::new(Event::new());
/// let its = done.clone();
/// // The last thing that the thread does.
/// let thread = std::thread::spawn(move || ropewalk::wait::owing(|| its.set()));
/// done.wait()?;
/// # thread.join().unwrap();
/// # Ok::<(), ropewalk::wait::WaitError>(())
/// ```
///
/// # Interruption
/// It does not wait. In the child of a fork nothing is owed.
pub fn owing<R>(work: impl FnOnce() -> R) -> R {
    // A thread that is registered pays when it ends.
    let registered = registry::register();
    let _until_then = AboutToSleep(MINE.with(|mine| mine.about_to_sleep.replace(registered)));
    work()
}

/// Until it is dropped, by a panic maybe, its thread is about to sleep; whether it was before that.
struct AboutToSleep(bool);

impl Drop for AboutToSleep {
    fn drop(&mut self) {
        MINE.with(|mine| mine.about_to_sleep.set(self.0));
    }
}

/// Wakes a thread that was notified: now, or when the calling thread sleeps.
pub(super) fn wake(thread: ThreadRef) {
    let now = MINE.with(|mine| {
        if !host().holds_lock() {
            return Some(thread);
        }
        let known = mine.about_to_sleep.get();
        // The second wake without a sleep in between: no habit.
        if !known && mine.woke.replace(true) && mine.habit.get() > 0 {
            mine.habit.set(0);
        }
        if mine.owes.get() || !(known || mine.has_habit()) {
            return Some(thread);
        }
        // Relaxed: only the bailiff compares it, with its own count.
        let look = if known { KNOWN } else { BAILIFF.looks.load(Ordering::Relaxed) };
        let refused = put_off(Owed { by: thread_word(), to: thread, look });
        if refused.is_none() {
            mine.owes.set(true);
            if !known {
                BAILIFF.watch();
            }
        }
        refused
    });
    if let Some(thread) = now {
        sched().wake(&thread.parker);
    }
}

/// Whether wakes can be put off: those who are woken want the host's lock, which the calling thread
/// has.
pub(super) fn can_put_off() -> bool {
    // The bailiff would keep a process going that ends with its last thread.
    host().holds_lock() && !registry::ends_with_last_thread()
}

/// Has the bailiff look after those whose wakes were put off in `herd`.
pub(super) fn look_after_herd() {
    BAILIFF.watch();
}

/// Whether the calling thread is known to be about to sleep, so that its next wake is put off: who is
/// woken so late cannot come for what it was woken for, which is to be given.
///
/// Not for a guess: threads that hand a lock to each other sleep after each of their wakes, and
/// would never again find it free.
pub(crate) fn is_about_to_sleep() -> bool {
    MINE.with(|mine| !mine.owes.get() && mine.about_to_sleep.get() && host().holds_lock())
}

/// Gives the thread back if there is no place.
fn put_off(owed: Owed) -> Option<ThreadRef> {
    let mut places = OWED.lock();
    match places.iter_mut().find(|place| place.is_none()) {
        Some(place) => {
            *place = Some(owed);
            None
        }
        None => Some(owed.to),
    }
}

/// Gives the wake that the calling thread owes, if it owes one, as if it slept: for a host whose
/// thread lets go of the host's lock for a moment, so that others run.
pub fn let_go() {
    pay();
}

/// Gives the wake that the calling thread owes; it sleeps now, or ends.
pub(super) fn pay() {
    MINE.with(|mine| {
        if mine.woke.replace(false) {
            mine.habit.set((mine.habit.get() + 1).min(HABIT));
        }
        if mine.owes.replace(false) {
            let me = thread_word();
            let mine_of = |place: &mut Option<Owed>| place.take_if(|owed| owed.by == me);
            let owed = OWED.lock().iter_mut().find_map(mine_of);
            match owed {
                Some(owed) => sched().wake(&owed.to.parker),
                // The bailiff was here.
                None => mine.habit.set(WRONG),
            }
        }
    });
}

/// The background thread that gives what others owe for too long.
#[derive(Debug)]
struct Bailiff {
    queue: WaitQueue,
    started: ShortLock<bool>,
    asleep: AtomicBool,
    used: AtomicBool,
    is_to_end: AtomicBool,
    looks: AtomicU64,
}

impl Resource for Bailiff {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Idle
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

impl Bailiff {
    /// Has it look after the wake that was just put off.
    fn watch(&self) {
        // SeqCst: invariant 3. A look first: most wakes find the mark there.
        if !self.used.load(Ordering::SeqCst) {
            self.used.store(true, Ordering::SeqCst);
        }
        if self.asleep.load(Ordering::SeqCst) {
            self.get_up();
        }
    }

    #[cold]
    fn get_up(&self) {
        if !std::mem::replace(&mut *self.started.lock(), true) {
            let thread = std::thread::Builder::new().name("ropewalk-wakes".into());
            let started = platform::without_signals(|| thread.spawn(|| BAILIFF.run()));
            if started.is_err() {
                *self.started.lock() = false;
                // Nobody will look after them.
                herd::wake_all();
                return pay();
            }
        }
        self.queue.wake_one_now();
    }

    /// Says that the bailiff is gone, unless there is something for it to do.
    fn ends(&self) -> bool {
        let mut started = self.started.lock();
        // SeqCst: invariant 3, as for a sleep without a deadline.
        self.asleep.store(true, Ordering::SeqCst);
        let ends = !has_guesses() && !herd::is_any();
        if ends {
            platform::note_own_leaving();
            *started = false;
        }
        ends
    }

    fn run(&self) {
        registry::current().set_background("ropewalk-wakes");
        let mut quiet = 0;
        loop {
            if self.is_to_end.swap(false, Ordering::Relaxed) && self.ends() {
                return;
            }
            // SeqCst, all of them: invariant 3.
            self.asleep.store(quiet >= QUIET_LOOKS, Ordering::SeqCst);
            let deadline = if quiet < QUIET_LOOKS {
                Deadline::after(Duration::from_nanos(LOOK_NS))
            } else {
                Deadline::NEVER
            };
            let nothing_new = |_: &mut List| {
                !self.is_to_end.load(Ordering::Relaxed)
                    && (quiet < QUIET_LOOKS || !(self.used.load(Ordering::SeqCst) || has_guesses()))
            };
            let request =
                Park { queue: &self.queue, what: self, deadline, since: None, next: None };
            // Whatever ends it: look.
            let _ = park(&request, nothing_new, || true, |_| {});
            let look = self.looks.fetch_add(1, Ordering::Relaxed) + 1;
            quiet = if self.used.swap(false, Ordering::SeqCst) { 0 } else { quiet + 1 };
            if herd::look() {
                quiet = 0;
            }
            for owed in take_older_than(look.saturating_sub(2)).into_iter().flatten() {
                sched().wake(&owed.to.parker);
                // Older ones may be left without a mark.
                quiet = 0;
            }
        }
    }
}

/// Whether some wake was put off by a guess.
fn has_guesses() -> bool {
    OWED.lock().iter().flatten().any(|owed| owed.look != KNOWN)
}

/// Has the bailiff end if it has nothing to do: before a fork, where CPython from 3.12 on warns of each
/// thread that there is. The next wake that is put off starts a new one.
#[cfg_attr(not(unix), expect(dead_code, reason = "nobody forks there"))]
pub(crate) fn end_if_idle() {
    if *BAILIFF.started.lock() && !has_guesses() && !herd::is_any() {
        BAILIFF.is_to_end.store(true, Ordering::Relaxed);
        BAILIFF.queue.wake_one_now();
        platform::wait_a_moment_until(|| !*BAILIFF.started.lock());
        BAILIFF.is_to_end.store(false, Ordering::Relaxed);
    }
}

/// The guesses of this look and of those before it.
fn take_older_than(look: u64) -> [Option<Owed>; PLACES] {
    let mut taken = [const { None }; PLACES];
    let mut places = OWED.lock();
    for (place, taken) in places.iter_mut().zip(&mut taken) {
        *taken = place.take_if(|owed| owed.look <= look);
    }
    taken
}

/// What keeps the bailiff, and what is owed, whole during a fork.
type Stopped = (
    ShortGuard<'static, bool>,
    ShortGuard<'static, List>,
    ShortGuard<'static, [Option<Owed>; PLACES]>,
    ShortGuard<'static, VecDeque<ThreadRef>>,
);

static STOPPED: ShortLock<Option<Stopped>> = ShortLock::new(None);

/// Before a fork, on the forking thread.
pub(super) fn before_fork() {
    let stopped = (BAILIFF.started.lock(), BAILIFF.queue.lock(), OWED.lock(), herd::lock());
    *STOPPED.lock() = Some(stopped);
}

/// After a fork, in the parent and in the child.
pub(super) fn after_fork() {
    let stopped = STOPPED.lock().take();
    drop(stopped);
}

/// In the child of a fork: nobody is there to be woken, and the next wake that is put off starts a
/// new bailiff.
pub(super) fn after_fork_in_child() {
    let owed = std::mem::replace(&mut *OWED.lock(), [const { None }; PLACES]);
    drop(owed);
    herd::after_fork_in_child();
    *BAILIFF.started.lock() = false;
    BAILIFF.asleep.store(true, Ordering::SeqCst);
    BAILIFF.is_to_end.store(false, Ordering::Relaxed);
    MINE.with(|mine| mine.owes.set(false));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panicked_is_not_about_to_sleep() {
        let about_to_sleep = || MINE.with(|mine| mine.about_to_sleep.get());
        let known = std::cell::Cell::new(false);
        let work = || {
            owing(|| {
                known.set(about_to_sleep());
                panic!("on the way to sleep")
            })
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err());
        assert!(known.get());
        assert!(!about_to_sleep());
    }
}
