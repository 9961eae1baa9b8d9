//! The record of each thread: how to wake it, and what it waits for.

use std::sync::Arc;

use super::deadline::Deadline;
use super::object::ObjectInfo;
use super::queue::{Node, Standing, erase};
#[cfg(all(unix, not(loom)))]
use super::released::ReleasedByOthers;
use super::report::Deadlock;
use super::runtime::Resource;
use super::sampling::Moved;
use super::tally::{ThreadTally, WaitedFor};
use crate::platform;
#[cfg(not(loom))]
use crate::primitive::AtomicBool;
#[cfg(all(unix, not(loom)))]
use crate::primitive::OnceLock;
use crate::primitive::{
    AtomicU32, AtomicU64, AtomicUsize, Ordering, Parker, ShortLock, thread_word,
};

/// A shared reference to a thread's record.
pub type ThreadRef = Arc<ThreadInfo>;

/// What the runtime knows of one thread that has blocked, or that was registered.
pub struct ThreadInfo {
    word: usize,
    native_id: AtomicU64,
    /// 1 for the thread that the process began with, 2 for a background thread of the runtime.
    pub(super) role: AtomicUsize,
    name: ShortLock<Option<Arc<str>>>,
    /// How often it was named.
    named: AtomicU32,
    /// How often it had been when an observer wrote its name last; `UNTOLD` before.
    #[cfg(all(unix, not(loom)))]
    told: AtomicU32,
    pub(super) parker: Parker,
    /// It was woken with many others, and is to wake one of them.
    #[cfg(not(loom))]
    pub(super) in_herd: AtomicBool,
    /// The innermost wait of this thread; a wait begun inside a signal handler stands before the
    /// one that it interrupted.
    waiting: ShortLock<Innermost>,
    /// Why this thread's wait was refused while it slept.
    refusal: ShortLock<Option<Box<Deadlock>>>,
    /// 1 once it runs no more code of the user.
    leaving: AtomicUsize,
    /// When it was registered.
    began: u64,
    pub(super) tally: ThreadTally,
    /// It has ended, and what it did is in the sum of those.
    pub(super) is_summed_up: std::sync::atomic::AtomicBool,
    #[cfg(all(unix, not(loom)))]
    pub(crate) released: ReleasedByOthers,
    /// What an observer notes of the thread, for when others ask.
    #[cfg(all(unix, not(loom)))]
    pub(crate) notes: OnceLock<Arc<dyn std::any::Any + Send + Sync>>,
}

#[derive(Debug)]
struct Innermost(*const WaitRecord);

// SAFETY: the pointer is followed only while the ShortLock around it is held, and the thread whose
// stack holds the record takes the pointer out, under that lock, before the record dies.
unsafe impl Send for Innermost {}

/// One wait, on the stack of the thread that waits.
#[derive(Debug)]
pub(super) struct WaitRecord {
    pub(super) what: *const dyn Resource,
    /// What is known of it, or null: as good as the queue that the node is in.
    pub(super) object: *const ObjectInfo,
    pub(super) deadline: Deadline,
    pub(super) since: u64,
    /// That it was moved to a lock's queue, when `since` became the beginning of the wait there.
    pub(super) moved: Option<Moved>,
    pub(super) node: *const Node,
    outer: *const WaitRecord,
    serial: u64,
    /// 1 when the thread is about to sleep; before that it still runs code, a lock's release, say.
    /// `IN_HANDLERS` while it runs handlers.
    begun: AtomicUsize,
    /// This wait was or will be refused: nobody needs to see to that again.
    refused: bool,
}

/// A look at what a thread waits for, valid while its record is locked.
#[derive(Clone, Copy)]
pub struct WaitView<'a> {
    /// What it waits for.
    pub what: &'a dyn Resource,
    /// What is known of that from earlier waits.
    pub object: Option<&'a ObjectInfo>,
    /// When it gives up.
    pub deadline: Deadline,
    pub(crate) since: u64,
    /// A number that no other wait of the process has.
    pub serial: u64,
    /// Whether a waker has chosen this thread, or the wait was refused: it is about to go on. Or it
    /// runs handlers.
    pub notified: bool,
    /// The same, but for one that runs handlers and will wait for it again.
    pub(crate) is_over: bool,
    /// Whether its wait cannot be refused by others any more: it was notified, and waits for the
    /// lock that it needs next.
    pub moved: bool,
}

