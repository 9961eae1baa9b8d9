//! The threads that run timers' callbacks: one as long as callbacks are short.
//!
//! The leader sleeps until the next timer is due and runs its callback. Waking another thread for
//! each callback would double the cost, so the leader stays the leader while it runs one; a second
//! runner, the standby, sleeps until that has taken [`LONG_NS`] and another timer is due, and only
//! then takes over. The runner that was overtaken becomes the standby when it comes back. So there
//! are as many runners as callbacks that block at the same time, and one or two more.
//!
//! What counts is how long the user's function takes, not how long the runner waits before or after it
//! for the host's lock or another that all callbacks need: whoever took over would wait for the same, and
//! so would all that came after it.

use std::sync::Arc;
use std::time::Duration;

use super::schedule::{Callback, Next, Runner, Schedule, Wants};
use super::timer::Entry;
use crate::platform::{self, SignalMask};
use crate::primitive::{AtomicUsize, Ordering, ShortGuard, ShortLock, now};
use crate::wait::{
    Deadline, NORMAL, Park, Resource, ResourceKind, WaitList, WaitQueue, WakeList, current, park,
    survives,
};

/// As much as the main thread has: callbacks are any code of the user. Only what is used is taken.
const STACK: usize = 8 << 20;

struct Runners {
    schedule: ShortLock<Schedule>,
    leader: Bench,
    standby: Bench,
}

/// Where runners sleep.
struct Bench {
    queue: WaitQueue,
    /// 1 while a timer waits, so that the sleepers can help somebody. Written under the schedule's
    /// lock.
    has_timers: AtomicUsize,
}

static RUNNERS: Runners = Runners {
    schedule: ShortLock::new(Schedule::new()),
    leader: Bench::new(),
    standby: Bench::new(),
};

impl Bench {
    const fn new() -> Self {
        Self { queue: WaitQueue::new(), has_timers: AtomicUsize::new(0) }
    }
}

impl Resource for Bench {
    fn kind(&self) -> ResourceKind {
        // Relaxed: the detector looks twice, and whoever starts a timer is a thread that runs.
        match self.has_timers.load(Ordering::Relaxed) {
            0 => ResourceKind::Idle,
            _ => ResourceKind::Timer,
        }
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
    fn is_internal(&self) -> bool {
        true
    }
}

/// Puts a timer into the schedule; whoever is wanted for it is then to be got ([`get`]).
pub(super) fn add(due: u64, entry: &Arc<Entry>, callback: Callback) -> Wants {
    let mut schedule = RUNNERS.schedule.lock();
    let (key, wants) = schedule.add(due, entry.clone(), callback);
    entry.set_key(key);
    RUNNERS.note(&schedule);
    wants
}

/// Gets whoever is wanted; `false` if there cannot be another thread.
pub(super) fn get(wants: Wants) -> bool {
    RUNNERS.get(wants, None)
}

/// After [`get`] has failed: takes a timer out again that nobody would run.
pub(super) fn take_back(entry: &Entry) -> Option<Callback> {
    let mut schedule = RUNNERS.schedule.lock();
    // Without a standby a timer may be late; without a leader it would never fire.
    if schedule.leader.is_some() {
        return None;
    }
    let ((_, callback), _) = schedule.remove(entry.key(), now())?;
    RUNNERS.note(&schedule);
    Some(callback)
}

/// Takes a timer out that has not fired, and says that it is over; whoever is wanted is then to be
/// got ([`get`]).
pub(super) fn cancel(entry: &Entry, wakes: &mut WakeList) -> Option<(Callback, Wants)> {
    let mut schedule = RUNNERS.schedule.lock();
    let ((_, callback), wants) = schedule.remove(entry.key(), now())?;
    RUNNERS.note(&schedule);
    entry.finish(wakes);
    Some((callback, wants))
}

/// The function in the callback of this timer, which runs on the calling thread, begins or is over.
pub(super) fn set_busy(entry: &Arc<Entry>, busy: bool) {
    let wants = RUNNERS.schedule.lock().set_busy(entry, busy, now());
    RUNNERS.get(wants, None);
}

/// By how many nanoseconds the next timer is late.
pub(super) fn lateness() -> u64 {
    RUNNERS.schedule.lock().lateness(now())
}

impl Runners {
    fn note(&self, schedule: &Schedule) {
        let has_timers = usize::from(schedule.has_timers());
        self.leader.has_timers.store(has_timers, Ordering::Relaxed);
        self.standby.has_timers.store(has_timers, Ordering::Relaxed);
    }

    /// Gets whoever is wanted; `false` if there cannot be another thread. A new one calls back with
    /// these signals blocked, or with those that the calling thread blocks.
    fn get(&'static self, wants: Wants, signals: Option<SignalMask>) -> bool {
        match wants {
            Wants::Nobody => {}
            Wants::Leader => drop(self.leader.queue.notify_one(NORMAL)),
            Wants::Standby => drop(self.standby.queue.notify_one(NORMAL)),
            Wants::NewRunner(runner) => {
                let signals = signals.unwrap_or_else(SignalMask::current);
                let thread =
                    std::thread::Builder::new().name("ropewalk-timer".into()).stack_size(STACK);
                let thread =
                    platform::without_signals(|| thread.spawn(move || self.run(runner, signals)));
                if thread.is_err() {
                    self.schedule.lock().not_started(runner);
                    return false;
                }
            }
        }
        true
    }

