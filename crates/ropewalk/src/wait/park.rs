//! `park`: the only function that puts a thread to sleep.

use std::cell::Cell;

use super::deadline::Deadline;
use super::ended::is_exact;
use super::herd;
use super::object::ObjectInfo;
use super::owed;
use super::queue::{
    GiveUp, HANDOFF, List, NORMAL, Node, REFUSED, Standing, Token, WaitQueue, Wake,
};
use super::registry;
use super::runtime::{Resource, SleepEnd, Verdict, WaitError, has_host, host, observer, sched};
use super::sampling::Part;
use super::spin::Spin;
use super::thread::{ThreadRef, WaitRecord};
use crate::primitive::now;

/// What to wait for, and how.
pub(crate) struct Park<'a> {
    /// The queue to stand in.
    pub(crate) queue: &'a WaitQueue,
    /// What the graph and the reports see.
    pub(crate) what: &'a dyn Resource,
    /// When to give up.
    pub(crate) deadline: Deadline,
    /// For a waiter that may wait several turns; `None` for one that begins now.
    pub(crate) since: Option<Since>,
    /// The lock that this waiter needs after its notification, and its queue: a notifier may move
    /// the waiter there.
    pub(crate) next: Option<NextLock<'a>>,
}

/// The lock that a waiter needs after its notification.
pub(crate) struct NextLock<'a> {
    pub(crate) queue: &'a WaitQueue,
    pub(crate) what: &'a dyn Resource,
    /// Hands on the lock's wake that the waiter got before handlers have run; with `HANDOFF` it is
    /// the lock itself.
    pub(crate) give_back: &'a dyn Fn(Token),
    /// What is told of the wait for it, if the waiter was moved: a further one for the lock goes on
    /// from there.
    pub(crate) moved: &'a Cell<Option<Since>>,
}

/// When a wait began that may take several turns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since {
    /// When the first turn began.
    at: u64,
    /// It was woken in vain: it goes to the front.
    in_vain: bool,
}

impl Since {
    /// The first turn begins now.
    pub(crate) fn now() -> Self {
        Self { at: now(), in_vain: false }
    }

    /// The next turn, of a waiter that was woken in vain.
    pub(crate) fn in_vain(self) -> Self {
        Self { in_vain: true, ..self }
    }

    /// Whether it was woken in vain.
    pub(crate) fn is_in_vain(self) -> bool {
        self.in_vain
    }
}

/// How a wait ended, if neither by a signal nor as a deadlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parked {
    /// A waker chose this waiter; the token says what it left.
    Notified(Token),
    /// The deadline passed first.
    TimedOut,
    /// `validate` said no: nothing happened.
    Retry,
}

/// Waits in a queue until notified, timed out, interrupted or refused.
///
/// 1. Handlers of the host run that are due; if one raises, that is all.
/// 2. Under the queue's lock `validate` looks (and may mark the primitive's word); `false` means
///    [`Parked::Retry`]. Otherwise the thread stands in the queue.
/// 3. `before_sleep` runs, the queue being unlocked; `false` means that there is to be no wait, and
///    [`Parked::Retry`] (a wake that came already is given back).
/// 4. The host may refuse the wait, and the observer may as a deadlock.
/// 5. The thread sleeps, the host's lock being released. No handler runs between the last two steps
///    and the sleep: a wake that `before_sleep` put off would wait for it.
/// 6. Exactly one of wake, timeout, interruption and refusal wins; a wake that was first wins over
///    a timeout. A wake that crossed an interruption or a refusal is passed to `give_back`, which
///    must hand it on. For a waiter that had been moved to another queue, the token that was
///    crossed is that of its first notification (`NORMAL`).
/// 7. An exception that another thread has sent is raised when a permit, an item or a place was given,
///    which goes to the next waiter then, and when the time is up.
/// 8. After a signal handlers run before anything else, and nothing is kept meanwhile that they may
///    wait for: what had been given to this waiter by then is given back, and waited for again.
pub(crate) fn park(
    request: &Park<'_>,
    validate: impl FnOnce(&mut List) -> bool,
    before_sleep: impl FnOnce() -> bool,
    give_back: impl Fn(Token),
) -> Result<Parked, WaitError> {
    stand_and_sleep(request, validate, before_sleep, &give_back, &|_| {}, None)
}

