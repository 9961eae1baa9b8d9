//! Finds waits that can never end.
//!
//! The wait-for graph is built when somebody is about to wait, from what is published then: each
//! waiting thread's record, and each lock's owner word. Nothing is kept on fast paths.
//!
//! - **Certain, a cycle**: from the waiting thread over owners back to itself, every wait without
//!   a deadline and for something that only its owner can release. The chain is walked twice and
//!   must be the same both times: each thread in it is then known to have been in the same wait
//!   all along (a wait's serial number is never used again), so none of them can have released
//!   anything in between.
//! - **Certain, a knot**: the same where more than one thread could help, as in a pool (`knot.rs`).
//! - **Certain, everybody**: every thread of the process waits without a deadline and nothing
//!   outside can help. Asked for only when all registered threads are blocked, and also looked at
//!   twice.
//! - **Suspected**: a cycle that has a plain lock in it, which any thread may release. Such cycles
//!   are legal while another thread runs; they are reported once, after a grace period, by the
//!   monitor.
//!
//! A thread publishes its wait before it looks, and looks happen one at a time: of two threads
//! that close a cycle at the same moment the later one sees the whole.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use crate::platform;
#[cfg(not(loom))]
use crate::primitive::ShortGuard;
use crate::primitive::{ShortLock, WordSet, global};
#[cfg(all(unix, not(loom)))]
use crate::wait::ObjectInfo;
use crate::wait::{
    Deadline, Deadlock, Link, Observer, Resource, ResourceKind, ThreadRef, Verdict, find_by_word,
    host, live_threads, queued_threads, threads,
};

/// What to do about deadlocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Look for none.
    Off = 0,
    /// Report them all, end none.
    Report = 1,
    /// Refuse the wait that closes a certain one, report suspected ones.
    Raise = 2,
}

static MODE: AtomicU8 = AtomicU8::new(Mode::Raise as u8);

/// Sets what is done about deadlocks from now on. The default is [`Mode::Raise`].
pub fn set_mode(mode: Mode) {
    // Relaxed: nothing else is published by it.
    MODE.store(mode as u8, Ordering::Relaxed);
}

/// What is done about deadlocks.
#[must_use]
pub fn mode() -> Mode {
    match MODE.load(Ordering::Relaxed) {
        0 => Mode::Off,
        1 => Mode::Report,
        _ => Mode::Raise,
    }
}

/// The observer that is installed by default.
#[derive(Debug)]
pub(crate) struct Detector {
    /// Held during a look, so that looks happen one at a time.
    pub(super) looking: ShortLock<()>,
    /// How many registered threads run no more code of the user.
    leaving: AtomicUsize,
    /// How many threads are being started and are not registered yet.
    starting: AtomicUsize,
}

global! {
    pub(super) static DETECTOR: Detector = Detector {
        looking: ShortLock::new(()),
        leaving: AtomicUsize::new(0),
        starting: AtomicUsize::new(0),
    };
}

/// The observer that is there unless another one is installed.
pub(crate) fn detector() -> &'static Detector {
    &DETECTOR
}

impl Observer for Detector {
    fn before_block(&self, me: &ThreadRef, what: &dyn Resource, deadline: Deadline) -> Verdict {
        if cfg!(loom) {
            return Verdict::Sleep;
        }
        #[cfg(not(loom))]
        super::on_wait::call();
        if mode() == Mode::Off {
            return Verdict::Sleep;
        }
        if what.kind() == ResourceKind::Idle {
            self.look_again();
            return Verdict::Sleep;
        }
        // A thread that will run again by itself is in no deadlock.
        if !deadline.is_never() {
            return Verdict::Sleep;
        }
        if what.kind() == ResourceKind::Work {
            self.look_for_the_others(me);
            return Verdict::Sleep;
        }
        // A thread that waits for a lock that it took itself, for another one to release it: the
        // shortest cycle, and a frequent one.
        let mut suspicion =
            (what.kind() == ResourceKind::Lock && what.owner() == Some(me.word())).then_some(false);
        if suspicion.is_none() {
            let cycle = if what.owner().is_some() { self.find_cycle(me, true) } else { None };
            let cycle = cycle.or_else(|| self.find_knot(me, what, true));
            suspicion = cycle.as_ref().map(|cycle| cycle.certain);
            if let Some(cycle) = cycle.filter(|cycle| cycle.certain && mode() == Mode::Raise) {
                return Verdict::Deadlock(Box::new(cycle));
            }
        }
        if self.all_may_be_blocked() {
            match self.find_all(me, None) {
                Everybody::Waits { deadlock, victim } => {
                    if !deadlock.certain || mode() != Mode::Raise {
                        suspicion = Some(deadlock.certain);
                    } else if victim.word() == me.word() {
                        return Verdict::Deadlock(Box::new(deadlock));
                    } else {
                        victim.refuse(deadlock);
                        return Verdict::Sleep;
                    }
                }
                Everybody::WaitsUnlessAStrangerHelps => super::monitor::look_soon(),
                Everybody::MayGoOn => {}
            }
        }
        if let Some(certain) = suspicion {
            super::monitor::suspect(certain);
        }
        Verdict::Sleep
    }

