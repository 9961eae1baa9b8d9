//! Who waits for what, at one moment.
//!
//! Nothing is recorded for this: it is put together, when somebody asks, of what is there anyway:
//! the threads' published waits, the locks' owner words, the counts of waits that are over, and
//! what the kernel says of threads that do not wait for anything of ours. The program goes on
//! meanwhile, so two entries may be some microseconds apart.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use super::deadlock::{DETECTOR, Everybody, Mode, mode, no_looks};
use super::monitor::{tells, to_be_shown};
use super::pools::{PoolLook, pools};
use crate::platform::{self, TaskState};
use crate::primitive::{WordMap, WordSet};
use crate::wait::{
    Deadlock, Depth, ObjectInfo, ObjectRef, ResourceKind, ThreadRef, WaitView, WaitedFor, Waits,
    current, host, objects, threads,
};

/// What a thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThreadState {
    /// It runs, or could and waits for a core.
    Running,
    /// It waits for a thing of ours: [`ThreadLook::waits_for`]. Meanwhile it may run handlers.
    Blocked,
    /// It was woken and is about to go on: [`ThreadLook::waits_for`] is what it waited for.
    Woken,
    /// It could run but for the host's own lock: Python's GIL.
    WaitsForHost,
    /// It sleeps for a time of its own choice.
    Asleep,
    /// It waits for a lock that is not ours: of the C library, or of the host.
    ForeignLock,
    /// It waits in some other system call: input, a child process ...
    SystemCall,
    /// It is a thread of the runtime's own that has nothing to do.
    Idle,
    /// It runs no more code of the user.
    Ending,
    /// It does not wait for anything of ours, and more cannot be seen here.
    Unknown,
}

impl ThreadState {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Blocked => "blocked",
            Self::Woken => "woken",
            Self::WaitsForHost => "waiting for the GIL",
            Self::Asleep => "asleep",
            Self::ForeignLock => "in a foreign lock",
            Self::SystemCall => "in a system call",
            Self::Idle => "idle",
            Self::Ending => "ending",
            Self::Unknown => "unknown",
        }
    }
}

/// A thread, and what it does.
#[derive(Debug, Clone)]
pub struct ThreadLook {
    /// The word that locks store as their owner: on Linux, Python's `get_ident()`. 0 for a thread
    /// that never waited in the runtime, unless it is known by a lock that it holds.
    pub ident: usize,
    /// Its name, if it has one.
    pub name: Option<Arc<str>>,
    /// The kernel's number for it; 0 where there is none.
    pub native_id: u64,
    /// Whether it is the thread that the process began with.
    pub is_main: bool,
    /// What it does.
    pub state: ThreadState,
    /// What it waits for, if it is [`ThreadState::Blocked`]. If it was woken, what it waited for until
    /// then: it is none of those that wait for that any more.
    pub waits_for: Option<WaitLook>,
    /// The identities of the things that it holds, of those that were ever waited for.
    pub holds: Vec<usize>,
    /// For how long the runtime has known it.
    pub age: Duration,
    /// How long it has run on a core, where the kernel says so.
    pub ran: Option<Duration>,
    /// How often and how long it waited for what: waits that are over.
    pub waited: Vec<WaitedFor>,
    /// How long it waited, after it was woken, for the host's own lock. It is part of `waited`.
    pub waited_for_host: Duration,
}

/// A wait that goes on.
#[derive(Debug, Clone)]
pub struct WaitLook {
    /// The identity of what is waited for: [`ObjectLook::id`].
    pub object: usize,
    /// Where that is now: it stays there while it is waited for.
    address: usize,
    /// What kind of thing it is.
    pub kind: ResourceKind,
    /// Its name, if it has one.
    pub name: Option<Arc<str>>,
    /// Where it was made.
    pub made_at: Option<Arc<str>>,
    /// Who can end the wait, where that is one known thread. The waiter itself if it was woken and has
    /// got what it waited for.
    pub owner: Option<usize>,
    /// How much is in it, for the getters' side of a queue.
    pub depth: Option<Depth>,
    /// For how long.
    pub waited: Duration,
    /// After how much longer it gives up; `None` for never.
    pub remaining: Option<Duration>,
}

/// A thing that was waited for, or was named.
#[derive(Debug, Clone)]
pub struct ObjectLook {
    /// Its identity for as long as it exists. It has nothing to do with the address of something
    /// made in Rust, which may move.
    pub id: usize,
    /// What it is.
    pub kind: ResourceKind,
    /// Its name, if it was given one.
    pub name: Option<Arc<str>>,
    /// Where it was made, as `file:line`.
    pub made_at: Option<Arc<str>>,
    /// Who holds it, where somebody does. Not known for what was made in Rust and is not waited
    /// for at this moment.
    pub owner: Option<usize>,
    /// Who waits for it.
    pub waiters: Vec<usize>,
    /// How much is in it, for the getters' side of a queue. As for `owner`.
    pub depth: Option<Depth>,
    /// How often and how long it was waited for: waits that are over.
    pub waits: Waits,
}