/// As [`park`], for what only one of the waiters gets: a lock, a permit, an item, a place. A woken
/// thread calls `take` before it asks for the host's lock: it may take there what it was woken for,
/// as threads on their way to the host's lock would be overtaken by all that have it. The wait is
/// not interrupted any more then.
///
/// While handlers run the thread stands in no queue: they may wait for the same thing, and could
/// never get it if it were given to the wait that they interrupt.
pub(crate) fn park_and_take(
    request: &Park<'_>,
    validate: &dyn Fn(&mut List) -> bool,
    give_back: impl Fn(Token),
    take: &dyn Fn(Token),
) -> Result<Parked, WaitError> {
    stand_and_sleep(request, validate, || true, &give_back, take, Some(validate))
}

fn stand_and_sleep(
    request: &Park<'_>,
    validate: impl FnOnce(&mut List) -> bool,
    before_sleep: impl FnOnce() -> bool,
    give_back: &dyn Fn(Token),
    take: &dyn Fn(Token),
    stand_again: Option<&dyn Fn(&mut List) -> bool>,
) -> Result<Parked, WaitError> {
    if host().signals_raised() {
        return Err(WaitError::Interrupted);
    }
    let me = registry::current();
    let Since { at: since, in_vain } = request.since.unwrap_or_else(Since::now);
    let node = Node::new(
        Wake::Thread(me.clone()),
        since,
        request.next.as_ref().map(|next| (next.queue, next.what)),
    );
    let mut record = WaitRecord::new(request.what, request.deadline, since, &raw const node);
    let (published, mut object) = {
        let mut list = request.queue.lock();
        if !validate(&mut list) {
            return Ok(Parked::Retry);
        }
        // SAFETY: the node lives on this stack frame, which is left only after the node has been
        // notified or has given up (`settle`, `Stay`).
        unsafe { list.push(request.queue, &node, in_vain) };
        record.object = list.object();
        // Under the queue's lock: a notifier may move the node and tell the record so, and a fork
        // must find the record of every node that stands in a queue.
        let object = record.object;
        (me.publish(&mut record), object)
    };
    // From here on code of the host's and of users' may run, and panic.
    let mut stay = Stay { me: &me, node: &node, record: published, give_back: Some(give_back) };
    // A model has no list of objects.
    if object.is_null() && cfg!(not(loom)) && request.what.is_counted() {
        // Only now: the host may have another thread run, which may fork.
        object = request.queue.make_object(request.what);
        // SAFETY: the record lives until the end of this function, the object as long as the queue.
        unsafe { me.set_object(published, request.what, object) };
    }
    let result = if before_sleep() {
        // SAFETY: the record lives until the end of this function.
        unsafe { WaitRecord::begin(published) };
        let result = settle(&mut stay, request, give_back, take, stand_again);
        observer().after_block(&me);
        // SAFETY: the record lives until the end of this function, and the node has left its queue; the
        // object is null, or alive as long as the queue, which we borrow.
        unsafe { count_turn(&me, request, published, object.as_ref(), since) };
        match result {
            // Ctrl-C that came before the refusal would have ended the wait: it is the answer.
            Err(WaitError::Deadlock(_)) if host().signals_raised() => Err(WaitError::Interrupted),
            result => result,
        }
    } else {
        stay.leave();
        Ok(Parked::Retry)
    };
    drop(stay);
    // If there was no sleep.
    owed::pay();
    herd::next(&me);
    result
}

