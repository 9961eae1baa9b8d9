//! The three traits that keep the core free of any language, and their installed instances.

use std::panic::Location;

use std::sync::Arc;

use super::deadline::Deadline;
use super::ended::is_exact;
use super::object::ObjectInfo;
use super::thread::ThreadRef;
pub(crate) use crate::primitive::ParkEnd as SleepEnd;
use crate::primitive::{OnceLock, Parker};

/// The language that the runtime is embedded in.
///
/// The Python face is the one real implementation; without one, threads simply sleep.
pub trait Host: Sync {
    /// Runs `sleep` with the language's own lock (Python's GIL) released by this thread.
    fn detached(&self, sleep: &mut dyn FnMut());
    /// Whether the calling thread holds the language's own lock, which the threads that it wakes
    /// will want next.
    fn holds_lock(&self) -> bool {
        false
    }
    /// Runs `work` with the language's own lock held, on a thread of the runtime's own; not at all
    /// if the language is about to exit.
    fn attached(&self, work: &mut dyn FnMut());
    /// Has `work`, which neither waits nor runs code of the language, called once by a thread that
    /// runs code of the language, as soon as that is so and a fork that is under way has returned to it.
    /// May be called at any time; what was asked for before and is not done yet is given up. Nothing
    /// happens if there is no language.
    fn soon(&self, _work: fn()) {}
    /// Runs the language's pending signal handlers; `true` means that one of them raised and that
    /// the wait must end.
    fn signals_raised(&self) -> bool;
    /// Whether there is something that another thread has had the language send to the calling one.
    fn is_sent(&self) -> bool {
        false
    }
    /// Raises what another thread has had the language send to the calling one; `true` means that
    /// it did and that the wait, which has slept, must end with that.
    fn sent_raised(&self) -> bool {
        false
    }
    /// Whether the language is past the point where any other thread of its own could end a wait
    /// of the calling one, which is about to begin: `true` means that it must not, and that an
    /// exception is pending that says so.
    fn refuses(&self, _what: ResourceKind, _deadline: Deadline) -> bool {
        false
    }
    /// Takes the exception that [`Host::signals_raised`] or [`Host::refuses`] told of out of the
    /// way; the returned function puts it back.
    fn set_aside(&self) -> Box<dyn FnOnce() + '_>;
    /// Whether something outside the runtime's threads could still end a wait of one of them: a
    /// signal handler written by the user, say.
    fn outside_help(&self) -> bool;
    /// Whether the word at this address is the language's own lock, for which a thread waits that is
    /// not detached.
    fn is_own_lock(&self, _address: usize) -> bool {
        false
    }
    /// The source line for an [`Origin::Host`], as `file:line`.
    fn describe_origin(&self, site: HostSite) -> Option<Arc<str>>;
    /// Whether this is a line of the runtime's own: what is made there is no thing of the program.
    fn is_own_site(&self, _site: HostSite) -> bool {
        false
    }
}

/// Who sleeps how. The operating system's is the default.
pub(crate) trait Sched: Sync {
    /// Puts the calling thread, which owns `parker`, to sleep.
    fn sleep(&self, parker: &Parker, deadline: Option<u64>) -> SleepEnd;
    /// Ends the sleep of the owner of `parker`, or keeps its next one from happening.
    fn wake(&self, parker: &Parker);
}

/// What an observer thinks of a wait that is about to begin.
#[derive(Debug)]
pub enum Verdict {
    /// Sleep.
    Sleep,
    /// This wait can never end: refuse it.
    Deadlock(Box<super::report::Deadlock>),
}

/// Sees every wait begin and end; never sees a fast path.
pub trait Observer: Sync {
    /// The thread is queued and published as waiting, and about to sleep.
    fn before_block(&self, thread: &ThreadRef, what: &dyn Resource, deadline: Deadline) -> Verdict;
    /// The wait is over, whatever way.
    fn after_block(&self, _thread: &ThreadRef) {}
    /// A turn of a wait is over that began at `since`, now or `until` then, if the thread went on to
    /// wait for something else; `object` is what is known of what was waited for: nothing if the
    /// thread had nothing to do. Called while somebody wants to know of each wait
    /// and wake.
    fn waited(
        &self,
        _thread: &ThreadRef,
        _kind: ResourceKind,
        _object: Option<&ObjectInfo>,
        _since: u64,
        _until: Option<u64>,
    ) {
    }
    /// The calling thread is about to wake this one. Called as `waited` is.
    fn wakes(&self, _woken: &ThreadRef) {}
    /// A thread that was registered has ended; it is not in the registry any more.
    fn after_end(&self, _thread: &ThreadRef) {}
}

/// Why a wait ended without its outcome.
#[derive(Debug)]
pub enum WaitError {
    /// A signal handler of the host raised, or the host refused the wait: the exception is pending
    /// in the host.
    Interrupted,
    /// No thread could ever have ended the wait. The report says who waits for whom.
    Deadlock(Box<super::report::Deadlock>),
}

