//! `--trace`: every wait, wake and held lock, as events that Perfetto and Chrome open.
//!
//! Each thread writes its events, as text, into a piece of the file that is mapped into memory and
//! belongs to it alone. So threads do not wait for each other, at most one piece a thread is in
//! memory, and what was written is in the file even when the process is killed. Unused room is
//! spaces; the events are a JSON array, whose end viewers do not insist on.
//!
//! - A wait is a slice of its thread's lane, written when it ends.
//! - A wake is a short slice of the waker's lane, with an arrow to another one at the end of the
//!   wait: from the wake until the woken thread goes on. (Perfetto takes for the beginning of an
//!   arrow the slice that began first, so the wait itself cannot be its end.)
//! - A held lock is a slice, written when it is released, where the host tells of it
//!   ([`lock_taken`], [`lock_released`]).
//! - A queue's depth is a counter, read when a wait for it ends, and now and then.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::order;
use super::pools::pools;
use super::snapshot::look_at_wait;
use crate::platform::{Chunk, GRAIN, OwnFile, new_file};
use crate::primitive::{AtomicU64, OnceLock, Ordering, ShortLock, now, thread_local};
use crate::wait::{
    Depth, ObjectInfo, Origin, ResourceKind, ThreadInfo, ThreadRef, current, measure_exactly,
    objects, threads,
};

static TRACE: OnceLock<Trace> = OnceLock::new();
/// Tells arrows apart that begin at the same time.
static FLOW: AtomicU64 = AtomicU64::new(0);
/// The number of an arrow is the time where it begins, in nanoseconds, with so many bits more. A
/// viewer that reads it as a floating-point number may lose the last ones: no harm.
const FLOW_BITS: u32 = 6;
/// When the depths of all queues were looked at.
static SAMPLED: AtomicU64 = AtomicU64::new(0);
const SAMPLE_NS: u64 = 10_000_000;

#[derive(Debug)]
struct Trace {
    file: OwnFile<File>,
    /// Where the next piece begins.
    end: AtomicU64,
    pid: u32,
    /// Why it ended early.
    problem: ShortLock<Option<io::Error>>,
}

/// A lock that the thread holds, and since when.
#[derive(Debug)]
struct Held {
    lock: usize,
    since: u64,
    title: HoldTitle,
}

/// How the event of a lock begins, up to its time.
type HoldTitle = Arc<[u8]>;

/// So many lines that made locks are remembered by a thread.
const SITES: usize = 16;

/// How the events begin of locks that were made at one line.
#[derive(Debug, Default)]
struct Sites {
    known: Vec<((usize, u32, usize), HoldTitle)>,
    next: usize,
}

/// What a thread has for its events.
#[derive(Debug, Default)]
struct Lane {
    piece: Option<Chunk>,
    /// The event that is being written.
    text: Vec<u8>,
    /// What ends each event of this thread.
    tail: Vec<u8>,
    named: bool,
    held: Vec<Held>,
    sites: Sites,
}

thread_local! {
    static LANE: RefCell<Lane> = const {
        RefCell::new(Lane {
            piece: None,
            text: Vec::new(),
            tail: Vec::new(),
            named: false,
            held: Vec::new(),
            sites: Sites { known: Vec::new(), next: 0 },
        })
    };
}

/// Whether events are written.
#[inline]
#[must_use]
pub fn is_tracing() -> bool {
    order::notes(order::TRACE)
}

/// Begins to write events into a new file, also where there is one of that name. A process can do
/// so once.
///
/// # Errors
/// The file cannot be made, or there is one being written already.
pub fn start_trace(path: &Path) -> io::Result<()> {
    let file = new_file(path)?;
    // Now, so that a full disk is an error of this call.
    let mut first = Chunk::new(&file, 0, GRAIN)?;
    let pid = std::process::id();
    first.push(b"[\n");
    first.push(process_name(pid).as_bytes());
    first.push(b",\n");
    let end = AtomicU64::new(GRAIN as u64);
    let problem = ShortLock::new(None);
    let file = OwnFile::new(file)?;
    if TRACE.set(Trace { file, end, pid, problem }).is_err() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    LANE.with_borrow_mut(|lane| lane.piece = Some(first));
    measure_exactly();
    order::set(order::TRACE, true);
    Ok(())
}