/// Counts a turn of a wait that began at `since` and is over; of a waiter that was moved, the time before
/// that for what it waited for, and the rest for the lock.
///
/// # Safety
/// The record is this thread's, and its node stands in no queue.
unsafe fn count_turn(
    me: &ThreadRef,
    request: &Park<'_>,
    record: *const WaitRecord,
    object: Option<&ObjectInfo>,
    since: u64,
) {
    let goes_on = request.since.is_some_and(Since::is_in_vain);
    // SAFETY: the caller's. Only who moves the node writes these two, and nobody can any more.
    let (moved, lock) = unsafe { ((*record).moved, (*record).object) };
    let short = me.tally.turn(since, goes_on);
    let part = moved.map_or_else(|| Part::whole(since), |moved| Part::before(since, &moved));
    if let Some(object) = object {
        me.tally.count(object, part, goes_on, short);
    } else if request.what.is_passing() {
        me.tally.count_passing(request.what.kind(), part, goes_on, short);
    }
    if is_exact() && (object.is_some() || !request.what.is_passing()) {
        let until = moved.map(|moved| moved.at);
        observer().waited(me, request.what.kind(), object, since, until);
    }
    let (Some(moved), Some(next)) = (moved, &request.next) else { return };
    next.moved.set(Some(Since { at: moved.at, in_vain: true }));
    // SAFETY: null, or alive as long as the lock's queue, which we borrow.
    let lock = match unsafe { lock.as_ref() } {
        Some(lock) => lock,
        // A model has no list of objects.
        None if !next.what.is_counted() || cfg!(loom) => return,
        // SAFETY: as above.
        None => unsafe { &*next.queue.make_object(next.what) },
    };
    me.tally.count(lock, Part::after(&moved), false, short);
    if is_exact() {
        observer().waited(me, lock.kind(), Some(lock), moved.at, None);
    }
}

/// The stay of a waiter in a queue, published. Its end takes the record back; and the node out of
/// its queue, if that is by a panic of users' code.
struct Stay<'a> {
    me: &'a ThreadRef,
    node: &'a Node,
    record: *const WaitRecord,
    /// `None` once the waiter has left the queue, and has what it was given or has handed it on.
    give_back: Option<&'a dyn Fn(Token)>,
}

impl Stay<'_> {
    /// Leaves the queue, handing on a wake that came already.
    fn leave(&mut self) {
        let Some(give_back) = self.give_back.take() else { return };
        match self.node.give_up(GiveUp::Always) {
            Standing::Moved => give_back(NORMAL),
            // It had been moved when the handlers began.
            Standing::Gone if self.node.may_move() => give_back(NORMAL),
            // Refused: nothing was given.
            Standing::Waiting | Standing::Gone | Standing::Notified(REFUSED) => {}
            Standing::Notified(token) => give_back(token),
        }
    }

    /// The waiter has left the queue, and keeps what it was given.
    fn end(&mut self) {
        self.give_back = None;
    }
}

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        self.leave();
        self.me.unpublish(self.record);
    }
}

fn settle(
    stay: &mut Stay<'_>,
    request: &Park<'_>,
    give_back: &dyn Fn(Token),
    take: &dyn Fn(Token),
    stand_again: Option<&dyn Fn(&mut List) -> bool>,
) -> Result<Parked, WaitError> {
    let (what, deadline) = (request.what, request.deadline);
    let (me, node) = (stay.me, stay.node);
    let handlers = Handlers { me, node, request, give_back, stand_again };
    if host().refuses(what.kind(), deadline) {
        stay.leave();
        return Err(WaitError::Interrupted);
    }
    let mut naps = Naps::new();
    let error = loop {
        // Also after handlers: whoever blocked while they ran took this thread for one that runs.
        if let Verdict::Deadlock(mut report) = observer().before_block(me, what, deadline) {
            if naps.first && !request.since.is_some_and(Since::is_in_vain) {
                // It has just begun: whatever time there was went by while it was looked at.
                let mut links = report.links.iter_mut();
                if let Some(mine) = links.find(|link| link.thread.word() == me.word()) {
                    mine.waited_ns = 0;
                }
            }
            break WaitError::Deadlock(report);
        }
        match naps.sleep(me, node, request, take) {
            SleepEnd::Permit => {}
            // The wake wins if it was first; a waiter that was moved was notified in time.
            SleepEnd::TimedOut => match node.give_up(GiveUp::UnlessMoved) {
                Standing::Waiting => {
                    stay.end();
                    if host().sent_raised() {
                        return Err(WaitError::Interrupted);
                    }
                    return Ok(Parked::TimedOut);
                }
                Standing::Moved | Standing::Notified(_) | Standing::Gone => {}
            },
            SleepEnd::Interrupted => {
                // SAFETY: the caller keeps the record until this returns.
                unsafe { me.pause(stay.record) };
                if handlers.run(naps.signal) {
                    break WaitError::Interrupted;
                }
                // SAFETY: as above.
                unsafe { WaitRecord::begin(stay.record) };
            }
        }
        let result = match node.standing() {
            Standing::Waiting | Standing::Moved => continue,
            Standing::Notified(REFUSED) => Err(WaitError::Deadlock(me.take_refusal())),
            // It goes to somebody else, before handlers run, which may wait for it. (What `take` took is
            // kept, as CPython's locks are.)
            Standing::Notified(_)
                if stand_again.is_some() && !what.kind().is_lock() && host().is_sent() =>
            {
                stay.leave();
                let raised = host().sent_raised();
                return if raised { Err(WaitError::Interrupted) } else { Ok(Parked::Retry) };
            }
            Standing::Notified(token) => Ok(Parked::Notified(token)),
            // What it waits for was free when the handlers were through, or it had been notified.
            Standing::Gone => Ok(Parked::Notified(NORMAL)),
        };
        stay.end();
        return result;
    };
    stay.leave();
    Err(error)
}