impl std::fmt::Display for WaitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Interrupted => f.write_str("interrupted by a signal handler"),
            Self::Deadlock(deadlock) => deadlock.fmt(f),
        }
    }
}

impl std::error::Error for WaitError {}

/// The kinds of things that a thread can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResourceKind {
    /// [`crate::sync::Lock`].
    Lock,
    /// [`crate::sync::RLock`].
    RLock,
    /// [`crate::sync::Condition`].
    Condition,
    /// [`crate::sync::Semaphore`].
    Semaphore,
    /// [`crate::sync::BoundedSemaphore`].
    BoundedSemaphore,
    /// [`crate::sync::Event`].
    Event,
    /// [`crate::sync::Barrier`].
    Barrier,
    /// The end of a thread.
    Thread,
    /// An item in a [`crate::queue::Queue`].
    QueueItem,
    /// A free place in one.
    QueuePlace,
    /// All its items having been processed.
    QueueJoin,
    /// An item in a [`crate::queue::LifoQueue`].
    LifoItem,
    /// A free place in one.
    LifoPlace,
    /// All its items having been processed.
    LifoJoin,
    /// An item in a [`crate::queue::PriorityQueue`].
    PriorityItem,
    /// A free place in one.
    PriorityPlace,
    /// All its items having been processed.
    PriorityJoin,
    /// An item in a [`crate::queue::SimpleQueue`].
    SimpleItem,
    /// A timer that has fired or was cancelled.
    Timer,
    /// The outcome of a task: [`crate::exec::FutureCell`].
    Future,
    /// Some or all of several tasks: [`crate::exec::Collector`].
    Futures,
    /// A free place in the queue of a pool.
    PoolPlace,
    /// A job, for a thread of a pool that has none.
    Work,
    /// Work for a background thread of the runtime.
    Idle,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Lock,
        Self::RLock,
        Self::Condition,
        Self::Semaphore,
        Self::BoundedSemaphore,
        Self::Event,
        Self::Barrier,
        Self::Thread,
        Self::QueueItem,
        Self::QueuePlace,
        Self::QueueJoin,
        Self::LifoItem,
        Self::LifoPlace,
        Self::LifoJoin,
        Self::PriorityItem,
        Self::PriorityPlace,
        Self::PriorityJoin,
        Self::SimpleItem,
        Self::Timer,
        Self::Future,
        Self::Futures,
        Self::PoolPlace,
        Self::Work,
        Self::Idle,
    ];

    /// Whether it is a lock, which belongs to whoever was woken for it.
    #[must_use]
    pub(crate) const fn is_lock(self) -> bool {
        matches!(self, Self::Lock | Self::RLock)
    }

    /// Whether only the owner, or the helpers that a [`Resource`] names, can end a wait for it, so
    /// that a cycle of such waits is certain.
    #[must_use]
    pub const fn only_owner_releases(self) -> bool {
        matches!(self, Self::RLock | Self::Thread | Self::Future | Self::Futures | Self::PoolPlace)
    }

    /// Whether a thread that waits for it has nothing to do, and is no part of a deadlock.
    #[must_use]
    pub const fn is_idle(self) -> bool {
        matches!(self, Self::Work | Self::Idle)
    }

    /// The name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lock => "Lock",
            Self::RLock => "RLock",
            Self::Condition => "Condition",
            Self::Semaphore => "Semaphore",
            Self::BoundedSemaphore => "BoundedSemaphore",
            Self::Event => "Event",
            Self::Barrier => "Barrier",
            Self::Thread => "Thread",
            Self::QueueItem => "Queue.get",
            Self::QueuePlace => "Queue.put",
            Self::QueueJoin => "Queue.join",
            Self::LifoItem => "LifoQueue.get",
            Self::LifoPlace => "LifoQueue.put",
            Self::LifoJoin => "LifoQueue.join",
            Self::PriorityItem => "PriorityQueue.get",
            Self::PriorityPlace => "PriorityQueue.put",
            Self::PriorityJoin => "PriorityQueue.join",
            Self::SimpleItem => "SimpleQueue.get",
            Self::Timer => "Timer",
            Self::Future => "Future",
            Self::Futures => "futures",
            Self::PoolPlace => "submit",
            Self::Work => "work",
            Self::Idle => "idle",
        }
    }
}

/// Where a primitive was made.
#[derive(Debug, Clone, Copy, Default)]
pub enum Origin {
    /// Not recorded.
    #[default]
    Unknown,
    /// In Rust.
    Rust(&'static Location<'static>),
    /// In the host's language.
    Host(HostSite),
}

/// A place in a program of the host's language: a code object and a position in it, which only the
/// host can read.
#[derive(Debug, Clone, Copy)]
pub struct HostSite {
    code: usize,
    position: u32,
}

impl HostSite {
    /// The place where a primitive is made.
    ///
    /// # Safety
    /// The code object outlives the primitive that gets this as its origin. And that primitive
    /// stays where it is in memory from the first wait for it, or from when it is named, until it
    /// is dropped: it may be looked at there at any time.
    #[must_use]
    pub const unsafe fn new(code: usize, position: u32) -> Self {
        Self { code, position }
    }