    /// The life of a runner.
    fn run(&'static self, me: Runner, signals: SignalMask) {
        current().set_background("ropewalk-timer");
        loop {
            let (next, leads) = {
                let mut schedule = self.schedule.lock();
                let next = schedule.next(me, now());
                if matches!(next, Next::End) {
                    platform::note_own_leaving();
                }
                self.note(&schedule);
                (next, schedule.leader == Some(me))
            };
            match next {
                Next::Fire(entry, callback, wants) => {
                    self.get(wants, Some(signals));
                    entry.begin();
                    // For each anew: the one before may have changed it.
                    signals.set();
                    // A panic has been reported by the panic hook; the others' timers go on.
                    survives(callback);
                    // Before anybody can see that it is over: from then on this thread takes none.
                    SignalMask::all().set();
                    let mut wakes = WakeList::default();
                    {
                        let mut schedule = self.schedule.lock();
                        schedule.is_done(me);
                        entry.finish(&mut wakes);
                    }
                    wakes.wake();
                }
                Next::Sleep(until) => {
                    self.sleep(me, leads, until);
                }
                Next::End => return,
            }
        }
    }

    /// Sleeps as the leader or the standby, unless things have changed since that was decided.
    fn sleep(&self, me: Runner, leads: bool, until: u64) {
        let bench = if leads { &self.leader } else { &self.standby };
        let deadline = Deadline::after(Duration::from_nanos(until.saturating_sub(now())));
        let request = Park { queue: &bench.queue, what: bench, deadline, since: None, next: None };
        let unchanged = |_: &mut WaitList| self.schedule.lock().still_sleeps(me, until);
        // Whatever ends it: look.
        let _ = park(&request, unchanged, || true, |_| {});
    }
}

/// Has the runners end if they have nothing to do: before a fork, and before anything is locked for it.
/// CPython from 3.12 on warns of each thread that there is then. The next timer starts new ones.
#[cfg_attr(not(unix), expect(dead_code, reason = "nobody forks there"))]
pub(crate) fn end_if_idle() {
    {
        let mut schedule = RUNNERS.schedule.lock();
        if schedule.has_ended() || !schedule.end_if_idle() {
            return;
        }
    }
    RUNNERS.leader.queue.wake_one_now();
    RUNNERS.standby.queue.wake_one_now();
    platform::wait_a_moment_until(|| RUNNERS.schedule.lock().has_ended());
}

/// What keeps the runners where they are during a fork.
type Stopped =
    (ShortGuard<'static, WaitList>, ShortGuard<'static, WaitList>, ShortGuard<'static, Schedule>);

static STOPPED: ShortLock<Option<Stopped>> = ShortLock::new(None);

/// Right before a fork, on the forking thread, before
/// [`wait::before_fork`](crate::wait::before_fork): keeps the timers whole.
///
/// One of [`after_fork_in_parent`] and [`after_fork_in_child`] must follow, and no timer be started
/// or cancelled in between.
#[cfg_attr(not(unix), expect(dead_code, reason = "nobody forks there"))]
pub(crate) fn before_fork() {
    let stopped =
        (RUNNERS.leader.queue.lock(), RUNNERS.standby.queue.lock(), RUNNERS.schedule.lock());
    *STOPPED.lock() = Some(stopped);
}

/// In the parent after [`before_fork`] and a fork, also when the fork failed.
#[cfg_attr(not(unix), expect(dead_code, reason = "nobody forks there"))]
pub(crate) fn after_fork_in_parent() {
    let stopped = STOPPED.lock().take();
    drop(stopped);
}

/// In the child after [`before_fork`] and a fork, before
/// [`wait::after_fork_in_child`](crate::wait::after_fork_in_child): the timers that waited in the
/// parent are over here, without having fired, and those whose callbacks ran on another thread.
#[cfg_attr(not(unix), expect(dead_code, reason = "nobody forks there"))]
pub(crate) fn after_fork_in_child() {
    let Some((_leader, _standby, mut schedule)) = STOPPED.lock().take() else { return };
    let forgotten = schedule.forget();
    drop(schedule);
    for (entry, callback) in forgotten.waiting {
        entry.finish_in_child();
        // It belonged to a thread that is not here. Dropping it could run code of the user, which
        // may not run inside a fork; and the entry, if it is the last that is left of the timer, takes
        // a lock that is held for the fork.
        std::mem::forget((entry, callback));
    }
    for entry in forgotten.running {
        if !entry.runs_here() {
            entry.finish_in_child();
        }
        // Its runner, whose share is lost as well, is not here to drop it.
        std::mem::forget(entry);
    }
}