/// When the main thread looks for signals again, in nanoseconds after it fell asleep; the last one
/// repeats.
///
/// A signal that comes after the last look and before the system call leaves its mark in the host
/// but does not end the sleep: there is no way to do both at once. So the first two sleeps of a wait
/// are short ones, and those after each signal. Nor does the sleep end if the kernel has another
/// thread take the signal: the one that sent it, if it then masks and unmasks its signals, as the C
/// library does to start a thread. (CPython's own locks sleep on in both cases.)
const LOOKS: [u64; 3] = [2_000_000, 100_000_000, 1_000_000_000];

/// How the host's handlers run in the middle of a wait.
struct Handlers<'a> {
    me: &'a ThreadRef,
    node: &'a Node,
    request: &'a Park<'a>,
    give_back: &'a dyn Fn(Token),
    /// Under the queue's lock: `false` if there is nothing to wait for any more. If this is given,
    /// the waiter stands aside meanwhile.
    stand_again: Option<&'a dyn Fn(&mut List) -> bool>,
}

impl Handlers<'_> {
    /// Runs those that are due; `true` if one of them raised. `signal` says that there was a signal:
    /// then they run in any case. Otherwise a waiter that was notified meanwhile goes on at once.
    fn run(&self, signal: bool) -> bool {
        match self.stand_again {
            Some(validate) => self.run_aside(signal, validate),
            None => self.run_in_queue(signal),
        }
    }

    /// While the node is in no queue; afterwards it stands in its queue again if there still is
    /// something to wait for.
    fn run_aside(&self, signal: bool, validate: &dyn Fn(&mut List) -> bool) -> bool {
        match self.node.give_up(GiveUp::Always) {
            Standing::Notified(token) if signal && token != REFUSED => {
                // They may wait for it.
                (self.give_back)(token);
                self.node.renew(self.me);
            }
            Standing::Notified(_) => return false,
            Standing::Waiting | Standing::Moved | Standing::Gone => {}
        }
        if host().signals_raised() {
            return true;
        }
        let mut list = self.request.queue.lock();
        if validate(&mut list) {
            // SAFETY: as in `stand_and_sleep`.
            unsafe { list.push_by_age(self.request.queue, self.node) };
        }
        false
    }

    /// While the node stays in its queue, if that is not a lock's.
    fn run_in_queue(&self, signal: bool) -> bool {
        match (self.node.enter_handlers(), &self.request.next) {
            (Standing::Notified(HANDOFF), Some(next)) if signal => {
                // They may wait for the lock.
                (next.give_back)(HANDOFF);
                self.node.renew(self.me);
            }
            // It may have been the lock's: others who sleep before it could be waited for.
            (Standing::Notified(NORMAL), Some(next)) => (next.give_back)(NORMAL),
            (Standing::Notified(HANDOFF), Some(_)) | (Standing::Notified(REFUSED), _) => {
                return false;
            }
            _ => {}
        }
        let raised = host().signals_raised();
        self.node.leave_handlers();
        raised
    }
}