    /// The code object.
    #[must_use]
    pub const fn code(self) -> usize {
        self.code
    }

    /// The position in it.
    #[must_use]
    pub const fn position(self) -> u32 {
        self.position
    }
}

impl Origin {
    /// `file:line`, where it is known.
    #[must_use]
    pub fn describe(&self) -> Option<String> {
        self.describe_shared().map(|text| text.to_string())
    }

    /// As [`Origin::describe`]; the text may be shared with others that were made there.
    #[must_use]
    pub fn describe_shared(&self) -> Option<Arc<str>> {
        match *self {
            Self::Unknown => None,
            Self::Rust(at) => Some(format!("{}:{}", at.file(), at.line()).into()),
            Self::Host(site) => host().describe_origin(site),
        }
    }

    /// Whether the runtime made it for itself, in the host's language.
    #[must_use]
    pub fn is_own(&self) -> bool {
        matches!(*self, Self::Host(site) if host().is_own_site(site))
    }
}

/// How much is in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// At this moment.
    pub now: usize,
    /// At most until now.
    pub peak: usize,
}

/// What a thread waits for, as the wait-for graph and the reports see it.
pub trait Resource: Sync {
    /// What it is.
    fn kind(&self) -> ResourceKind;
    /// An identity that is stable while it lives: its address.
    fn id(&self) -> usize;
    /// The thread word of whoever can end the wait, where that is one known thread.
    fn owner(&self) -> Option<usize> {
        None
    }
    /// Where it was made.
    fn origin(&self) -> Origin {
        Origin::Unknown
    }
    /// A name for it beyond its kind and origin (a thread's name).
    fn label(&self) -> Option<String> {
        None
    }
    /// How much is in it, for a queue.
    fn depth(&self) -> Option<Depth> {
        None
    }
    /// Whether the value that tells this is a part of the thing itself, with the queue in it, and
    /// nothing of what it tells is dropped before the queue is: then it may be looked at when nobody
    /// waits. Of values that only stand for a wait this must not be said.
    fn is_lasting(&self) -> bool {
        false
    }
    /// Whether it is kept how often and how long it was waited for.
    fn is_counted(&self) -> bool {
        !self.is_internal() && (is_exact() || !self.is_passing())
    }
    /// Whether it is as a rule waited for once: a record of it would be made again and again, and is
    /// only if somebody wants to know of each wait. The thread that waits counts it anyway.
    fn is_passing(&self) -> bool {
        false
    }
    /// Whether those who wait for it are threads of the runtime itself that have nothing to do.
    fn is_internal(&self) -> bool {
        self.kind().is_idle()
    }
    /// How many things must come to pass before the wait ends; see [`Resource::helpers`].
    fn needs(&self) -> usize {
        1
    }
    /// Calls `helper` with the word of each thread that could bring about need number `need`, until
    /// that returns `false`: no more need be known. Any one of them is enough for this need.
    ///
    /// Returns whether they are all that could; `false` if others could as well, or if the need is
    /// met. It is called while the waiting thread's record is locked, so it takes no lock that
    /// comes before that one.
    fn helpers(&self, _need: usize, helper: &mut dyn FnMut(usize) -> bool) -> bool {
        self.owner().is_some_and(helper)
    }
}

struct NoHost;

impl Host for NoHost {
    fn detached(&self, sleep: &mut dyn FnMut()) {
        sleep();
    }
    fn attached(&self, work: &mut dyn FnMut()) {
        work();
    }
    fn signals_raised(&self) -> bool {
        false
    }
    fn set_aside(&self) -> Box<dyn FnOnce() + '_> {
        Box::new(|| {})
    }
    fn outside_help(&self) -> bool {
        false
    }
    fn describe_origin(&self, _site: HostSite) -> Option<Arc<str>> {
        None
    }
}

static HOST: OnceLock<&'static dyn Host> = OnceLock::new();
static OBSERVER: OnceLock<&'static dyn Observer> = OnceLock::new();

/// Installs the host; the first one stays. Returns whether it was this one.
pub fn set_host(host: &'static dyn Host) -> bool {
    HOST.set(host).is_ok()
}

/// Installs an observer in place of the deadlock detector; only the first call, before the first
/// wait, has an effect. Returns whether it had.
pub fn set_observer(observer: &'static dyn Observer) -> bool {
    OBSERVER.set(observer).is_ok()
}

/// Whether there is a host.
pub(super) fn has_host() -> bool {
    HOST.get().is_some()
}

pub(crate) fn host() -> &'static dyn Host {
    *HOST.get().unwrap_or(&(&NoHost as &dyn Host))
}

// The two defaults live above this module's traits, in modules of the same rank: this is the one
// place that knows their names.
pub(super) fn observer() -> &'static dyn Observer {
    *OBSERVER.get_or_init(|| crate::watch::detector())
}

pub(super) fn sched() -> &'static dyn Sched {
    &crate::sched::OS
}
