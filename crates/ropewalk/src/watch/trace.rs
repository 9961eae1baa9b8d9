//! `--trace`: every wait, wake and held lock, as events that Perfetto and Chrome open.
//!
//! Each thread writes its events, as text, into a piece of the file that is mapped into memory and
//! belongs to it alone, until it ends and another one goes on there. Its first piece is a small one. So threads do not wait for each
//! other, at most one piece a thread is in memory, and what was written is in the file even when the
//! process is killed. Unused room is spaces; the events are a JSON array, whose end viewers do not
//! insist on.
//!
//! - A wait is a slice of its thread's lane, written when it ends. If it goes on, the thread having
//!   been woken in vain, its slice is written anew in the place of the last one, or, if the thread has
//!   written something else in between, from there on.
//! - A wake is a short slice of the waker's lane (as long as it takes to write it), with an arrow to
//!   another one at the end of the wait: from the wake until the woken thread goes on. (Perfetto takes
//!   for the beginning of an arrow the slice that began first, so the wait itself cannot be its end.)
//! - A held lock is a slice, written when it is released or the trace ends, where the host tells of it
//!   (`held.rs`).
//! - A queue's depth is a counter, read when a wait for it ends, and now and then: written then if it is
//!   another one.
//!
//! The slices of a lane lie within each other or apart: viewers drop those that overlap. So a held
//! lock is cut in pieces where something else ends or begins that does not lie within it.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::events::{HoldTitle, Text, Title, arrow, hold, hold_title, name, push_name, slice};
use super::held::{self, Held};
use super::samples::Samples;
use super::snapshot::look_at_wait;
use crate::platform::{Chunk, GRAIN, OwnFile, new_file, smallest};
use crate::primitive::{AtomicU64, OnceLock, Ordering, ShortLock, now, thread_local};
use crate::wait::{
    ObjectInfo, Origin, ResourceKind, ThreadInfo, ThreadRef, current, measure_exactly, threads,
};

static TRACE: OnceLock<Trace> = OnceLock::new();
/// Tells arrows apart that begin at the same time.
static FLOW: AtomicU64 = AtomicU64::new(0);
/// The number of an arrow is the time where it begins, in nanoseconds, with so many bits more. A
/// viewer that reads it as a floating-point number may lose the last ones: no harm.
const FLOW_BITS: u32 = 6;

/// There are no further pieces.
const ENDED: u64 = u64::MAX;

#[derive(Debug)]
struct Trace {
    file: OwnFile<File>,
    /// Where the next piece begins, or `ENDED`.
    end: AtomicU64,
    /// What threads that have ended left of theirs.
    left: ShortLock<Vec<Chunk>>,
    samples: Samples,
    pid: u32,
    /// Why it ended early.
    problem: ShortLock<Option<io::Error>>,
}

/// So many lines that made locks are remembered by a thread.
const SITES: usize = 16;

/// How the events begin of locks that were made at one line; empty for those of the runtime itself.
#[derive(Debug, Default)]
struct Sites {
    known: Vec<((usize, u32, usize), HoldTitle)>,
    next: usize,
}

/// What a thread has for its events.
#[derive(Debug)]
struct Lane {
    thread: Option<ThreadRef>,
    piece: Option<Chunk>,
    /// The size of the last piece that was made for this thread.
    size: usize,
    /// The event that is being written.
    text: Vec<u8>,
    /// What ends each event of this thread.
    tail: Vec<u8>,
    /// How often the thread had got a name when it was asked for that last.
    named: u32,
    /// Whether the lane has a name in the file.
    has_name: bool,
    /// See [`Text`].
    last: u64,
    awake: u64,
    turn: Turn,
    sites: Sites,
}

/// The last turn of a wait that was written.
#[derive(Debug, Clone, Copy)]
struct Turn {
    /// When the wait began.
    since: u64,
    /// When the turn ended.
    end: u64,
    /// How long its event is, if that is the last one of the lane, or 0.
    bytes: usize,
}