/// The sleeps of one wait.
struct Naps {
    /// How many sleeps there were since it began, or since the last signal.
    looks: usize,
    first: bool,
    /// Whether it was a signal that ended the last one.
    signal: bool,
}

impl Naps {
    fn new() -> Self {
        Self { looks: 0, first: true, signal: false }
    }

    /// When the thread looks for signals, at the latest.
    fn next_look(&mut self, me: &ThreadRef, since: Option<Since>, node: &Node) -> u64 {
        if !me.is_main() || !has_host() {
            return u64::MAX;
        }
        let in_vain = since.is_some_and(Since::is_in_vain);
        // A wait that has just begun need not ask for the time again.
        let asleep = if self.first && !in_vain { node.since() } else { now() };
        let pause = LOOKS[self.looks.min(LOOKS.len() - 1)];
        self.looks += 1;
        asleep + pause
    }

    /// Sleeps until the node is notified or gone, its time is up, or handlers may have to run. The
    /// node stays queued meanwhile.
    fn sleep(
        &mut self,
        me: &ThreadRef,
        node: &Node,
        request: &Park<'_>,
        take: &dyn Fn(Token),
    ) -> SleepEnd {
        let sched = sched();
        let (kind, deadline) = (request.what.kind(), request.deadline);
        let mut spin = None;
        let mut end = SleepEnd::Permit;
        let look = self.next_look(me, request.since, node);
        host().detached(&mut || {
            owed::pay();
            if std::mem::take(&mut self.first) {
                spin = Spin::for_permit(&me.parker, kind, deadline.at(), node.since());
            }
            loop {
                let at = match node.standing() {
                    Standing::Notified(token) => {
                        if token != REFUSED {
                            take(token);
                        }
                        break end = SleepEnd::Permit;
                    }
                    Standing::Waiting => deadline.at(),
                    // Notified in time; what it waits for now is the lock.
                    Standing::Moved => None,
                    // It has left.
                    Standing::Gone => break,
                };
                let until = at.map_or(look, |at| at.min(look));
                end = sched.sleep(&me.parker, (until != u64::MAX).then_some(until));
                // Other threads run no handlers.
                self.signal = end == SleepEnd::Interrupted && me.is_main();
                if end == SleepEnd::Interrupted {
                    self.looks = 0;
                } else if end == SleepEnd::TimedOut && at.is_none_or(|at| at > look) {
                    end = SleepEnd::Interrupted;
                }
                if end != SleepEnd::Permit {
                    break;
                }
            }
            if is_exact() {
                me.tally.woke();
            }
        });
        if let Some(spin) = spin.take() {
            spin.learn();
        }
        end
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::wait::ResourceKind;

    /// Belongs to whoever waits for it, and takes its time to say what it is called.
    struct Slow;

    impl Resource for Slow {
        fn kind(&self) -> ResourceKind {
            ResourceKind::RLock
        }
        fn id(&self) -> usize {
            std::ptr::from_ref(self) as usize
        }
        fn owner(&self) -> Option<usize> {
            Some(registry::current().word())
        }
        fn label(&self) -> Option<String> {
            let began = now();
            while now() - began < 1_000_000 {
                std::thread::yield_now();
            }
            None
        }
    }

    #[test]
    fn a_wait_that_is_refused_at_once_has_lasted_no_time() {
        let (queue, what) = (WaitQueue::new(), &Slow);
        let request =
            Park { queue: &queue, what, deadline: Deadline::NEVER, since: None, next: None };
        let result = park(&request, |_| true, || true, |_| {});
        let Err(WaitError::Deadlock(deadlock)) = result else { panic!("{result:?}") };
        assert_eq!(deadlock.links.len(), 1);
        assert_eq!(deadlock.links[0].waited_ns, 0);
    }
}