/// Writes the waits that go on, ends the file and writes no more; returns why it had ended before,
/// if it had. Does nothing if there is no trace.
///
/// # Errors
/// The disk is full.
pub fn stop_trace() -> io::Result<()> {
    let Some(trace) = TRACE.get() else { return Ok(()) };
    if order::set(order::TRACE, false) {
        for thread in threads() {
            let wait = thread.look(|wait| {
                wait.filter(|wait| !wait.what.is_internal()).map(|wait| look_at_wait(&wait))
            });
            if let Some(wait) = wait {
                let end = now();
                let nanos = u64::try_from(wait.waited.as_nanos()).unwrap_or(u64::MAX);
                let title = Title::new(wait.kind, wait.name.as_deref(), wait.made_at.as_deref());
                trace.write_for(&thread, |text| {
                    slice(text, "wait", Some(title), end.saturating_sub(nanos), end);
                });
            }
        }
        // Last of all, without a comma.
        let size = GRAIN;
        let place = trace.end.fetch_add(size as u64, Ordering::Relaxed);
        let file = trace.file()?;
        let mut last = Chunk::new(file, place, size)?;
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
    push_escaped(&mut name, &words.join(" "));
    let name = String::from_utf8_lossy(&name);
    format!(
        "{{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":{pid},\"args\":{{\"name\":\"{name}\"}}}}"
    )
}

/// In the child of a fork: the file is the parent's.
pub(super) fn after_fork_in_child() {
    order::set(order::TRACE, false);
}

/// A wait is over.
pub(super) fn waited(thread: &ThreadRef, object: &ObjectInfo, since: u64) {
    let Some(trace) = TRACE.get() else { return };
    let end = now();
    let flow = thread.take_flow();
    trace.write(|text, _| {
        Title::of(object, |title| slice(text, "wait", Some(title), since, end));
        let woken = (flow >> FLOW_BITS) + 1;
        if flow != 0 && (since..end).contains(&woken) {
            slice(text, "woken", None, woken, end);
            arrow(text, "f\",\"bp\":\"e", flow, woken);
        }
    });
    sample(trace, object, end);
}

/// The calling thread wakes another one.
pub(super) fn wakes(woken: &ThreadInfo) {
    let Some(trace) = TRACE.get() else { return };
    let at = now();
    let flow = (at << FLOW_BITS) | (FLOW.fetch_add(1, Ordering::Relaxed) % (1 << FLOW_BITS));
    woken.set_flow(flow);
    trace.write(|text, _| {
        // An arrow needs a slice to begin at.
        let name = woken.name();
        let title = Title { kind: "thread", name: name.as_deref(), quoted: true };
        slice(text, "wake", Some(title), at, at + 1_000);
        arrow(text, "s", flow, at);
    });
}

/// Says that the calling thread has taken a lock that is of a kind, was made at `origin` and may
/// have a name.
pub fn trace_taken(lock: usize, kind: &'static str, origin: Origin, name: Option<&str>) {
    if !is_tracing() {
        return;
    }
    // Found before anything is borrowed: it may call the host, which may take locks.
    let site = if let (Origin::Host(site), None) = (origin, name) {
        Some((site.code(), site.position(), kind.as_ptr() as usize))
    } else {
        None
    };
    let known = site.and_then(|site| LANE.with_borrow(|lane| lane.sites.find(site)));
    let title = known.unwrap_or_else(|| {
        let made_at = if name.is_none() { origin.describe_shared() } else { None };
        let title =
            hold_title(Title { kind, name: name.or(made_at.as_deref()), quoted: name.is_some() });
        if let Some(site) = site {
            LANE.with_borrow_mut(|lane| lane.sites.add(site, title.clone()));
        }
        title
    });
    LANE.with_borrow_mut(|lane| lane.held.push(Held { lock, since: now(), title }));
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

fn hold_title(title: Title<'_>) -> HoldTitle {
    let mut text = b"{\"ph\":\"X\",\"name\":\"hold ".to_vec();
    title.push(&mut text);
    text.extend_from_slice(b"\",\"cat\":\"hold\",\"ts\":");
    text.into()
}

/// Says that a lock was released. One that another thread has taken is left out.
pub fn trace_released(lock: usize) {
    let Some(trace) = TRACE.get().filter(|_| is_tracing()) else { return };
    let at = now();
    trace.write(|text, held| {
        let Some(place) = held.iter().rposition(|held| held.lock == lock) else { return };
        // Slices of a lane must lie within each other: those that were taken later are cut in two.
        for later in held[place + 1..].iter_mut().rev() {
            later.write(text, at);
            later.since = at;
        }
        held.remove(place).write(text, at);
    });
}

impl Held {
    fn write(&self, text: &mut Text<'_>, until: u64) {
        text.to.extend_from_slice(&self.title);
        push_micros(text.to, self.since);
        text.to.extend_from_slice(b",\"dur\":");
        push_micros(text.to, until.saturating_sub(self.since));
        text.to.extend_from_slice(text.tail);
    }
}

/// Writes how much is in the queue that was waited for, and now and then in all queues.
fn sample(trace: &Trace, object: &ObjectInfo, at: u64) {
    let depth = |object: &ObjectInfo| object.look().and_then(|look| look.depth);
    let count = |object: &ObjectInfo, depth: Depth| {
        trace.write(|text, _| {
            Title::of(object, |title| counter(text, title, depth.now, at));
        });
    };
    if let Some(depth) = depth(object) {
        count(object, depth);
    }
    let sampled = SAMPLED.load(Ordering::Relaxed);
    if at.saturating_sub(sampled) > SAMPLE_NS
        && SAMPLED.compare_exchange(sampled, at, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    {
        // Keeps forks away, whose child must find no record locked.
        let _looking = super::deadlock::no_looks();
        for object in objects() {
            if let Some(depth) = depth(&object) {
                count(&object, depth);
            }
        }
        for pool in pools() {
            trace.write(|text, _| {
                let title = Title { kind: "pool", name: Some(&pool.name), quoted: true };
                counter(text, title, pool.queued, at);
            });
        }
    }
}

impl Trace {
    /// Writes events of the calling thread: `fill` appends them, with the locks that it holds at
    /// hand.
    fn write(&self, fill: impl FnOnce(&mut Text<'_>, &mut Vec<Held>)) {
        Self::with_lane(|lane| {
            let Lane { piece, text, tail, named, held, .. } = lane;
            if tail.is_empty() {
                *tail = self.tail_of(&current());
            }
            let mut text = Text { to: text, tail };
            // It may get its name after its first event.
            if !*named && let Some(its) = current().name() {
                *named = true;
                name(&mut text, &its);
            }
            fill(&mut text, held);
            self.flush(piece, text.to);
        });
    }

    /// Writes events of another thread.
    fn write_for(&self, thread: &ThreadInfo, fill: impl FnOnce(&mut Text<'_>)) {
        Self::with_lane(|lane| {
            let tail = self.tail_of(thread);
            fill(&mut Text { to: &mut lane.text, tail: &tail });
            self.flush(&mut lane.piece, &lane.text);
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

    fn flush(&self, piece: &mut Option<Chunk>, text: &[u8]) {
        if text.is_empty() || piece.as_mut().is_some_and(|piece| piece.push(text)) {
            return;
        }
        *piece = self.next_piece();
        if let Some(piece) = piece {
            piece.push(text);
        }
    }

    /// What ends each event of a thread.
    fn tail_of(&self, thread: &ThreadInfo) -> Vec<u8> {
        format!(",\"pid\":{},\"tid\":{}}},\n", self.pid, thread.native_id()).into_bytes()
    }

    fn file(&self) -> io::Result<&File> {
        self.file.get().ok_or_else(|| io::Error::other("the program has closed the file"))
    }

    fn next_piece(&self) -> Option<Chunk> {
        let place = self.end.fetch_add(GRAIN as u64, Ordering::Relaxed);
        match self.file().and_then(|file| Chunk::new(file, place, GRAIN)) {
            Ok(piece) => Some(piece),
            Err(error) => {
                order::set(order::TRACE, false);
                let old = self.problem.lock().replace(error);
                drop(old);
                None
            }
        }
    }
}

/// Where events are written: each ends with the same process and thread.
struct Text<'a> {
    to: &'a mut Vec<u8>,
    tail: &'a [u8],
}

/// What a thing is called.
#[derive(Clone, Copy)]
struct Title<'a> {
    kind: &'a str,
    name: Option<&'a str>,
    /// A name that was given, or a line.
    quoted: bool,
}

impl Title<'_> {
    fn new<'a>(kind: ResourceKind, name: Option<&'a str>, made_at: Option<&'a str>) -> Title<'a> {
        let kind = match (kind, name, made_at) {
            // The one event without a line of its own.
            (ResourceKind::Event, None, None) => "start of a thread",
            _ => kind.name(),
        };
        Title { kind, quoted: name.is_some(), name: name.or(made_at) }
    }

    /// Calls `with` with what a thing is called.
    fn of<R>(object: &ObjectInfo, with: impl FnOnce(Title<'_>) -> R) -> R {
        let (name, made_at) = (object.name(), object.made_at());
        with(Title::new(object.kind(), name.as_deref(), made_at.as_deref()))
    }

    fn push(self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.kind.as_bytes());
        if let Some(name) = self.name {
            let quote: &[u8] = if self.quoted { b"'" } else { b"" };
            to.push(b' ');
            to.extend_from_slice(quote);
            push_escaped(to, name);
            to.extend_from_slice(quote);
        }
    }
}

fn slice(text: &mut Text<'_>, what: &str, title: Option<Title<'_>>, since: u64, end: u64) {
    begin(text.to, "X", what, title, since);
    text.to.extend_from_slice(b",\"cat\":\"");
    text.to.extend_from_slice(what.as_bytes());
    text.to.extend_from_slice(b"\",\"dur\":");
    push_micros(text.to, end.saturating_sub(since));
    text.to.extend_from_slice(text.tail);
}

fn arrow(text: &mut Text<'_>, phase: &str, flow: u64, at: u64) {
    begin(text.to, phase, "wake", None, at);
    text.to.extend_from_slice(b",\"cat\":\"wake\",\"id\":");
    push_number(text.to, flow);
    text.to.extend_from_slice(text.tail);
}

fn counter(text: &mut Text<'_>, title: Title<'_>, value: usize, at: u64) {
    begin(text.to, "C", "items in", Some(title), at);
    text.to.extend_from_slice(b",\"args\":{\"items\":");
    push_number(text.to, value as u64);
    text.to.push(b'}');
    text.to.extend_from_slice(text.tail);
}

fn name(text: &mut Text<'_>, name: &str) {
    text.to.extend_from_slice(b"{\"ph\":\"M\",\"name\":\"thread_name\",\"args\":{\"name\":\"");
    push_escaped(text.to, name);
    text.to.extend_from_slice(b"\"}");
    text.to.extend_from_slice(text.tail);
}

fn begin(to: &mut Vec<u8>, phase: &str, what: &str, title: Option<Title<'_>>, at: u64) {
    to.extend_from_slice(b"{\"ph\":\"");
    to.extend_from_slice(phase.as_bytes());
    to.extend_from_slice(b"\",\"name\":\"");
    to.extend_from_slice(what.as_bytes());
    if let Some(title) = title {
        to.push(b' ');
        title.push(to);
    }
    to.extend_from_slice(b"\",\"ts\":");
    push_micros(to, at);
}

fn push_escaped(to: &mut Vec<u8>, text: &str) {
    // Hardly ever is there anything to be done.
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        return to.extend_from_slice(text.as_bytes());
    }
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => to.extend_from_slice(&[b'\\', byte]),
            // What is not to be seen is no part of a name.
            0..0x20 => to.push(b'?'),
            _ => to.push(byte),
        }
    }
}

fn push_micros(to: &mut Vec<u8>, nanos: u64) {
    push_number(to, nanos / 1_000);
    let rest = nanos % 1_000;
    for digit in [rest / 100, rest / 10 % 10, rest % 10].iter().enumerate() {
        if digit.0 == 0 {
            to.push(b'.');
        }
        push_digit(to, *digit.1);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a digit")]
fn push_digit(to: &mut Vec<u8>, digit: u64) {
    to.push(b'0' + digit as u8);
}

fn push_number(to: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut place = digits.len();
    let mut rest = number;
    loop {
        place -= 1;
        digits[place] = b"0123456789"[(rest % 10) as usize];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    to.extend_from_slice(&digits[place..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_json() {
        let mut text = Vec::new();
        push_number(&mut text, 0);
        text.push(b' ');
        push_number(&mut text, u64::MAX);
        text.push(b' ');
        push_micros(&mut text, 1_234_005);
        text.push(b' ');
        push_escaped(&mut text, "a \"b\"\\\n\u{e9}");
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "0 18446744073709551615 1234.005 a \\\"b\\\"\\\\?\u{e9}");
    }
}
