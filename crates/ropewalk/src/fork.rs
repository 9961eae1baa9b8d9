//! Forks: what the child of a fork can use, though most of its threads are gone.
//!
//! The runtime itself is whole in the child, once [`install`] was called. A lock, queue, event, pool or
//! future is whole there as well **if no other thread was in the middle of a call of it** at the moment
//! of the fork. (To be asleep in a wait is not the middle.)
//!
//! - A host whose threads use these things with its one lock held (Python's GIL), and which forks with
//!   it held, need not think of that: the child can use everything.
//! - In a program of Rust alone any other thread may be in the middle of a call, and the child then
//!   finds the thing locked for ever. As with everything that threads share, it can rely on what no
//!   other thread was using, and on what it makes itself.
//!
//! Rank 4. The handlers run inside the C library's `fork`, on the forking thread, with nothing of
//! the host's in between: they hold the runtime's short locks across the fork, so that the child's
//! copies are whole, and a host that lets another thread run meanwhile would wait for them for ever.

#![forbid(unsafe_code)]

#[cfg(unix)]
use crate::primitive::{AtomicBool, OnceLock, Ordering, ShortGuard, ShortLock};
#[cfg(unix)]
use crate::{insight, platform, time, wait, watch};

/// Prepares this process for forks; once is enough, and more does nothing. `also_in_child` of the
/// first call runs last in each child; it must not wait, nor run code of a host.
///
/// In a child, threads that do not exist there are out of every queue, a lock that one of them held
/// stays held (as in CPython), pending timers are gone, and background threads are started anew when
/// they are needed. What else the child can rely on is said [above](self). Does nothing on systems
/// without `fork`.
///
/// ```
/// ropewalk::fork::install(|| ());
/// ```
pub fn install(also_in_child: fn()) {
    #[cfg(unix)]
    {
        if ALSO_IN_CHILD.set(also_in_child).is_ok() {
            platform::on_fork(before, in_parent, in_child);
        }
    }
    #[cfg(not(unix))]
    let _ = also_in_child;
}

/// Ends the runtime's own threads that have nothing to do, and waits until those of the program that
/// have ended are gone for the system as well, for a fraction of a second at most: who forks next has
/// no thread in the process that the program does not have.
///
/// [`install`] does so before each fork. For a host that takes a lock of its own before it forks,
/// which threads need in order to end: it is to be called before that, and the fork that follows does
/// not do it again. Does nothing on systems without `fork`.
///
/// ```
/// ropewalk::fork::settle();
/// ```
pub fn settle() {
    #[cfg(unix)]
    {
        watch::end_if_idle();
        time::end_if_idle();
        wait::end_if_idle();
        platform::wait_until_left();
        // Relaxed: who forks without a host's lock may do it twice, or not.
        SETTLED.store(true, Ordering::Relaxed);
    }
}

#[cfg(unix)]
static SETTLED: AtomicBool = AtomicBool::new(false);

/// Runs `work` while this process does not fork: a fork that is about to happen waits for its end.
///
/// For a host that takes a lock of its own there which would stay held in the child. `work` must be
/// short, and must not wait for anything that a forking thread may hold, a language's own lock, say.
///
/// ```
/// assert_eq!(ropewalk::fork::without_forks(|| 1), 1);
/// ```
pub fn without_forks<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(unix)]
    let _kept = KEPT_AWAY.lock();
    work()
}

#[cfg(unix)]
static KEPT_AWAY: ShortLock<()> = ShortLock::new(());
/// Keeps those who call [`without_forks`] waiting during a fork.
#[cfg(unix)]
static DURING: ShortLock<Option<ShortGuard<'static, ()>>> = ShortLock::new(None);

#[cfg(unix)]
static ALSO_IN_CHILD: OnceLock<fn()> = OnceLock::new();

/// What is done around a fork is nothing for others to call: at any other time it takes living
/// threads out of their queues.
///
/// ```compile_fail,E0603
/// ropewalk::wait::after_fork_in_child();
/// ```
/// ```compile_fail,E0603
/// ropewalk::wait::after_fork_in_parent();
/// ```
/// ```compile_fail,E0603
/// ropewalk::wait::before_fork();
/// ```
/// ```compile_fail,E0603
/// ropewalk::time::before_fork();
/// ```
/// ```compile_fail,E0603
/// ropewalk::watch::before_fork();
/// ```
#[cfg(all(doctest, unix))]
struct NotForOthers;

#[cfg(unix)]
extern "C" fn before() {
    insight::before_fork();
    if !SETTLED.load(Ordering::Relaxed) {
        settle();
    }
    SETTLED.store(false, Ordering::Relaxed);
    watch::before_fork();
    time::before_fork();
    wait::before_fork();
    let kept_away = KEPT_AWAY.lock();
    *DURING.lock() = Some(kept_away);
}

#[cfg(unix)]
fn after() {
    let kept_away = DURING.lock().take();
    drop(kept_away);
}

#[cfg(unix)]
extern "C" fn in_parent() {
    after();
    wait::after_fork_in_parent();
    time::after_fork_in_parent();
    watch::after_fork();
    insight::after_fork(false);
}

#[cfg(unix)]
extern "C" fn in_child() {
    after();
    watch::after_fork();
    time::after_fork_in_child();
    wait::after_fork_in_child();
    watch::after_fork_in_child();
    insight::after_fork(true);
    if let Some(also) = ALSO_IN_CHILD.get() {
        also();
    }
}