impl WaitView<'_> {
    /// How long it has waited, in nanoseconds.
    #[must_use]
    pub fn waited_ns(&self) -> u64 {
        crate::primitive::now().saturating_sub(self.since)
    }
}

impl std::fmt::Debug for WaitView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaitView")
            .field("kind", &self.what.kind())
            .field("deadline", &self.deadline)
            .field("waited_ns", &self.waited_ns())
            .field("serial", &self.serial)
            .field("notified", &self.notified)
            .finish()
    }
}

impl std::fmt::Debug for ThreadInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What a panic over a deadlock prints of each thread in it.
        f.debug_struct("ThreadInfo")
            .field("name", &self.name())
            .field("word", &format_args!("{:#x}", self.word))
            .finish_non_exhaustive()
    }
}

impl ThreadInfo {
    pub(super) fn new(name: Option<Arc<str>>) -> Self {
        let native_id = platform::native_id();
        Self {
            word: thread_word(),
            native_id: AtomicU64::new(native_id),
            role: AtomicUsize::new(usize::from(platform::is_main_thread(native_id))),
            name: ShortLock::new(name),
            named: AtomicU32::new(0),
            #[cfg(all(unix, not(loom)))]
            told: AtomicU32::new(UNTOLD),
            parker: Parker::new(),
            #[cfg(not(loom))]
            in_herd: AtomicBool::new(false),
            waiting: ShortLock::new(Innermost(std::ptr::null())),
            refusal: ShortLock::new(None),
            leaving: AtomicUsize::new(0),
            began: crate::primitive::now(),
            tally: ThreadTally::new(),
            is_summed_up: std::sync::atomic::AtomicBool::new(false),
            #[cfg(all(unix, not(loom)))]
            released: ReleasedByOthers::new(),
            #[cfg(all(unix, not(loom)))]
            notes: OnceLock::new(),
        }
    }

    /// The word that locks store as their owner.
    #[must_use]
    pub fn word(&self) -> usize {
        self.word
    }

    /// The kernel's number for the thread; 0 on systems without one.
    #[must_use]
    pub fn native_id(&self) -> u64 {
        // Relaxed: written before the record is shared, and by the child of a fork, which is alone.
        self.native_id.load(Ordering::Relaxed)
    }

    /// The name for reports, if one was given.
    #[must_use]
    pub fn name(&self) -> Option<Arc<str>> {
        self.name.lock().clone()
    }