thread_local! {
    static LANE: RefCell<Lane> = const {
        RefCell::new(Lane {
            thread: None,
            piece: None,
            size: 0,
            text: Vec::new(),
            tail: Vec::new(),
            named: 0,
            has_name: false,
            last: 0,
            awake: 0,
            turn: Turn { since: 0, end: 0, bytes: 0 },
            sites: Sites { known: Vec::new(), next: 0 },
        })
    };
}

impl Drop for Lane {
    fn drop(&mut self) {
        // Not in the child of a fork, which may have been made while the lock was held.
        if let (Some(piece), Some(trace)) =
            (self.piece.take(), TRACE.get().filter(|_| is_tracing()))
        {
            trace.left.lock().push(piece);
        }
    }
}

/// Whether events are written.
#[inline]
#[must_use]
pub fn is_tracing() -> bool {
    held::notes(held::TRACE)
}

/// Begins to write events into a new file, also where there is one of that name. A process can do
/// so once.
///
/// Waits and wakes are seen without further ado; how long a lock was held is written for locks that
/// [`lock_taken`](super::lock_taken) is told of, as a host does. Those of this crate tell nobody.
///
/// # Errors
/// The file cannot be made, or the process has begun one before.
pub fn start_trace(path: &Path) -> io::Result<()> {
    if TRACE.get().is_some() {
        return Err(begun_before());
    }
    let file = new_file(path)?;
    // Now, so that a full disk is an error of this call.
    let mut first = Chunk::new(&file, 0, GRAIN)?;
    let pid = std::process::id();
    first.push(b"[\n");
    first.push(process_name(pid).as_bytes());
    first.push(b",\n");
    let end = AtomicU64::new(GRAIN as u64);
    let (left, problem) = (ShortLock::new(Vec::new()), ShortLock::new(None));
    let samples = Samples::new();
    let file = OwnFile::new(file)?;
    if TRACE.set(Trace { file, end, left, samples, pid, problem }).is_err() {
        return Err(begun_before());
    }
    LANE.with_borrow_mut(|lane| {
        lane.piece = Some(first);
        lane.size = GRAIN;
    });
    measure_exactly();
    held::set(held::TRACE, true);
    Ok(())
}

fn begun_before() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "this process has begun a trace before")
}

/// Writes the waits that go on and the locks that are held, ends the file and writes no more;
/// returns why it had ended before, if it had. Does nothing if there is no trace.
///
/// # Errors
/// The disk is full.
pub fn stop_trace() -> io::Result<()> {
    let Some(trace) = TRACE.get() else { return Ok(()) };
    if held::set(held::TRACE, false) {
        // What comes now stands behind all that there is: of several names of a lane the last counts.
        let left = std::mem::take(&mut *trace.left.lock());
        drop(left);
        Trace::with_lane(|lane| lane.piece = None);
        for thread in threads() {
            trace.write_what_goes_on(&thread);
        }
        // Last of all, without a comma.
        let place = trace.end.swap(ENDED, Ordering::Relaxed);
        let file = trace.file()?;
        let mut last = Chunk::new(file, place, GRAIN)?;
        let text = format!("{}\n]\n", process_name(trace.pid));
        last.push(text.as_bytes());
        drop(last);
        // The spaces behind it are of no use.
        file.set_len(place + text.len() as u64)?;
    }
    let problem = trace.problem.lock().take();
    problem.map_or(Ok(()), Err)
}

/// What the process is called in the trace: its program and the first of its arguments.
fn process_name(pid: u32) -> String {
    let mut words = Vec::new();
    for (place, word) in std::env::args_os().enumerate() {
        let word = word.to_string_lossy();
        words.push(word.rsplit('/').next().unwrap_or_default().to_owned());
        // As far as the script's or module's name; a command would be too long.
        if place > 0 && (!word.starts_with('-') || word == "-c") {
            break;
        }
    }
    let mut name = Vec::new();
    push_name(&mut name, &words.join(" "));
    let name = String::from_utf8_lossy(&name);
    format!(
        "{{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":{pid},\"args\":{{\"name\":\"{name}\"}}}}"
    )
}

