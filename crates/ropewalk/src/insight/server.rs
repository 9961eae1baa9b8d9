//! The thread that answers.
//!
//! It waits for clients with `poll` and so is not at the wait point; it runs no code of the user
//! and says so to the detector, for which it is then as good as gone.
//!
//! **When it is there.** A program that has no threads of its own must not look as if it had: not
//! to itself, and not to its host (Python warns of forks with threads). So the thread begins when
//! the program starts a thread or waits for something. After [`serve`] there is a socket until then,
//! at which clients queue; after [`serve_when_needed`] there is not even that, as programs count
//! their descriptors. Before each fork it is ended; the parent keeps the socket, and the thread
//! comes back in the same way, or when the host runs code again. A child has a socket of its own from then on; but one that was forked
//! by another thread than the main one does not answer. It ends with its last thread, which would be
//! this one.
//!
//! A program may close our files, as daemons do. Then there are no answers until it forks, or none at
//! all; what it opened under their numbers is its own (`platform::OwnFile`).

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use super::client::Client;
use super::folder;
use super::json::to_json;
use crate::platform::{self, OwnFile};
use crate::primitive::{AtomicBool, OnceLock, Ordering, ShortGuard, ShortLock};
use crate::wait::{Deadline, current, ends_with_last_thread, host};
use crate::watch;

/// For how long a client may keep us waiting for its question, which it should have at hand.
const QUESTION: Duration = Duration::from_millis(500);
/// For how long it may take to read the answer, and the host to find it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is seen whether the program has closed our files: the system waits for numbers, and
/// goes on waiting if they stand for files of the program's by the time it would notice. Often at
/// first, as programs that close what they find do so at their beginning.
const LOOK_AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// For how long we wait for our thread where the program has closed its files: until it has looked.
const SOON: Duration = Duration::from_millis(1_200);
/// How often it is seen whether the host can be asked again.
const SHORTLY: Duration = Duration::from_millis(10);
/// How often it is seen whether a client can be let in, where the program has no descriptor left.
const NO_ROOM: Duration = Duration::from_millis(100);
/// The longest question.
const LONGEST: u64 = 256;

/// What a host answers: the name of a question to the answer. Called on a thread of its own, which
/// may take its time; `None` for a question that it does not know.
pub type Questions = fn(&str) -> Option<String>;

static QUESTIONS: OnceLock<Questions> = OnceLock::new();
static SERVER: ShortLock<State> = ShortLock::new(State::Off);

#[derive(Debug)]
enum State {
    /// Nobody wants answers.
    Off,
    /// There is nothing yet ([`serve_when_needed`], or the child of a fork), or nothing any more, as
    /// the program has closed it.
    Wanted,
    /// There is no thread yet.
    Bound(Socket),
    /// Some thread is about to have it started, and then says [`State::On`] unless this has changed.
    Begins,
    On(Server),
}

#[derive(Debug)]
struct Socket {
    path: PathBuf,
    listener: OwnFile<UnixListener>,
}

#[derive(Debug)]
struct Server {
    path: PathBuf,
    /// Gives the socket back at its end.
    thread: JoinHandle<OwnFile<UnixListener>>,
    /// The thread ends when this is closed.
    alive: OwnFile<UnixStream>,
}

/// Begins to answer at a socket in the user's folder, which is named after the process; returns its
/// path. `snapshot` is answered here, other questions go to `questions` of the first call. If it does
/// so already, it goes on, at a new socket where somebody has removed the file of the old one.
///
/// # Errors
/// There is no folder of the user alone, or no socket to be had; or this process was forked by a
/// thread that was not its main one.
pub fn serve(questions: Questions) -> io::Result<PathBuf> {
    if ends_with_last_thread() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let _ = QUESTIONS.set(questions);
    let (served, had_thread) = match &*settled() {
        State::On(Server { path, .. }) => (Some(path.clone()), true),
        State::Bound(Socket { path, .. }) => (Some(path.clone()), false),
        State::Off | State::Wanted | State::Begins => (None, false),
    };
    if let Some(path) = served {
        if path.exists() {
            return Ok(path);
        }
        // Somebody has removed it. First of all, as the new one gets the same name.
        stop();
    }
    let socket = bind()?;
    let path = socket.path.clone();
    let other = std::mem::replace(&mut *SERVER.lock(), State::Bound(socket));
    other.end();
    watch::once_on_wait(begin);
    if had_thread {
        // Nobody may wait for anything any more, as all do already.
        begin();
    }
    Ok(path)
}

