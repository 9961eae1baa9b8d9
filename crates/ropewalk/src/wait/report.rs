//! What is said about a deadlock.

use std::sync::Arc;

use super::object::ObjectInfo;
use super::runtime::ResourceKind;
use super::thread::{ThreadRef, WaitView};

/// One thread of a deadlock and what it waits for.
#[derive(Debug, Clone)]
pub struct Link {
    /// The thread.
    pub thread: ThreadRef,
    /// The kind of thing that it waits for.
    pub kind: ResourceKind,
    /// Where that thing is, while it is waited for: for a lock what its `resource()` says.
    pub resource: usize,
    /// The name of that thing, if it has one (a thread's name).
    pub label: Option<String>,
    /// Where that thing was made, as `file:line`.
    pub made_at: Option<String>,
    /// The thread word of whoever holds it, where somebody does.
    pub owner: Option<usize>,
    /// How long the thread has waited, in nanoseconds.
    pub waited_ns: u64,
    /// When its wait began: with the thread and the resource the same for as long as it waits.
    pub(crate) since: u64,
}

impl Link {
    pub(crate) fn new(thread: &ThreadRef, wait: WaitView<'_>) -> Self {
        let WaitView { what, object, .. } = wait;
        let name = || object.and_then(ObjectInfo::name).map(|name| name.to_string());
        Self {
            thread: thread.clone(),
            kind: what.kind(),
            resource: what.id(),
            label: what.label().or_else(name),
            made_at: object.map_or_else(
                || what.origin().describe(),
                |object| object.made_at().map(|at| at.to_string()),
            ),
            owner: what.owner(),
            since: wait.since,
            waited_ns: wait.waited_ns(),
        }
    }

    /// The thread's name, or a number.
    #[must_use]
    pub fn thread_name(&self) -> Arc<str> {
        self.thread.name().unwrap_or_else(|| format!("thread {:#x}", self.thread.word()).into())
    }

    /// What the thread waits for, in words: `Lock made at app.py:3`.
    #[must_use]
    pub fn resource_name(&self) -> String {
        let kind = self.kind.name();
        match (&self.label, &self.made_at) {
            // How many of how many, which is no name.
            (Some(label), _) if self.kind == ResourceKind::Futures => format!("{kind} ({label})"),
            (Some(label), _) => format!("{kind} '{label}'"),
            (None, Some(at)) => format!("{kind} made at {at}"),
            (None, None) => format!("{kind} at {:#x}", self.resource),
        }
    }
}

/// Threads that wait for each other.
#[derive(Clone, Default)]
pub struct Deadlock {
    /// Those in it; the first is the thread that closed it. In a cycle each waits for something that
    /// the next one holds, the last for the first. In a knot nobody but they could help any of them,
    /// as with threads of a pool that wait for tasks in its queue.
    pub links: Vec<Link>,
    /// Whether they form a cycle or a knot; if not, they are all threads of the program.
    pub cycle: bool,
    /// Whether it is certain that none of them can ever go on.
    pub certain: bool,
}

impl std::fmt::Display for Deadlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.cycle {
            write!(f, "deadlock: {} thread(s) wait for each other", self.links.len())?;
        } else {
            write!(
                f,
                "deadlock: all {} thread(s) wait, and none is left to wake them",
                self.links.len()
            )?;
        }
        for link in &self.links {
            let (waiter, what) = (link.thread_name(), link.resource_name());
            let holder = link.owner.and_then(|word| {
                self.links.iter().find(|other| other.thread.word() == word).map(Link::thread_name)
            });
            match holder {
                Some(other) if link.kind == ResourceKind::Thread => {
                    write!(f, "\n  {waiter} waits for the end of {other}")?;
                }
                Some(holder) => write!(f, "\n  {waiter} waits for {what}, held by {holder}")?,
                None => write!(f, "\n  {waiter} waits for {what}")?,
            }
        }
        Ok(())
    }
}

/// As [`Display`](std::fmt::Display): what is shown of it is shown by an `unwrap`, as a rule.
impl std::fmt::Debug for Deadlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Deadlock {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::wait::{WaitError, current};

    #[test]
    fn of_a_thread_its_debug_form_says_who_it_is() {
        let thread = std::thread::spawn(|| {
            let me = current();
            me.set_name("worker");
            me
        });
        let thread = thread.join().unwrap();
        let expected =
            format!("ThreadInfo {{ name: Some(\"worker\"), word: {:#x}, .. }}", thread.word());
        assert_eq!(format!("{thread:?}"), expected);
    }

    #[test]
    fn an_unwrap_says_what_is_said_to_people() {
        let me = current();
        let link = |kind| Link {
            thread: me.clone(),
            kind,
            resource: 0x10,
            label: None,
            made_at: None,
            owner: Some(me.word()),
            waited_ns: 0,
            since: 0,
        };
        let links = vec![link(ResourceKind::Thread), link(ResourceKind::RLock)];
        let deadlock = Deadlock { links, cycle: true, certain: true };
        let name = me.name().unwrap();
        let said = format!(
            "deadlock: 2 thread(s) wait for each other\n  {name} waits for the end of {name}\n  \
             {name} waits for RLock at 0x10, held by {name}"
        );
        assert_eq!(deadlock.to_string(), said);
        let error = WaitError::Deadlock(Box::new(deadlock));
        assert_eq!(format!("{error:?}"), format!("Deadlock({said})"));
    }
}