/// In the child of a fork: the file is the parent's.
pub(super) fn after_fork_in_child() {
    held::set(held::TRACE, false);
}

/// A turn of a wait is over; without an object if that is not kept.
pub(super) fn waited(
    thread: &ThreadRef,
    kind: ResourceKind,
    object: Option<&ObjectInfo>,
    since: u64,
    until: Option<u64>,
) {
    let Some(trace) = TRACE.get() else { return };
    let end = until.unwrap_or_else(now);
    // Nothing has woken it yet if it goes on to wait for something else.
    let flow = if until.is_none() { thread.take_flow() } else { 0 };
    trace.write_turn(since, end, |text, since| {
        let last = *text.last;
        // A handler may have run before this turn, and have released a lock.
        let since = since.max(*text.awake);
        held::taken_since(since, |held| cut(text, held, &[], end));
        let wake = flow >> FLOW_BITS;
        // A handler may have held something when the wake came, and released it.
        let woken = (wake + 1).max(last);
        if flow != 0 && wake >= since && woken < end {
            slice(text, "woken", None, woken, end);
            arrow(text, "f\",\"bp\":\"e", flow, woken);
        }
        if let Some(object) = object {
            trace.samples.write(text, object, end);
        }
        let start = text.to.len();
        match object {
            Some(object) => {
                Title::of(object, |title| slice(text, "wait", Some(title), since, end));
            }
            // For something to do.
            None if kind.is_idle() => slice(text, "idle", None, since, end),
            None => slice(text, "wait", Some(Title::new(kind, None, None)), since, end),
        }
        text.to.len() - start
    });
}

/// The calling thread wakes another one.
pub(super) fn wakes(woken: &ThreadInfo) {
    let Some(trace) = TRACE.get() else { return };
    let at = now();
    let flow = (at << FLOW_BITS) | (FLOW.fetch_add(1, Ordering::Relaxed) % (1 << FLOW_BITS));
    woken.set_flow(flow);
    let name = woken.name();
    trace.write(|text| {
        // An arrow needs a slice to begin at. It ends now, so that whatever comes next is outside.
        let title = Title { kind: "thread", name: name.as_deref(), quoted: true };
        slice(text, "wake", Some(title), at, now().max(at + 1));
        arrow(text, "s", flow, at);
    });
}

/// How the event of a lock begins that is of a kind, was made at `origin` and may have a name; `None`
/// for one that the runtime made for itself.
pub(super) fn title_of_hold(
    kind: &'static str,
    origin: Origin,
    name: Option<&str>,
) -> Option<HoldTitle> {
    // Found before anything is borrowed: it may call the host, which may take locks.
    let site = if let (Origin::Host(site), None) = (origin, name) {
        Some((site.code(), site.position(), kind.as_ptr() as usize))
    } else {
        None
    };
    let known = site.and_then(|site| with_sites(|sites| sites.find(site)).flatten());
    let title = known.unwrap_or_else(|| {
        let title = if origin.is_own() {
            HoldTitle::default()
        } else {
            let made_at = if name.is_none() { origin.describe_shared() } else { None };
            hold_title(Title { kind, name: name.or(made_at.as_deref()), quoted: name.is_some() })
        };
        if let Some(site) = site {
            with_sites(|sites| sites.add(site, title.clone()));
        }
        title
    });
    (!title.is_empty()).then_some(title)
}

/// What the lane of a thread is called.
fn name_of(thread: &ThreadInfo) -> Arc<str> {
    thread.name().unwrap_or_else(|| format!("thread {}", thread.native_id()).into())
}

/// A thread whose locals are gone remembers none.
fn with_sites<R>(with: impl FnOnce(&mut Sites) -> R) -> Option<R> {
    LANE.try_with(|lane| Some(with(&mut lane.try_borrow_mut().ok()?.sites))).ok().flatten()
}