/// Everything at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// All threads, the main one first, then in the order of their age.
    pub threads: Vec<ThreadLook>,
    /// All things that were ever waited for and exist, the most waited for first.
    pub objects: Vec<ObjectLook>,
    /// Threads that wait for each other: [`find_deadlocks`].
    pub deadlocks: Vec<Deadlock>,
    /// How many threads were started and have not begun.
    pub starting: usize,
    /// All thread pools that were ever used.
    pub pools: Vec<PoolLook>,
}

/// Looks at all threads and at all things that they wait for, or ever waited for.
#[must_use]
pub fn snapshot() -> Snapshot {
    let deadlocks = find_deadlocks();
    let (mut looks, mut all) = {
        // Also keeps forks away, whose child must find no record locked.
        let _looking = no_looks();
        let all: Vec<ObjectLook> = objects().iter().map(look_at).collect();
        let looks: Vec<ThreadLook> = threads().iter().map(look_at_thread).collect();
        (looks, all)
    };
    look_in_the_kernel(&mut looks);
    know_by_locks(&mut looks, &all);
    // A thread of the runtime's own that only looks is no part of the picture.
    let me = current();
    looks.retain(|look| look.ident != me.word() || !me.is_leaving());
    looks.sort_by_key(|look| (!look.is_main, std::cmp::Reverse(look.age), look.native_id));
    connect(&mut looks, &mut all);
    all.sort_by_key(|look| std::cmp::Reverse((look.waits.total, look.id)));
    let (starting, pools) = (super::starting_threads(), pools());
    Snapshot { threads: looks, objects: all, deadlocks, starting, pools }
}

/// Threads that wait for each other: what the monitor told of ([`set_reporter`](super::set_reporter)) and
/// what it would tell of by now, so what is not certain only once it has lasted for the grace period
/// ([`set_grace`](super::set_grace)). Where it tells of nothing, as with [`Mode::Off`], all that there is.
#[must_use]
pub fn find_deadlocks() -> Vec<Deadlock> {
    // As a rule it is the monitor that finds out whether all threads wait: the host must be asked for
    // that, which whoever only looks should not wait for, and whoever finds it in the mode `Raise` must
    // refuse it. Who asks counts: it runs, unless it is a thread of the runtime's own.
    let mut all = None;
    if !tells()
        && mode() != Mode::Raise
        && let Everybody::Waits { deadlock, .. } = DETECTOR.find_all(&current(), None)
    {
        all = Some(deadlock);
    }
    to_be_shown(all)
}

fn look_at(object: &ObjectRef) -> ObjectLook {
    let look = object.look().unwrap_or_default();
    ObjectLook {
        id: object.id(),
        kind: object.kind(),
        name: object.name(),
        made_at: object.made_at(),
        owner: look.owner,
        waiters: Vec::new(),
        depth: look.depth,
        waits: object.waits(),
    }
}

fn look_at_thread(thread: &ThreadRef) -> ThreadLook {
    let (state, waits_for) = thread.look(|wait| match wait {
        // One of the runtime's own runs no code of the user's at any time.
        None if thread.is_leaving() && !thread.is_background() => (ThreadState::Ending, None),
        None => (ThreadState::Unknown, None),
        Some(wait) if wait.what.is_internal() => (ThreadState::Idle, None),
        Some(wait) if wait.is_over => (ThreadState::Woken, Some(look_at_wait(&wait))),
        Some(wait) => (ThreadState::Blocked, Some(look_at_wait(&wait))),
    });
    ThreadLook {
        ident: thread.word(),
        name: thread.name(),
        native_id: thread.native_id(),
        is_main: thread.is_main(),
        state,
        waits_for,
        holds: Vec::new(),
        age: Duration::from_nanos(thread.age_ns()),
        ran: None,
        waited: thread.waited_for(),
        waited_for_host: thread.waited_for_host(),
    }
}

pub(super) fn look_at_wait(wait: &WaitView<'_>) -> WaitLook {
    let label = || wait.what.label().map(Arc::from);
    WaitLook {
        object: wait.object.map_or_else(|| wait.what.id(), ObjectInfo::id),
        address: wait.what.id(),
        kind: wait.what.kind(),
        name: wait.object.and_then(ObjectInfo::name).or_else(label),
        // Nothing is known of the lock that a notifier moved the thread to if nobody waited for it before.
        made_at: wait
            .object
            .map_or_else(|| wait.what.origin().describe_shared(), ObjectInfo::made_at),
        owner: wait.what.owner(),
        depth: wait.what.depth(),
        waited: Duration::from_nanos(wait.waited_ns()),
        remaining: wait.deadline.left(),
    }
}