    #[cfg(all(unix, not(loom)))]
    fn waited(
        &self,
        thread: &ThreadRef,
        kind: ResourceKind,
        object: Option<&ObjectInfo>,
        since: u64,
        until: Option<u64>,
    ) {
        if super::trace::is_tracing() {
            super::trace::waited(thread, kind, object, since, until);
        }
    }

    #[cfg(all(unix, not(loom)))]
    fn wakes(&self, woken: &ThreadRef) {
        if super::trace::is_tracing() {
            super::trace::wakes(woken);
        }
    }

    fn after_end(&self, thread: &ThreadRef) {
        if thread.is_leaving() {
            self.leaving.fetch_sub(1, Ordering::SeqCst);
        } else if mode() != Mode::Off && self.all_may_be_blocked() {
            // It did not say before that it was about to end; here it is too late to run code of
            // the host. This look holds no host's lock, so that only `looking` keeps forks away.
            let looking = self.looking.lock();
            let youngest = youngest_wait(None);
            drop(looking);
            if youngest.is_some() {
                super::monitor::look_soon();
            }
        }
    }
}

/// What [`Detector::find_all`] found.
#[derive(Debug)]
pub(super) enum Everybody {
    /// Some thread runs, or will by itself, or something outside can help.
    MayGoOn,
    /// Every thread that is known waits for ever; but there is one that is not known.
    WaitsUnlessAStrangerHelps,
    /// Every thread waits for what nobody is left to give.
    Waits {
        /// All of them, or those of them that wait for each other.
        deadlock: Deadlock,
        /// Whose wait is to be refused, and is marked so, if that is certain.
        victim: ThreadRef,
    },
}

impl Detector {
    /// A quick answer, `false` if somebody runs: asked before every look at all threads.
    fn all_may_be_blocked(&self) -> bool {
        let out = queued_threads() + self.leaving.load(Ordering::SeqCst);
        out >= live_threads() + self.starting.load(Ordering::SeqCst)
    }

    /// If all threads but `me`, which helps nobody any more, wait for what nobody is left to give,
    /// one of them is refused.
    fn look_for_the_others(&self, me: &ThreadRef) {
        if mode() == Mode::Off || !self.all_may_be_blocked() {
            return;
        }
        match self.find_all(me, None) {
            Everybody::Waits { deadlock, victim } if deadlock.certain && mode() == Mode::Raise => {
                victim.refuse(deadlock);
            }
            Everybody::Waits { deadlock, .. } => super::monitor::suspect(deadlock.certain),
            Everybody::WaitsUnlessAStrangerHelps => super::monitor::look_soon(),
            Everybody::MayGoOn => {}
        }
    }

    /// A background thread of the runtime goes to sleep. Whoever blocked last may have done so while it
    /// was up, and have taken it for one that runs; it can only ask for a look, having no host's lock.
    fn look_again(&self) {
        if self.all_may_be_blocked() {
            let looking = self.looking.lock();
            let youngest = youngest_wait(None);
            drop(looking);
            if let Some(youngest) = youngest {
                super::monitor::look_unless_seen(youngest);
            }
        }
    }

    /// The cycle that leads from `start`, whose wait is published, back to it. If it is certain,
    /// and `refuse` is true, it is `start` that is refused: nobody else in it finds the cycle.
    ///
    /// If it is not certain, and `refuse` is true, its links are left out: threads that hand each
    /// other locks close such cycles all the time.
    pub(super) fn find_cycle(&self, start: &ThreadRef, refuse: bool) -> Option<Deadlock> {
        let _looking = self.looking.lock();
        let first = walk(start)?;
        let certain = first.iter().all(|step| step.kind.only_owner_releases());
        if refuse && !certain {
            return Some(Deadlock { links: Vec::new(), cycle: true, certain });
        }
        let second = walk(start)?;
        if serials(&first) != serials(&second) {
            return None;
        }
        let links = links_of(&second)?;
        if refuse && mode() == Mode::Raise {
            start.mark_refused();
        }
        Some(Deadlock { links, cycle: true, certain })
    }