    /// Names the thread in reports.
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        let new = Some(name.into());
        let old = std::mem::replace(&mut *self.name.lock(), new);
        // Relaxed: who sees it late writes the new name with its next event.
        self.named.fetch_add(1, Ordering::Relaxed);
        drop(old);
    }

    /// How often it was named: whether it has another name than when this was asked last.
    #[cfg(all(unix, not(loom)))]
    #[inline]
    pub(crate) fn times_named(&self) -> u32 {
        self.named.load(Ordering::Relaxed)
    }

    /// Says that an observer has written the name that the thread had when it had been named so
    /// often.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn set_told(&self, named: u32) {
        // Relaxed, as below: who looks too early writes the name once more.
        self.told.store(named, Ordering::Relaxed);
    }

    /// Whether an observer has written its name, and it was named anew since.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn is_named_since_told(&self) -> bool {
        let told = self.told.load(Ordering::Relaxed);
        told != UNTOLD && told != self.times_named()
    }

    /// Whether this is the thread that the process began with. `false` where that is unknown.
    #[must_use]
    pub fn is_main(&self) -> bool {
        // Relaxed: as for `native_id`.
        self.role.load(Ordering::Relaxed) == 1
    }

    /// How long ago the thread was registered, in nanoseconds.
    #[must_use]
    pub fn age_ns(&self) -> u64 {
        crate::primitive::now().saturating_sub(self.began)
    }

    /// How often and how long it waited, for each kind of thing: waits that are over.
    #[must_use]
    pub fn waited_for(&self) -> Vec<WaitedFor> {
        self.tally.read()
    }

    /// How long it waited for the host's own lock (Python's GIL) after it had been woken: since
    /// [`keep_ended`](super::keep_ended), or while there is a trace.
    #[must_use]
    pub fn waited_for_host(&self) -> std::time::Duration {
        self.tally.host()
    }

    /// Notes the number of the wake that ends the thread's wait.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn set_flow(&self, flow: u64) {
        // Relaxed: the wake itself orders it.
        self.tally.flow.store(flow, std::sync::atomic::Ordering::Relaxed);
    }

    /// The number of the wake that ended the thread's wait, 0 if none is known.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn take_flow(&self) -> u64 {
        self.tally.flow.swap(0, std::sync::atomic::Ordering::Relaxed)
    }

    /// Says that the thread will run no more code of the user; returns whether that was new.
    pub(crate) fn leave(&self) -> bool {
        // SeqCst: of two threads that leave last one must see the other leaving.
        self.leaving.swap(1, Ordering::SeqCst) == 0
    }

    /// Whether the thread runs no more code of the user.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst) == 1
    }

    /// How many waits of this thread stand in a queue: more than one if handlers wait as well.
    pub(super) fn queued(&self) -> usize {
        let innermost = self.waiting.lock();
        let mut record = innermost.0;
        let mut count = 0;
        while !record.is_null() {
            // SAFETY: published records, and their nodes, are alive.
            let (each, node) = unsafe { (&*record, &*(*record).node) };
            count += usize::from(node.is_queued());
            record = each.outer;
        }
        count
    }

    /// In the child of a fork: the thread that forked is another one for the system.
    pub(super) fn is_another_thread(&self) {
        let native_id = platform::native_id();
        self.native_id.store(native_id, Ordering::Relaxed);
        self.role.store(usize::from(platform::is_main_thread(native_id)), Ordering::Relaxed);
    }

    /// Takes all its waits out of their queues.
    ///
    /// # Safety
    /// The thread does not exist, as this is the child of a fork, but its stack does: nobody holds the
    /// lock on its record, or will take it.
    pub(super) unsafe fn forget_waits(&self) {
        // SAFETY: the caller's; published records, and their nodes, are alive.
        unsafe {
            self.waiting.reset();
            let mut record = self.waiting.lock().0;
            while !record.is_null() {
                Node::forget(&*(*record).node);
                record = (*record).outer;
            }
        }
        self.waiting.lock().0 = std::ptr::null();
    }

    /// When the waits began that the thread is in, the outermost first: there is one if this is
    /// called by a handler, or by a lock of the host's that is released by the wait itself.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn waits_began(&self) -> Vec<u64> {
        let innermost = self.waiting.lock();
        let mut began = Vec::new();
        let mut record = innermost.0;
        while !record.is_null() {
            // SAFETY: published records are alive.
            let each = unsafe { &*record };
            began.insert(0, each.since);
            record = each.outer;
        }
        began
    }

    /// Has nobody else find the wait that this thread is in, because it is refused already.
    pub(crate) fn mark_refused(&self) {
        let innermost = self.waiting.lock();
        let record = innermost.0.cast_mut();
        if !record.is_null() {
            // SAFETY: published records are alive, and are written only under this lock.
            unsafe { (*record).refused = true };
        }
    }

    /// Ends the wait that this thread sleeps in, telling it why, unless it was notified already. If
    /// it was moved to a lock's queue it goes on to wait for that lock, and finds this out itself.
    pub(crate) fn refuse(&self, why: Deadlock) {
        let old = self.refusal.lock().replace(Box::new(why));
        drop(old);
        let stood = loop {
            let innermost = self.waiting.lock();
            if innermost.0.is_null() {
                break Standing::Gone;
            }
            // SAFETY: published, so the record and its node are alive (invariant 6) while we hold
            // the lock, which the thread needs to get out.
            if let Some(stood) = unsafe { (*(*innermost.0).node).try_refuse() } {
                break stood;
            }
        };
        if matches!(stood, Standing::Waiting | Standing::Moved) {
            super::runtime::sched().wake(&self.parker);
        }
        if stood != Standing::Waiting {
            // Nobody will ask for it, and it refers to threads: to this one as well.
            let unused = self.refusal.lock().take();
            drop(unused);
        }
    }

    #[expect(clippy::unnecessary_box_returns, reason = "it is carried in a box")]
    pub(super) fn take_refusal(&self) -> Box<Deadlock> {
        // A refusal is stored before its token is.
        self.refusal.lock().take().unwrap_or_default()
    }

    /// Calls `look` with the thread's innermost wait, while that cannot end.
    ///
    /// `look` runs inside a short lock: it must neither wait, nor look at the same thread, nor run
    /// code of a user.
    pub fn look<R>(&self, look: impl FnOnce(Option<WaitView<'_>>) -> R) -> R {
        let innermost = self.waiting.lock();
        // SAFETY: null, or published, which cannot end while we hold the lock.
        look(unsafe { innermost.0.as_ref().and_then(|record| record.view()) })
    }

    /// Whether one of the waits that the thread is in is as `is_it` says: handlers wait as well. As for
    /// [`ThreadInfo::look`].
    pub(crate) fn is_in_wait(&self, is_it: impl Fn(WaitView<'_>) -> bool) -> bool {
        let innermost = self.waiting.lock();
        let mut record = innermost.0;
        // SAFETY: as in `look`.
        while let Some(each) = unsafe { record.as_ref() } {
            // SAFETY: as above.
            if unsafe { each.view() }.is_some_and(&is_it) {
                return true;
            }
            record = each.outer;
        }
        false
    }

    /// Publishes `record` as the innermost wait. The caller unpublishes it before it dies, and uses
    /// it until then through the returned pointer only.
    pub(super) fn publish(&self, record: &mut WaitRecord) -> *const WaitRecord {
        let mut innermost = self.waiting.lock();
        record.outer = innermost.0;
        innermost.0 = record;
        innermost.0
    }

    /// Takes the innermost wait, which must be `record`, back.
    pub(super) fn unpublish(&self, record: *const WaitRecord) {
        let mut innermost = self.waiting.lock();
        debug_assert!(std::ptr::eq(innermost.0, record));
        // SAFETY: published until now, so alive.
        innermost.0 = unsafe { (*record).outer };
    }

    /// Says that the thread runs handlers: it is not seen asleep until its wait begins again.
    ///
    /// # Safety
    /// The record is published by this thread.
    pub(super) unsafe fn pause(&self, record: *const WaitRecord) {
        // Under the lock: who sees what a handler did, and then looks here, sees this as well.
        let _innermost = self.waiting.lock();
        // SAFETY: the caller's; the field is only ever shared.
        unsafe { &(*record).begun }.store(IN_HANDLERS, Ordering::Relaxed);
    }

    /// Says what is known of `what`, unless the published `record` waits for something else by now.
    ///
    /// # Safety
    /// The record is published by this thread, and `object` outlives the wait.
    pub(super) unsafe fn set_object(
        &self,
        record: *const WaitRecord,
        what: &dyn Resource,
        object: *const ObjectInfo,
    ) {
        let _innermost = self.waiting.lock();
        // SAFETY: published records are alive, and are written only under this lock.
        unsafe {
            if std::ptr::addr_eq((*record).what, what) {
                (*record.cast_mut()).object = object;
            }
        }
    }

    /// Says that the published wait with this node waits for `what` from now on, of which `object` is
    /// known, without a deadline.
    ///
    /// # Safety
    /// Both outlive the wait.
    pub(super) unsafe fn redirect(
        &self,
        node: *const Node,
        what: *const dyn Resource,
        object: *const ObjectInfo,
        moved: Moved,
    ) {
        let innermost = self.waiting.lock();
        let mut record = innermost.0.cast_mut();
        while !record.is_null() {
            // SAFETY: published records are alive, and are written only under this lock.
            unsafe {
                if (*record).node == node {
                    (*record).what = what;
                    (*record).object = object;
                    (*record).deadline = Deadline::NEVER;
                    (*record).since = moved.at;
                    (*record).moved = Some(moved);
                    return;
                }
                record = (*record).outer.cast_mut();
            }
        }
    }
}

/// Nothing was written of the thread.
#[cfg(all(unix, not(loom)))]
const UNTOLD: u32 = u32::MAX;

/// `WaitRecord::begun` of a thread that has slept, and runs handlers.
const IN_HANDLERS: usize = 2;

impl WaitRecord {
    pub(super) fn new(
        what: &dyn Resource,
        deadline: Deadline,
        since: u64,
        node: *const Node,
    ) -> Self {
        static SERIAL: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        // `park` keeps the reference alive until it has unpublished the record.
        let what = erase(what);
        Self {
            what,
            object: std::ptr::null(),
            deadline,
            since,
            moved: None,
            node,
            outer: std::ptr::null(),
            serial: SERIAL.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            begun: AtomicUsize::new(0),
            refused: false,
        }
    }

    /// What is seen of the wait, unless it is only about to begin.
    ///
    /// # Safety
    /// The record is published, and the lock on it held: it, its node and its resource outlive the
    /// publication (invariant 6).
    unsafe fn view(&self) -> Option<WaitView<'_>> {
        // Acquire pairs with the Release in `begin`: what the thread did before it slept, such as
        // to notify another one, is seen.
        let begun = self.begun.load(Ordering::Acquire);
        if begun == 0 {
            return None;
        }
        // SAFETY: the caller's; the object is null, or alive as long as the queue that the node is in.
        let (what, object, node) = unsafe { (&*self.what, self.object.as_ref(), &*self.node) };
        let standing = node.standing();
        let runs_handlers = begun == IN_HANDLERS;
        // Who runs handlers may stand aside meanwhile.
        let is_gone = standing == Standing::Gone && !runs_handlers;
        let is_over = self.refused || is_gone || matches!(standing, Standing::Notified(_));
        Some(WaitView {
            what,
            object,
            deadline: self.deadline,
            since: self.since,
            serial: self.serial,
            notified: is_over || runs_handlers,
            is_over,
            moved: standing == Standing::Moved,
        })
    }

    /// The thread is about to sleep.
    ///
    /// # Safety
    /// The record is alive.
    pub(super) unsafe fn begin(record: *const Self) {
        // Release pairs with the Acquire in `view`.
        // SAFETY: the caller's; the field is only ever shared.
        unsafe { &(*record).begun }.store(1, Ordering::Release);
    }
}

/// How many waits of threads stand in some queue: a thread that was chosen by a waker counts no more,
/// though it may not have run yet.
pub(super) struct Queued(std::sync::atomic::AtomicUsize);

pub(super) static QUEUED: Queued = Queued(std::sync::atomic::AtomicUsize::new(0));

impl Queued {
    /// A waiter with this word, which a task has not, has come.
    pub(super) fn add(&self, word: usize) {
        // SeqCst: of two threads that block last at the same moment one must see both counted.
        self.0.fetch_add(usize::from(word != 0), std::sync::atomic::Ordering::SeqCst);
    }

    /// It has left.
    pub(super) fn remove(&self, word: usize) {
        self.0.fetch_sub(usize::from(word != 0), std::sync::atomic::Ordering::SeqCst);
    }

    /// In the child of a fork: so many are left.
    pub(super) fn set(&self, waits: usize) {
        self.0.store(waits, std::sync::atomic::Ordering::SeqCst);
    }
}

/// How many waits of threads stand in some queue.
pub(crate) fn queued_threads() -> usize {
    QUEUED.0.load(std::sync::atomic::Ordering::SeqCst)
}