impl Sites {
    fn find(&self, site: (usize, u32, usize)) -> Option<HoldTitle> {
        self.known.iter().find(|(known, _)| *known == site).map(|(_, title)| title.clone())
    }

    fn add(&mut self, site: (usize, u32, usize), title: HoldTitle) {
        if self.known.len() < SITES {
            self.known.push((site, title));
        } else {
            self.known[self.next] = (site, title);
            self.next = (self.next + 1) % SITES;
        }
    }
}

/// The calling thread, which holds these locks, has released the first of them: before it sleeps in
/// waits that began at those times, or in a handler that one of them runs. `until` is when the wait
/// began that has released it, which is not among them.
pub(super) fn released(held: &mut [Held], waits: &[u64], until: Option<u64>) {
    let Some(trace) = TRACE.get() else { return };
    let at = until.unwrap_or_else(now);
    trace.write(|text| {
        if waits.is_empty() && until.is_none() {
            *text.awake = at;
        }
        // Slices of a lane must lie within each other: those that were taken later are cut in two.
        for each in held.iter_mut().rev() {
            if until.is_none() {
                cut(text, each, waits, at);
            } else if each.since < at {
                cut(text, each, waits, at);
                // As in `cut`.
                each.since = at + 1;
            }
        }
    });
}

/// Writes how long a lock was held until now, in pieces that do not reach across the begin of a wait
/// that goes on.
fn cut(text: &mut Text<'_>, held: &mut Held, waits: &[u64], at: u64) {
    let since = std::mem::replace(&mut held.since, at);
    let Some(title) = &held.title else { return };
    let mut from = since;
    for wait in waits.iter().filter(|wait| (since + 1..at).contains(wait)) {
        hold(text, title, from, *wait);
        // Later than the wait, which is then the outer one for everybody.
        from = wait + 1;
    }
    hold(text, title, from, at);
}

impl Trace {
    /// Writes events of the calling thread: `fill` appends them.
    fn write(&self, fill: impl FnOnce(&mut Text<'_>)) {
        Self::with_lane(|lane| {
            lane.turn.bytes = 0;
            fill(&mut self.begin(lane));
            self.flush_own(lane);
        });
    }

    /// Writes a turn of a wait that began at `since`: `fill` appends it, being told where its slice
    /// begins, as the last event, and returns how long that is.
    fn write_turn(&self, since: u64, end: u64, fill: impl FnOnce(&mut Text<'_>, u64) -> usize) {
        Self::with_lane(|lane| {
            let last = lane.turn;
            let goes_on = last.since == since;
            let from = if goes_on && last.bytes == 0 { last.end } else { since };
            if goes_on && let Some(piece) = &mut lane.piece {
                piece.take_back(last.bytes);
            }
            let bytes = fill(&mut self.begin(lane), from);
            lane.turn = Turn { since, end, bytes };
            self.flush_own(lane);
        });
    }

    /// The text of the calling thread's lane, with its name in it if that is new.
    #[inline]
    fn begin<'a>(&self, lane: &'a mut Lane) -> Text<'a> {
        if lane.thread.as_ref().is_none_or(|thread| thread.times_named() != lane.named) {
            self.name(lane);
        }
        let Lane { text, tail, last, awake, .. } = lane;
        Text { to: text, tail, last, awake }
    }

    #[cold]
    fn name(&self, lane: &mut Lane) {
        let Lane { thread, text, tail, last, awake, named, has_name, .. } = lane;
        let thread = thread.get_or_insert_with(current);
        if tail.is_empty() {
            *tail = self.tail_of(thread);
        }
        *named = thread.times_named();
        if let Some(its) = thread.name() {
            name(&mut Text { to: text, tail, last, awake }, &its);
            thread.set_told(*named);
            *has_name = true;
        }
    }

    /// Something is written of a thread that has no name: it may never get one.
    #[cold]
    fn name_nameless(lane: &mut Lane) {
        let Lane { thread, text, tail, last, awake, named, has_name, .. } = lane;
        let Some(thread) = thread else { return };
        name(&mut Text { to: text, tail, last, awake }, &name_of(thread));
        thread.set_told(*named);
        *has_name = true;
    }

