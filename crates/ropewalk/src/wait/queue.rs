//! The queue of waiters inside each primitive.
//!
//! A doubly linked list through nodes that live where the waiting happens: on the stack of a
//! thread, or pinned inside a future. Every change of a node happens under the lock of the queue
//! that it is in (invariant 1); a node that has left is touched by nobody but its owner
//! (invariant 2).

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::task::Waker;

use super::object::{self, ObjectInfo, ObjectRef};
use super::runtime::Resource;
use super::sampling::Clock;
use super::thread::{QUEUED, ThreadRef};
use super::wakes::{WakeList, Woken};
use crate::primitive::{
    AtomicBool, AtomicU32, AtomicUsize, Ordering, ShortGuard, ShortLock, const_unless_loom,
};

/// What a wake says: how the waker left things.
pub(crate) type Token = u32;
/// There is something to be had: try again.
pub(crate) const NORMAL: Token = 0;
/// The thing was given to this waiter: it has it.
pub(crate) const HANDOFF: Token = 1;

/// Nothing was given: the wait was refused as a deadlock. Above the tokens of the primitives.
pub(super) const REFUSED: Token = 15;

const WAITING: u32 = 0;
const MOVED: u32 = 1;
const GONE: u32 = 2;
const NOTIFIED: u32 = 4;

/// How a waiter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// In its queue.
    Waiting,
    /// Notified already, and moved to the queue of the lock that it needs next.
    Moved,
    /// Woken, with the waker's token.
    Notified(Token),
    /// In no queue: it gave up, or stands aside.
    Gone,
}

/// What a waiter that gives up may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GiveUp {
    /// Any queue.
    Always,
    /// Not the lock's queue that it was moved to: that wait has no deadline.
    UnlessMoved,
}

/// How to wake a waiter.
#[derive(Debug, Clone)]
pub(super) enum Wake {
    Thread(ThreadRef),
    Task(Waker),
}