/// As [`serve`], from the first thread or wait on; until then the process has no socket.
pub fn serve_when_needed(questions: Questions) {
    if ends_with_last_thread() {
        return;
    }
    let _ = QUESTIONS.set(questions);
    {
        let mut state = SERVER.lock();
        if !matches!(*state, State::Off) {
            return;
        }
        *state = State::Wanted;
    }
    watch::once_on_wait(begin);
}

/// Answers no more, and removes the socket. For the end of a program; it may be called at any time.
pub fn stop() {
    let state = std::mem::replace(&mut *settled(), State::Off);
    state.end();
}

/// The state once no thread is in the middle of [`begin`]: that takes moments, and if it takes longer
/// it will see what became of the state.
fn settled() -> ShortGuard<'static, State> {
    let soon = Deadline::after(SOON);
    loop {
        let state = SERVER.lock();
        if !matches!(*state, State::Begins) || soon.has_passed() {
            return state;
        }
        drop(state);
        std::thread::yield_now();
    }
}

/// Starts the thread if one is wanted. If it cannot be had, the program goes on without.
fn begin() {
    let wanted = {
        let mut state = SERVER.lock();
        match &*state {
            State::Bound(_) | State::Wanted => std::mem::replace(&mut *state, State::Begins),
            State::Off | State::Begins | State::On(_) => return,
        }
    };
    let socket = match wanted {
        State::Bound(socket) if socket.listener.get().is_some() => Ok(socket),
        _ => bind(),
    };
    let begun = socket.and_then(Server::start).map_or(State::Off, State::On);
    let not_wanted = {
        let mut state = SERVER.lock();
        if matches!(*state, State::Begins) { std::mem::replace(&mut *state, begun) } else { begun }
    };
    not_wanted.end();
}

impl State {
    fn end(self) {
        let path = match self {
            Self::Off | Self::Wanted | Self::Begins => return,
            Self::Bound(socket) => socket.path,
            Self::On(server) => server.end().0,
        };
        let _ = fs::remove_file(path);
    }
}