    /// All cycles that there are now; nobody is refused.
    pub(super) fn find_cycles(&self) -> Vec<Deadlock> {
        let mut seen = WordSet::default();
        let mut starts = Vec::new();
        let looking = self.looking.lock();
        for thread in threads() {
            starts.extend(walk_on(&thread, &mut seen).map(|mut cycle| cycle.swap_remove(0).thread));
        }
        drop(looking);
        starts.iter().filter_map(|start| self.find_cycle(start, false)).collect()
    }

    /// All threads, if each of them waits and nothing can help; `except` is only looking, and does
    /// not count. If some of them wait for each other, they are the story.
    ///
    /// They are looked at one after the other, and twice: one that waits at the first look may be
    /// woken by one that is looked at later, and which waits by then. If each is in the same wait
    /// both times, then all of them waited at the moment between the two turns. That is when we
    /// look for threads that are not known: one that woke somebody and has ended since would
    /// show in the second turn.
    pub(super) fn find_all(&self, me: &ThreadRef, except: Option<&ThreadRef>) -> Everybody {
        // First without the lock: somebody runs, nearly always, and to ask the host may take long.
        if waits_of_all(except).is_none_or(|steps| steps.is_empty()) {
            return Everybody::MayGoOn;
        }
        if there_are_strangers() {
            return Everybody::WaitsUnlessAStrangerHelps;
        }
        if host().outside_help() {
            return Everybody::MayGoOn;
        }
        let _looking = self.looking.lock();
        let Some(first) = waits_of_all(except) else { return Everybody::MayGoOn };
        if there_are_strangers() {
            return Everybody::WaitsUnlessAStrangerHelps;
        }
        let Some(mut all) = waits_of_all(except).filter(|all| serials(&first) == serials(all))
        else {
            return Everybody::MayGoOn;
        };
        let Some(links) = links_of(&all) else { return Everybody::MayGoOn };
        // `Event().wait()` in the main thread is how programs wait for Ctrl-C: told, not refused.
        let waits_for_ctrl_c =
            |link: &Link| link.thread.is_main() && link.kind == ResourceKind::Event;
        let certain = !links.iter().any(waits_for_ctrl_c);
        let mut seen = WordSet::default();
        let cycle = all.iter().find_map(|step| walk_on(&step.thread, &mut seen));
        let is_cycle = cycle.is_some();
        if let Some(cycle) = cycle {
            all = cycle;
            // The one that closed it stands first; the others follow in the order of the cycle.
            let closed = (0..all.len()).max_by_key(|i| (!all[*i].moved, all[*i].serial));
            let closed = closed.unwrap_or(0);
            all.rotate_left(closed);
        } else {
            // The first is the thread that closed it, or the main one, or the one that came first.
            all.sort_by_key(|Step { thread, serial, moved, .. }| {
                (thread.word() != me.word(), *moved, !thread.is_main(), *serial)
            });
        }
        let Some(links) = links_of(&all).filter(|links| !links.is_empty()) else {
            return Everybody::MayGoOn;
        };
        let victim = all.swap_remove(0).thread;
        if certain && mode() == Mode::Raise {
            victim.mark_refused();
        }
        Everybody::Waits { deadlock: Deadlock { links, cycle: is_cycle, certain }, victim }
    }
}

/// Whether the process has threads that are not in the registry.
fn there_are_strangers() -> bool {
    let mut known: Vec<u64> = threads().iter().map(|thread| thread.native_id()).collect();
    known.sort_unstable();
    platform::other_threads(&known)
}

/// One thread in one wait.
pub(super) struct Step {
    pub(super) thread: ThreadRef,
    pub(super) serial: u64,
    pub(super) kind: ResourceKind,
    /// See [`WaitView::moved`](crate::wait::WaitView::moved).
    pub(super) moved: bool,
}

pub(super) fn serials(steps: &[Step]) -> Vec<u64> {
    let mut serials: Vec<u64> = steps.iter().map(|step| step.serial).collect();
    serials.sort_unstable();
    serials
}

/// What each step waits for, in full; `None` if one has ended meanwhile.
pub(super) fn links_of(steps: &[Step]) -> Option<Vec<Link>> {
    let link = |step: &Step| {
        step.thread.look(|wait| {
            let wait = wait.filter(|wait| !wait.notified && wait.serial == step.serial)?;
            Some(Link::new(&step.thread, wait))
        })
    };
    steps.iter().map(link).collect()
}