/// Completes what the runtime does not know: what the others do, and threads that it never met.
fn look_in_the_kernel(looks: &mut Vec<ThreadLook>) {
    let mut known: Vec<u64> = looks.iter().map(|look| look.native_id).collect();
    known.sort_unstable();
    let strangers = platform::unknown_tasks(&known).into_iter();
    looks.extend(strangers.map(|(native_id, name)| ThreadLook {
        ident: 0,
        name: Some(name.into()),
        native_id,
        is_main: false,
        state: ThreadState::Unknown,
        waits_for: None,
        holds: Vec::new(),
        age: Duration::ZERO,
        ran: None,
        waited: Vec::new(),
        waited_for_host: Duration::ZERO,
    }));
    for look in looks {
        look.ran = platform::task_cpu_ns(look.native_id).map(Duration::from_nanos);
        if look.state == ThreadState::Unknown || look.state == ThreadState::Woken {
            let seen = match platform::task_state(look.native_id) {
                Some(TaskState::Running) => ThreadState::Running,
                Some(TaskState::Asleep) => ThreadState::Asleep,
                Some(TaskState::Futex(address)) if host().is_own_lock(address) => {
                    ThreadState::WaitsForHost
                }
                Some(TaskState::Futex(_)) => ThreadState::ForeignLock,
                Some(TaskState::Call(_)) => ThreadState::SystemCall,
                Some(TaskState::Other) | None => ThreadState::Unknown,
            };
            // A futex of a woken thread is its own bed, which it has not left yet.
            if look.state == ThreadState::Unknown || seen == ThreadState::WaitsForHost {
                look.state = seen;
            }
        }
    }
}

/// Finds those who hold locks among the threads that the runtime never met: to take one that is free
/// needs no record.
fn know_by_locks(looks: &mut [ThreadLook], all: &[ObjectLook]) {
    let known: WordSet = looks.iter().map(|look| look.ident).collect();
    let of_things = all.iter().filter_map(|object| object.owner);
    let of_waits = looks.iter().filter_map(|look| look.waits_for.as_ref()?.owner);
    let owners: WordSet =
        of_things.chain(of_waits).filter(|owner| !known.contains(owner)).collect();
    let owners: Vec<usize> = owners.into_iter().collect();
    let strangers = looks.iter().filter(|look| look.ident == 0).map(|look| look.native_id);
    let strangers: Vec<u64> = strangers.collect();
    let known: Vec<usize> = known.into_iter().filter(|ident| *ident != 0).collect();
    for (native_id, word) in platform::tasks_of(&owners, &known, &strangers) {
        if let Some(look) = looks.iter_mut().find(|look| look.native_id == native_id) {
            look.ident = word;
        }
    }
}