impl Server {
    fn start(socket: Socket) -> io::Result<Self> {
        let Socket { path, listener } = socket;
        let (alive, end) = UnixStream::pair()?;
        let (alive, end) = (OwnFile::new(alive)?, OwnFile::new(end)?);
        watch::thread_is_starting();
        let builder = std::thread::Builder::new().name("ropewalk-insight".into());
        let serve = move || {
            join_runtime("ropewalk-insight");
            answer_all(&end, &listener);
            platform::note_own_leaving();
            listener
        };
        // Threads that are started for an answer inherit it.
        let spawned = platform::without_signals(|| builder.spawn(serve));
        match spawned {
            Ok(thread) => Ok(Self { path, thread, alive }),
            Err(error) => {
                watch::thread_has_started();
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Ends the thread, and waits for that: moments, as it never waits for another thread. Gives the
    /// path back, and the socket unless the program has closed our files.
    fn end(self) -> (PathBuf, Option<Socket>) {
        let Self { path, thread, alive } = self;
        if alive.get().is_none() {
            // The thread sees that this was closed, at once or when it looks again.
            let soon = Deadline::after(SOON);
            while !thread.is_finished() && !soon.has_passed() {
                std::thread::yield_now();
            }
            return (path, None);
        }
        drop(alive);
        let socket = thread.join().ok().map(|listener| Socket { path: path.clone(), listener });
        (path, socket)
    }
}

/// Answers until `end` is closed at its other side, or the program has closed one of the two.
fn answer_all(end: &OwnFile<UnixStream>, listener: &OwnFile<UnixListener>) {
    let [mut again, seldom] = LOOK_AGAIN;
    while let (Some(end), Some(mine)) = (end.get(), listener.get()) {
        let files = [end.as_fd(), mine.as_fd()];
        let [ended, client] = platform::wait_readable(files, Some(again));
        again = seldom.min(again * 2);
        if ended {
            break;
        }
        // The wait was long.
        if client && let Some(mine) = listener.get() {
            match mine.accept() {
                // A client that goes away is its own business.
                Ok((stream, _)) => drop(answer(&stream, end)),
                // It stays in the queue, so that waiting for clients would take no time.
                Err(_) if platform::wait_readable([end.as_fd(); 2], Some(NO_ROOM))[0] => break,
                Err(_) => {}
            }
        }
    }
}

/// Registers a thread that runs no code of the user.
fn join_runtime(name: &str) {
    let me = current();
    me.set_background(name);
    watch::thread_has_started();
    watch::thread_helps_nobody(&me);
}

fn bind() -> io::Result<Socket> {
    let folder = folder::folder();
    folder::prepare(&folder)?;
    let pid = std::process::id();
    // Another process may have the same number in another namespace, and the same folder.
    for suffix in 0..16 {
        let name = if suffix == 0 { format!("{pid}.sock") } else { format!("{pid}-{suffix}.sock") };
        let path = folder.join(name);
        let mut bound = UnixListener::bind(&path);
        let in_use = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
        if bound.as_ref().is_err_and(in_use) && UnixStream::connect(&path).is_err() {
            // Left behind by one that was killed.
            let _ = fs::remove_file(&path);
            bound = UnixListener::bind(&path);
        }
        match bound {
            Err(error) if in_use(&error) => {}
            Err(error) => return Err(error),
            Ok(listener) => {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
                folder::sweep(&folder, pid);
                return Ok(Socket { path, listener: OwnFile::new(listener)? });
            }
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Reads a question, a line, and writes the answer.
fn answer(stream: &UnixStream, end: &UnixStream) -> io::Result<()> {
    let mut question = String::new();
    let asks = Client::new(stream, end, QUESTION)?;
    BufReader::new(asks.take(LONGEST)).read_line(&mut question)?;
    let answer = match question.trim_end() {
        // Somebody who only wants to know whether we are here.
        "" => return Ok(()),
        "snapshot" => Some(to_json(&watch::snapshot())),
        other => ask_host(other, end)?,
    };
    let answer = answer.unwrap_or_else(|| "null".into());
    Client::new(stream, end, PATIENCE)?.write_all(answer.as_bytes())
}

/// Has the host answer on a thread of its own: its lock may be held for ever. `None` if it does not
/// know the question.
///
/// # Errors
/// There is no answer to be had, or we are to end.
fn ask_host(question: &str, end: &UnixStream) -> io::Result<Option<String>> {
    let Some(questions) = QUESTIONS.get().copied() else { return Ok(None) };
    let (mine, theirs) = UnixStream::pair()?;
    let busy = || Ok(Some("\"busy\"".into()));
    let Some(asking) = Asking::begin(end)? else { return busy() };
    let question = question.to_owned();
    watch::thread_is_starting();
    let spawned = std::thread::Builder::new().name("ropewalk-answer".into()).spawn(move || {
        let _asking = asking;
        join_runtime("ropewalk-answer");
        if let Some(answer) = questions(&question) {
            // Nobody reads it any more if it took too long.
            let _ = (&theirs).write_all(answer.as_bytes());
        }
    });
    if let Err(error) = spawned {
        watch::thread_has_started();
        return Err(error);
    }
    let mut answer = String::new();
    match Client::new(&mine, end, PATIENCE)?.read_to_string(&mut answer) {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => busy(),
        Err(error) => Err(error),
        Ok(_) => Ok((!answer.is_empty()).then_some(answer)),
    }
}

/// Whether the host is being asked.
static ASKING: AtomicBool = AtomicBool::new(false);

/// Asks the host while it lives. There is one at a time, or each question to a host that keeps its
/// lock would leave a thread behind that waits for it.
struct Asking;

impl Asking {
    /// `None` if another one goes on for too long. One may be about to end: its client went away, or
    /// there was a fork meanwhile.
    ///
    /// # Errors
    /// We are to end.
    fn begin(end: &UnixStream) -> io::Result<Option<Self>> {
        let until = Deadline::after(PATIENCE);
        // Relaxed (here and below): nothing else depends on it.
        while ASKING.swap(true, Ordering::Relaxed) {
            if until.has_passed() {
                return Ok(None);
            }
            let [ended, _] = platform::wait_readable([end.as_fd(); 2], Some(SHORTLY));
            if ended {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        Ok(Some(Self))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        ASKING.store(false, Ordering::Relaxed);
    }
}

/// Before a fork, and before anything else of the runtime is locked for it.
pub(crate) fn before_fork() {
    let server = {
        let mut state = settled();
        match std::mem::replace(&mut *state, State::Off) {
            State::On(server) => Some(server),
            other => {
                *state = other;
                None
            }
        }
    };
    let had_thread = server.is_some();
    let ended = server.map(Server::end);
    if had_thread {
        // It has ended, and the system may still count it.
        platform::wait_until_left();
    }
    let mut state = SERVER.lock();
    if let Some((_, socket)) = ended {
        *state = socket.map_or(State::Wanted, State::Bound);
    }
    // Nobody may be in the middle of a change when the process is copied.
    *KEPT.lock() = Some(Kept { state, had_thread });
}

/// After [`before_fork`] and a fork, in both processes.
pub(crate) fn after_fork(in_child: bool) {
    if in_child {
        // Who asked is not there.
        ASKING.store(false, Ordering::Relaxed);
    }
    let Some(Kept { mut state, had_thread }) = KEPT.lock().take() else { return };
    if in_child && !matches!(*state, State::Off) {
        // Closes our copy of the parent's socket; its path is the parent's.
        *state = if ends_with_last_thread() { State::Off } else { State::Wanted };
    }
    if matches!(*state, State::Off) {
        return;
    }
    drop(state);
    watch::once_on_wait(begin);
    if had_thread && !in_child {
        // Nobody may wait for anything any more, as all do already.
        host().soon(begin);
    }
}

/// What is kept as it is during a fork.
struct Kept {
    state: ShortGuard<'static, State>,
    had_thread: bool,
}

static KEPT: ShortLock<Option<Kept>> = ShortLock::new(None);

#[cfg(test)]
mod tests {
    use super::*;

    /// Has a thread begin, and calls `meanwhile` once it does.
    fn while_it_begins(meanwhile: impl FnOnce()) {
        *SERVER.lock() = State::Wanted;
        std::thread::scope(|scope| {
            scope.spawn(begin);
            while matches!(*SERVER.lock(), State::Wanted) {
                std::thread::yield_now();
            }
            meanwhile();
        });
    }

    #[test]
    fn a_change_that_meets_the_beginning_is_not_lost() {
        for _ in 0..50 {
            while_it_begins(stop);
            assert!(matches!(*SERVER.lock(), State::Off));
            while_it_begins(|| {
                before_fork();
                let wanted = KEPT.lock().as_ref().map(|kept| !matches!(*kept.state, State::Off));
                after_fork(false);
                assert_eq!(wanted, Some(true));
            });
            stop();
        }
        let mine = format!("{}.sock", std::process::id());
        let mut left = fs::read_dir(folder::folder()).unwrap().flatten();
        assert!(left.all(|each| each.file_name() != mine.as_str()));
    }
}