/// Every thread but `except` and those that end in its wait; `None` if one does not wait, or not
/// for ever.
fn waits_of_all(except: Option<&ThreadRef>) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for thread in threads() {
        if thread.is_leaving() || except.is_some_and(|except| except.word() == thread.word()) {
            continue;
        }
        let (kind, serial, moved) = thread.look(|wait| {
            let wait = wait.filter(|wait| !wait.notified)?;
            let kind = wait.what.kind();
            let for_ever = kind.is_idle() || wait.deadline.is_never();
            for_ever.then_some((kind, wait.serial, wait.moved))
        })?;
        // A thread of the runtime's own, or of a pool, that has nothing to do helps nobody.
        if !kind.is_idle() {
            steps.push(Step { thread, serial, kind, moved });
        }
    }
    Some(steps)
}

/// The serial number of the wait that began last, if each thread but `except` waits for ever.
pub(super) fn youngest_wait(except: Option<&ThreadRef>) -> Option<u64> {
    waits_of_all(except)?.iter().map(|step| step.serial).max()
}

/// To be called before a thread is started that will be registered by [`thread_has_started`].
///
/// Until then it counts as one that runs. If it cannot be started, [`thread_has_started`] must be
/// called all the same.
pub fn thread_is_starting() {
    #[cfg(not(loom))]
    super::on_wait::call();
    DETECTOR.starting.fetch_add(1, Ordering::SeqCst);
}

/// How many threads were announced by [`thread_is_starting`] and are not registered yet.
#[must_use]
pub fn starting_threads() -> usize {
    DETECTOR.starting.load(Ordering::SeqCst)
}

/// To be called by a thread that was announced by [`thread_is_starting`], once it is registered.
pub fn thread_has_started() {
    // None are left if it was announced before a fork, and is called for in the child.
    let less = |starting: usize| starting.checked_sub(1);
    let _ = DETECTOR.starting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
}

/// To be called by a thread that runs no more code of the user: if all the others wait for what
/// nobody is left to give, one of them is refused.
pub fn thread_is_leaving(leaving: &ThreadRef) {
    platform::note_leaving(leaving.native_id());
    thread_helps_nobody(leaving);
}

/// As [`thread_is_leaving`], by a thread of the runtime's own that stays.
pub(crate) fn thread_helps_nobody(leaving: &ThreadRef) {
    if leaving.leave() {
        DETECTOR.leaving.fetch_add(1, Ordering::SeqCst);
    }
    DETECTOR.look_for_the_others(leaving);
}

/// Keeps looks away while it lives: for a fork, whose child must find no thread's record locked.
#[cfg(not(loom))]
pub(super) fn no_looks() -> ShortGuard<'static, ()> {
    DETECTOR.looking.lock()
}

/// In the child of a fork, once the other threads are forgotten: counts anew.
#[cfg(not(loom))]
pub(super) fn after_fork_in_child() {
    DETECTOR.leaving.store(usize::from(crate::wait::current().is_leaving()), Ordering::SeqCst);
    DETECTOR.starting.store(0, Ordering::SeqCst);
}

/// The wait of this thread, if it is for ever, and the owner of what it waits for.
fn step(thread: ThreadRef) -> Option<(Step, usize)> {
    let (owner, serial, kind, moved) = thread.look(|wait| {
        let wait = wait.filter(|wait| !wait.notified && wait.deadline.is_never())?;
        Some((wait.what.owner()?, wait.serial, wait.what.kind(), wait.moved))
    })?;
    Some((Step { thread, serial, kind, moved }, owner))
}

/// From `start` over the owners of what is waited for back to it, or `None` if that is no cycle.
fn walk(start: &ThreadRef) -> Option<Vec<Step>> {
    let mut chain = Vec::new();
    let mut thread = start.clone();
    // A cycle further on that does not lead back is its own members' to find. It is noticed by
    // meeting the thread that came last when the length was a power of two (Brent's algorithm).
    let mut met = start.word();
    loop {
        let (found, owner) = step(thread)?;
        chain.push(found);
        if owner == start.word() {
            return Some(chain);
        }
        if owner == met {
            return None;
        }
        if chain.len().is_power_of_two() {
            met = owner;
        }
        thread = find_by_word(owner)?;
    }
}

/// The cycle that `start` is in or leads to, unless one of the threads on the way was `seen` before;
/// they are from now on. So all cycles are found in one look at each thread.
fn walk_on(start: &ThreadRef, seen: &mut WordSet) -> Option<Vec<Step>> {
    let mut chain: Vec<Step> = Vec::new();
    let mut thread = start.clone();
    while seen.insert(thread.word()) {
        let (found, owner) = step(thread)?;
        chain.push(found);
        thread = find_by_word(owner)?;
    }
    let first = chain.iter().position(|step| step.thread.word() == thread.word())?;
    Some(chain.split_off(first))
}