/// Tells the things who waits for them and who holds them, and the threads what they hold.
fn connect(looks: &mut [ThreadLook], all: &mut Vec<ObjectLook>) {
    // A thread that a notifier has moved to the queue of a lock may know no more of that than where
    // it is; one that came later knows its identity.
    let of_waits = looks.iter().filter_map(|look| look.waits_for.as_ref());
    let known: WordMap<usize> = of_waits
        .filter(|wait| wait.object != wait.address)
        .map(|wait| (wait.address, wait.object))
        .collect();
    for wait in looks.iter_mut().filter_map(|look| look.waits_for.as_mut()) {
        wait.object = known.get(&wait.address).copied().unwrap_or(wait.object);
    }
    let mut by_id: WordMap<usize> =
        all.iter().enumerate().map(|(place, look)| (look.id, place)).collect();
    let mut holds: WordMap<Vec<usize>> = WordMap::default();
    for look in looks.iter() {
        let Some(wait) = &look.waits_for else { continue };
        let place = *by_id.entry(wait.object).or_insert_with(|| {
            // It came, or its first waiter did, after we had looked at the things.
            all.push(ObjectLook {
                id: wait.object,
                kind: wait.kind,
                name: wait.name.clone(),
                made_at: wait.made_at.clone(),
                owner: wait.owner,
                waiters: Vec::new(),
                depth: wait.depth,
                waits: Waits::default(),
            });
            all.len() - 1
        });
        if look.state == ThreadState::Blocked {
            all[place].waiters.push(look.ident);
        }
        all[place].owner = all[place].owner.or(wait.owner);
        all[place].depth = all[place].depth.or(wait.depth);
    }
    for object in all.iter().filter(|object| object.kind != ResourceKind::Thread) {
        if let Some(owner) = object.owner {
            holds.entry(owner).or_default().push(object.id);
        }
    }
    for look in looks.iter_mut().filter(|look| look.ident != 0) {
        look.holds = holds.remove(&look.ident).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Queue;
    use crate::sync::{Event, Lock};

    #[test]
    fn a_blocked_thread_is_seen_with_what_it_waits_for_and_who_holds_that() {
        let lock = Arc::new(Lock::new());
        lock.set_name("cache");
        let held = lock.hold().unwrap();
        let waiter = std::thread::spawn({
            let lock = lock.clone();
            move || {
                current().set_name("waiter");
                lock.hold().map(drop)
            }
        });
        let named = |snapshot: &Snapshot| {
            let is_it = |look: &&ThreadLook| look.name.as_deref() == Some("waiter");
            snapshot.threads.iter().find(is_it).cloned()
        };
        let seen = loop {
            let found = named(&snapshot()).filter(|look| look.state == ThreadState::Blocked);
            if let Some(look) = found {
                break look;
            }
            std::thread::yield_now();
        };
        let wait = seen.waits_for.unwrap();
        assert_eq!(wait.kind, ResourceKind::Lock);
        assert_eq!(wait.name.as_deref(), Some("cache"));
        assert!(wait.made_at.unwrap().contains("snapshot.rs:"));
        assert_eq!(wait.owner, Some(current().word()));
        assert_eq!(wait.remaining, None);
        let now = snapshot();
        let object = now.objects.iter().find(|object| object.id == wait.object).unwrap();
        assert_eq!(object.waiters, [seen.ident]);
        let me = now.threads.iter().find(|each| each.ident == current().word()).unwrap();
        assert_eq!(me.holds, [object.id]);
        drop(held);
        waiter.join().unwrap().unwrap();
        let after = snapshot();
        let object = after.objects.iter().find(|object| object.id == wait.object).unwrap();
        assert_eq!(object.waits.count(), 1);
        assert!(object.waits.total >= wait.waited);
        drop(lock);
        assert!(snapshot().objects.iter().all(|object| object.id != wait.object));
    }

    #[test]
    fn locks_that_were_named_where_they_are_no_more_are_told_apart() {
        let mut place = None;
        let mut make = |name: &str| {
            place.insert(Lock::new()).set_name(name);
            Arc::new(place.take().unwrap())
        };
        let locks = ["first of two", "second of two"].map(&mut make);
        assert!(locks.iter().all(|lock| lock.try_acquire()));
        let waiters = locks.clone().map(|lock| {
            std::thread::spawn(move || {
                let word = current().word();
                lock.acquire().map(|()| word)
            })
        });
        let shown = loop {
            let mut all = snapshot().objects;
            all.retain(|each| each.name.as_deref().is_some_and(|name| name.ends_with(" of two")));
            if all.iter().map(|each| each.waiters.len()).sum::<usize>() == 2 {
                all.sort_by_key(|each| each.name.clone());
                break all;
            }
            std::thread::yield_now();
        };
        assert!(locks.iter().all(|lock| lock.release().is_ok()));
        let words = waiters.map(|waiter| waiter.join().unwrap().unwrap());
        assert_ne!(shown[0].id, shown[1].id);
        for (word, look) in words.iter().zip(&shown) {
            assert_eq!(look.waiters, [*word]);
            assert_eq!(look.owner, Some(current().word()));
        }
    }

    #[test]
    fn how_much_was_in_a_queue_is_seen_while_somebody_waits_for_more() {
        let queue = Arc::new(Queue::new(0));
        queue.set_name("parcels");
        let depth = || {
            let all = snapshot().objects;
            let is_it = |each: &&ObjectLook| {
                each.name.as_deref() == Some("parcels") && each.kind == ResourceKind::QueueItem
            };
            all.iter().find(is_it).unwrap().depth
        };
        queue.put(1).unwrap();
        queue.put(2).unwrap();
        assert_eq!(depth(), None);
        let getter = std::thread::spawn({
            let queue = queue.clone();
            move || (0..3).map(|_| queue.get().unwrap()).sum::<i32>()
        });
        let seen = loop {
            if let Some(depth) = depth() {
                break depth;
            }
            std::thread::yield_now();
        };
        assert_eq!(seen, Depth { now: 0, peak: 2 });
        queue.put(3).unwrap();
        assert_eq!(getter.join().unwrap(), 6);
    }

    #[test]
    fn things_that_nobody_waited_for_are_not_known() {
        let event = Event::new();
        event.set();
        event.wait().unwrap();
        let id = std::ptr::from_ref(&event) as usize;
        assert!(snapshot().objects.iter().all(|object| object.id != id));
    }
}