/// One waiter.
///
/// | `state` | meaning | written by, under the queue's lock |
/// |---|---|---|
/// | `WAITING` | in `queue` | the waiter itself |
/// | `MOVED` | notified, but in the queue of a lock | [`WaitQueue::requeue`] |
/// | `NOTIFIED + token` | out of every queue, chosen | [`List::pop`] |
/// | `GONE` | out of every queue, gave up or stands aside | the waiter itself, a fork, or [`Node::try_refuse`] |
pub(super) struct Node {
    prev: Cell<*const Node>,
    next: Cell<*const Node>,
    state: AtomicU32,
    /// The address of the queue that it is in, or was in last.
    queue: AtomicUsize,
    /// When the waiter began to wait, also over several turns.
    since: u64,
    /// The owner word for a hand-off; 0 for a task.
    word: usize,
    wake: Cell<Option<Wake>>,
    /// Its thread may run handlers of the host now. Written under the queue's lock, if it is to be
    /// seen there.
    handlers: AtomicBool,
    /// Where a notifier may move it, and what it then waits for. Both outlive its wait.
    next_lock: Option<(*const WaitQueue, *const dyn Resource)>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Node {
    /// The caller keeps what `next` refers to alive until the wait is over.
    pub(super) fn new(wake: Wake, since: u64, next: Option<(&WaitQueue, &dyn Resource)>) -> Self {
        let word = match &wake {
            Wake::Thread(thread) => thread.word(),
            Wake::Task(_) => 0,
        };
        Self {
            prev: Cell::new(ptr::null()),
            next: Cell::new(ptr::null()),
            state: AtomicU32::new(GONE),
            queue: AtomicUsize::new(0),
            since,
            word,
            wake: Cell::new(Some(wake)),
            handlers: AtomicBool::new(false),
            next_lock: next.map(|(queue, what)| (ptr::from_ref(queue), erase(what))),
        }
    }

    /// When its wait began.
    pub(super) fn since(&self) -> u64 {
        self.since
    }

    pub(super) fn standing(&self) -> Standing {
        // Acquire pairs with the Release in `pop`: what the waker did before is seen.
        match self.state.load(Ordering::Acquire) {
            WAITING => Standing::Waiting,
            MOVED => Standing::Moved,
            GONE => Standing::Gone,
            state => Standing::Notified((state & !NOTIFIED) >> 3),
        }
    }

    /// Whether it stands in a queue.
    pub(super) fn is_queued(&self) -> bool {
        matches!(self.state.load(Ordering::Relaxed), WAITING | MOVED)
    }

    /// Gives up: takes the node out of its queue if it still stands as `which` allows. Returns how
    /// it stood until then.
    pub(super) fn give_up(&self, which: GiveUp) -> Standing {
        self.in_its_queue(|list| {
            let standing = self.standing();
            match (standing, which) {
                (Standing::Notified(_) | Standing::Gone, _)
                | (Standing::Moved, GiveUp::UnlessMoved) => {}
                (Standing::Waiting | Standing::Moved, _) => {
                    list.unlink(self);
                    self.state.store(GONE, Ordering::Relaxed);
                }
            }
            standing
        })
    }

    /// Under the lock of the queue that it is in, or was in last.
    fn in_its_queue<R>(&self, work: impl FnOnce(&mut List) -> R) -> R {
        loop {
            let address = self.queue.load(Ordering::Acquire);
            // SAFETY: the node was pushed, and the queue that it was last in outlives its owner's
            // wait (invariant 3); if it is moved meanwhile, the comparison below sees it.
            let queue = unsafe { &*(address as *const WaitQueue) };
            let mut list = queue.lock();
            // Relaxed: written under the lock that we hold.
            if self.queue.load(Ordering::Relaxed) == address {
                return work(&mut list);
            }
        }
    }

    /// Whether a notifier may move it to the queue of a lock.
    pub(super) fn may_move(&self) -> bool {
        self.next_lock.is_some()
    }

    /// The thread is about to run handlers: they may wait for the lock that it needs next, so it
    /// must not stand in that one's queue. If it does, it leaves, being notified already. Returns how
    /// it stood until then.
    pub(super) fn enter_handlers(&self) -> Standing {
        // A model has no handlers.
        if !self.may_move() || cfg!(loom) {
            return self.standing();
        }
        self.in_its_queue(|list| {
            let standing = self.standing();
            if standing == Standing::Moved {
                list.unlink(self);
                self.state.store(GONE, Ordering::Relaxed);
            }
            // Relaxed: under the lock that a notifier takes.
            self.handlers.store(true, Ordering::Relaxed);
            standing
        })
    }

    /// Has the node of this thread, which was notified, stand as one that never was: in no queue.
    pub(super) fn renew(&self, thread: &ThreadRef) {
        self.wake.set(Some(Wake::Thread(thread.clone())));
        self.state.store(GONE, Ordering::Relaxed);
    }

    /// They have run.
    pub(super) fn leave_handlers(&self) {
        if !self.may_move() || cfg!(loom) {
            return;
        }
        // Relaxed: a notifier that does not see it yet wakes the thread, which is as well.
        self.handlers.store(false, Ordering::Relaxed);
    }

    fn runs_handlers(&self) -> bool {
        // A model has no handlers.
        cfg!(not(loom)) && self.handlers.load(Ordering::Relaxed)
    }

    /// Under the queue's lock: the thread that waits, if it is one.
    fn thread(&self) -> Option<ThreadRef> {
        let wake = self.wake.take();
        let thread = match &wake {
            Some(Wake::Thread(thread)) => Some(thread.clone()),
            _ => None,
        };
        self.wake.set(wake);
        thread
    }

    /// Ends the wait of a thread that sleeps: as refused, or, if it was moved, as the notification
    /// that it is. The caller keeps the node alive, and wakes the thread. Returns how it stood until
    /// then; `None` if the queue is busy: the caller holds the thread's record, whose lock comes
    /// after the queues' (invariant 5), so it must not wait here.
    pub(super) fn try_refuse(&self) -> Option<Standing> {
        let address = self.queue.load(Ordering::Acquire);
        // SAFETY: as in `in_its_queue`.
        let mut list = unsafe { &*(address as *const WaitQueue) }.0.try_lock()?;
        if self.queue.load(Ordering::Relaxed) != address {
            return None;
        }
        let standing = self.standing();
        let ended = match standing {
            Standing::Waiting => NOTIFIED | (REFUSED << 3),
            Standing::Moved => GONE,
            Standing::Notified(_) | Standing::Gone => return Some(standing),
        };
        list.unlink(self);
        // Release pairs with the Acquire in `standing`.
        self.state.store(ended, Ordering::Release);
        Some(standing)
    }

    /// In the child of a fork: takes the node of a thread that does not exist there out of its queue.
    /// Not if another such thread held the queue's lock, where no host kept it from that
    /// (invariant 7): that queue is lost.
    pub(super) fn forget(&self) {
        let address = self.queue.load(Ordering::Acquire);
        // SAFETY: as in `in_its_queue`; nobody is there who could move it.
        let list = unsafe { &*(address as *const WaitQueue) }.0.try_lock();
        if let Some(mut list) = list
            && self.is_queued()
        {
            list.unlink(self);
            self.state.store(GONE, Ordering::Relaxed);
        }
    }

    /// Replaces the waker of a task's node, unless it was notified.
    pub(super) fn set_waker(&self, waker: &Waker) {
        let new = Some(Wake::Task(waker.clone()));
        let old = {
            let address = self.queue.load(Ordering::Acquire);
            // SAFETY: a task's node is never moved, so this is the queue that it joined, which
            // outlives it (invariant 3).
            let _list = unsafe { &*(address as *const WaitQueue) }.lock();
            if self.standing() != Standing::Waiting {
                return;
            }
            self.wake.replace(new)
        };
        // A waker's destructor is the user's code: outside the lock.
        drop(old);
    }
}

/// Forgets how long a resource lives; whoever keeps the pointer says why it is alive.
pub(super) fn erase(what: &dyn Resource) -> *const dyn Resource {
    let what: *const (dyn Resource + '_) = what;
    #[expect(clippy::transmute_ptr_to_ptr, reason = "a cast may not change the lifetime")]
    // SAFETY: only the lifetime in the type changes, and a pointer may dangle.
    unsafe {
        std::mem::transmute(what)
    }
}

/// The waiters of one primitive, first come first.
#[derive(Debug)]
pub(crate) struct List {
    head: *const Node,
    tail: *const Node,
    len: usize,
    /// What is known of the primitive, once it was waited for or named.
    object: Option<ObjectRef>,
}

// SAFETY: the pointers are followed only under the ShortLock around the list, and point to nodes
// that stay until they are taken out under it (invariant 2).
unsafe impl Send for List {}

impl List {
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What is known of the primitive; the pointer is good for as long as the queue lives.
    pub(super) fn object(&self) -> *const ObjectInfo {
        self.object.as_ref().map_or(ptr::null(), std::sync::Arc::as_ptr)
    }

    /// The first waiter's owner word (0 for a task) and when it began to wait.
    pub(crate) fn first(&self) -> Option<(usize, u64)> {
        // SAFETY: nodes in the list are alive (invariant 2).
        (!self.head.is_null()).then(|| unsafe { ((*self.head).word, (*self.head).since) })
    }

    /// # Safety
    /// The node stays where it is until it is out of the list again.
    pub(super) unsafe fn push(&mut self, queue: &WaitQueue, node: &Node, front: bool) {
        let (prev, next) = if front { (ptr::null(), self.head) } else { (self.tail, ptr::null()) };
        self.stand(queue, node, prev, next);
    }

    /// As `push`, behind all that have waited for longer.
    ///
    /// # Safety
    /// As for `push`.
    pub(super) unsafe fn push_by_age(&mut self, queue: &WaitQueue, node: &Node) {
        let (mut prev, mut next) = (ptr::null(), self.head);
        // SAFETY: nodes in the list are alive (invariant 2).
        while !next.is_null() && unsafe { (*next).since } <= node.since {
            prev = next;
            // SAFETY: as above.
            next = unsafe { (*next).next.get() };
        }
        self.stand(queue, node, prev, next);
    }

    fn stand(&mut self, queue: &WaitQueue, node: &Node, prev: *const Node, next: *const Node) {
        node.prev.set(prev);
        node.next.set(next);
        node.state.store(WAITING, Ordering::Relaxed);
        // Release pairs with the Acquire of whoever looks for its queue.
        node.queue.store(ptr::from_ref(queue) as usize, Ordering::Release);
        self.link(node, prev, next);
    }

    fn link(&mut self, node: *const Node, prev: *const Node, next: *const Node) {
        // SAFETY: the node is alive, and so are its neighbours, being in the list (invariant 2).
        unsafe {
            if prev.is_null() {
                self.head = node;
            } else {
                (*prev).next.set(node);
            }
            if next.is_null() {
                self.tail = node;
            } else {
                (*next).prev.set(node);
            }
            QUEUED.add((*node).word);
        }
        self.len += 1;
    }

    fn unlink(&mut self, node: &Node) {
        let (prev, next) = (node.prev.get(), node.next.get());
        // SAFETY: neighbours are in the list, so alive (invariant 2).
        unsafe {
            if prev.is_null() {
                self.head = next;
            } else {
                (*prev).next.set(next);
            }
            if next.is_null() { self.tail = prev } else { (*next).prev.set(prev) }
        }
        self.len -= 1;
        QUEUED.remove(node.word);
    }

    /// Takes the first waiter out and marks it notified; the caller wakes it after unlocking.
    pub(crate) fn pop(&mut self, token: Token) -> Option<Woken> {
        if self.head.is_null() {
            return None;
        }
        // SAFETY: nodes in the list are alive (invariant 2), and this one until its state says
        // that it was notified: that store is our last touch of it.
        let node = unsafe { &*self.head };
        self.unlink(node);
        let wake = node.wake.take();
        // Release pairs with the Acquire in `standing`.
        node.state.store(NOTIFIED | (token << 3), Ordering::Release);
        Some(Woken(wake))
    }

    /// As `pop`, for all of them.
    pub(crate) fn pop_all(&mut self, token: Token, wakes: &mut WakeList) {
        while let Some(woken) = self.pop(token) {
            wakes.push(woken);
        }
    }
}

/// The queue of one primitive.
#[derive(Debug)]
pub(crate) struct WaitQueue(ShortLock<List>);

// A model has no list of objects, and its types may not be dropped outside of it.
#[cfg(not(loom))]
impl Drop for WaitQueue {
    fn drop(&mut self) {
        let object = self.lock().object.take();
        if let Some(object) = object {
            object::retire(&object);
        }
    }
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl WaitQueue {
    const_unless_loom! {
        /// An empty queue.
        pub(crate) fn new() -> Self {
            Self(ShortLock::new(List {
                head: ptr::null(),
                tail: ptr::null(),
                len: 0,
                object: None,
            }))
        }
    }

    /// What is known of the primitive with this queue; it is made if that is nothing. The pointer
    /// is good for as long as the queue lives.
    #[cold]
    pub(super) fn make_object(&self, what: &dyn Resource) -> *const ObjectInfo {
        let mut new = Some(object::make(what));
        let (made, is_new) = {
            let mut list = self.lock();
            let is_new = list.object.is_none();
            (
                list.object
                    .get_or_insert_with(|| new.take().unwrap_or_else(|| object::make(what)))
                    .clone(),
                is_new,
            )
        };
        if is_new {
            object::enlist(&made);
        }
        Arc::as_ptr(&made)
    }

    /// Names the primitive with this queue, for reports.
    pub(crate) fn set_name(&self, what: &dyn Resource, name: &str) {
        let object = self.make_object(what);
        // SAFETY: good for as long as the queue is, which we borrow.
        object::rename(unsafe { &*object }, name);
    }

    /// The name that the primitive with this queue was given.
    pub(crate) fn name(&self) -> Option<Arc<str>> {
        if !object::any_has_name() {
            return None;
        }
        let object = self.lock().object.clone();
        object?.name()
    }

    pub(crate) fn lock(&self) -> ShortGuard<'_, List> {
        self.0.lock()
    }

    /// As [`WaitQueue::lock`], for the child of a fork: `None` if a thread that is not here was in the
    /// middle of something with it.
    pub(crate) fn try_lock(&self) -> Option<ShortGuard<'_, List>> {
        self.0.try_lock()
    }

    /// Notifies the first waiter, if there is one, and wakes it.
    pub(crate) fn notify_one(&self, token: Token) -> bool {
        let woken = self.lock().pop(token);
        let any = woken.is_some();
        if let Some(woken) = woken {
            woken.wake();
        }
        any
    }

    /// Notifies and wakes one waiter, whatever the calling thread does next.
    pub(crate) fn wake_one_now(&self) {
        let woken = self.lock().pop(NORMAL);
        if let Some(woken) = woken {
            woken.wake_now();
        }
    }

    /// Notifies and wakes up to `most` waiters; returns how many.
    pub(crate) fn notify_many(&self, most: usize, token: Token) -> usize {
        let mut wakes = WakeList::default();
        let mut count = 0;
        {
            let mut list = self.lock();
            while count < most
                && let Some(woken) = list.pop(token)
            {
                wakes.push(woken);
                count += 1;
            }
        }
        wakes.wake();
        count
    }

    /// Notifies all waiters; the caller wakes them.
    pub(crate) fn pop_all(&self, token: Token, wakes: &mut WakeList) {
        self.lock().pop_all(token, wakes);
    }

    /// Notifies up to `most` waiters. Those that need the lock with the queue `target` next are
    /// moved there, asleep; others, and tasks, are woken. `target_ready` is asked once, under both
    /// queues' locks, whether the lock will wake its waiters (and says so in its word); if not,
    /// nothing happens and `None` is returned. `emptied` is called, under this queue's lock, if
    /// nobody is left in it.
    ///
    /// No two queues may be used in both roles: their locks are taken in this order.
    pub(crate) fn requeue(
        &self,
        target: &WaitQueue,
        most: usize,
        target_ready: impl FnOnce() -> bool,
        emptied: impl FnOnce(),
    ) -> Option<usize> {
        let mut wakes = WakeList::default();
        let mut count = 0;
        {
            let mut from = self.lock();
            if from.is_empty() {
                emptied();
                return Some(0);
            }
            let mut to = target.lock();
            if !target_ready() {
                return None;
            }
            let mut clock = Clock::now();
            // SAFETY: null, or alive as long as the queue, which we borrow.
            let objects = unsafe { [from.object().as_ref(), to.object().as_ref()] };
            while count < most && !from.is_empty() {
                count += 1;
                // SAFETY: nodes in the list are alive (invariant 2); we hold its lock.
                let node = unsafe { &*from.head };
                match (node.thread(), node.next_lock) {
                    (Some(thread), Some((queue, what)))
                        if ptr::eq(queue, target) && !node.runs_handlers() =>
                    {
                        from.unlink(node);
                        // SAFETY: the node was in a list until now and is not notified, so its
                        // owner keeps it; `target` is the queue that outlives its wait.
                        unsafe { to.push(target, node, false) };
                        node.state.store(MOVED, Ordering::Relaxed);
                        let moved = thread.tally.moved(node.since(), objects, &mut clock);
                        // SAFETY: `next_lock` outlives the wait.
                        unsafe { thread.redirect(node, what, to.object(), moved) };
                    }
                    _ => from.pop(NORMAL).into_iter().for_each(|woken| wakes.push(woken)),
                }
            }
            if from.is_empty() {
                emptied();
            }
        }
        wakes.wake();
        Some(count)
    }
}