    /// Writes the wait that a thread is in, and the locks that it holds.
    fn write_what_goes_on(&self, thread: &ThreadInfo) {
        let (wait, held) = {
            // Keeps forks away, whose child must find nothing locked.
            let _looking = super::deadlock::no_looks();
            let wait = thread.look(|wait| {
                wait.filter(|wait| !wait.what.is_internal())
                    .map(|wait| (wait.since, look_at_wait(&wait)))
            });
            let mut held = Vec::new();
            held::each_held(thread, |lock| {
                held.extend(lock.title.clone().map(|title| (title, lock.since)));
            });
            (wait, held)
        };
        if wait.is_none() && held.is_empty() && !thread.is_named_since_told() {
            return;
        }
        // All of them end together, and so lie within each other.
        let end = now();
        self.write_for(thread, |text| {
            name(text, &name_of(thread));
            for (title, since) in &held {
                hold(text, title, *since, end);
            }
            if let Some((since, wait)) = wait {
                let title = Title::new(wait.kind, wait.name.as_deref(), wait.made_at.as_deref());
                slice(text, "wait", Some(title), since, end);
            }
        });
    }

    /// Writes events of another thread.
    fn write_for(&self, thread: &ThreadInfo, fill: impl FnOnce(&mut Text<'_>)) {
        Self::with_lane(|lane| {
            let tail = self.tail_of(thread);
            fill(&mut Text { to: &mut lane.text, tail: &tail, last: &mut 0, awake: &mut 0 });
            lane.turn.bytes = 0;
            self.flush(lane);
        });
    }

    /// A trace that cannot be written is no reason for anything else to fail.
    fn with_lane(work: impl FnOnce(&mut Lane)) {
        let _ = LANE.try_with(|lane| {
            if let Ok(mut lane) = lane.try_borrow_mut() {
                lane.text.clear();
                work(&mut lane);
            }
        });
    }

    /// As `flush`, of events of the calling thread: its lane has a name then.
    #[inline]
    fn flush_own(&self, lane: &mut Lane) {
        if !lane.has_name && !lane.text.is_empty() {
            Self::name_nameless(lane);
        }
        self.flush(lane);
    }

    fn flush(&self, lane: &mut Lane) {
        let Lane { piece, size, text, .. } = lane;
        if text.is_empty() || piece.as_mut().is_some_and(|piece| piece.push(text)) {
            return;
        }
        // Together they may be more than a small piece has room for.
        for event in text.split_inclusive(|byte| *byte == b'\n') {
            if piece.as_mut().is_some_and(|piece| piece.push(event)) {
                continue;
            }
            // The lock is held for this line only.
            let left = self.left.lock().pop();
            *piece = left;
            if piece.as_mut().is_some_and(|piece| piece.push(event)) {
                continue;
            }
            *size = if *size == 0 { smallest() } else { (*size * 4).min(GRAIN) };
            *piece = self.next_piece(*size);
            if let Some(piece) = piece {
                piece.push(event);
            }
        }
    }

    /// What ends each event of a thread.
    fn tail_of(&self, thread: &ThreadInfo) -> Vec<u8> {
        format!(",\"pid\":{},\"tid\":{}}},\n", self.pid, thread.native_id()).into_bytes()
    }

    fn file(&self) -> io::Result<&File> {
        self.file.get().ok_or_else(|| io::Error::other("the program has closed the file"))
    }

    fn next_piece(&self, size: usize) -> Option<Chunk> {
        // None behind the last one: the file is cut off there.
        let place = self
            .end
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |end| {
                (end != ENDED).then(|| end + size as u64)
            })
            .ok()?;
        match self.file().and_then(|file| Chunk::new(file, place, size)) {
            Ok(piece) => Some(piece),
            Err(error) => {
                held::set(held::TRACE, false);
                let old = self.problem.lock().replace(error);
                drop(old);
                None
            }
        }
    }
}
