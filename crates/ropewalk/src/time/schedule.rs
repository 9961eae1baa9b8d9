//! Which timer is due when, and which thread looks after that.
//!
//! The timers that wait are in an ordered map, not in a wheel of slots. A wheel makes starting
//! cheaper only where there are very many timers, and pays for it with a tick: either it wakes up
//! for nothing or timers are late by up to one. The map is exact to the nanosecond, wakes up for the
//! next timer only, and a timer that is cancelled is gone from it. With 100,000 timers that wait,
//! starting and cancelling one takes about 0.3 us (`cargo bench`, "timer"), less than a futex call.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::timer::Entry;
use crate::wait::ends_with_last_thread;

/// A callback of longer than that may not keep other timers waiting.
pub(super) const LONG_NS: u64 = 2_000_000;
/// What is before and after the function in a callback of the host's is the same for all of them: who took
/// over would have to wait for the same, and so would all that came then. After so long it is looked at
/// as if it were the function: there may be code of the user in it, a destructor.
const AROUND_NS: u64 = 1_000_000_000;
/// A runner that has had nothing to do for so long ends.
pub(super) const LINGER_NS: u64 = 5_000_000_000;

pub(super) type Callback = Box<dyn FnOnce() + Send>;

/// When a timer is due, and its number among all, for those that are due at the same time.
pub(super) type Key = (u64, u64);

/// A runner's number.
pub(super) type Runner = u64;

/// All timers that wait, and who runs them.
///
/// | `leader` | `busy_since` | meaning |
/// |---|---|---|
/// | `None` | `None` | no runner, and no timer waits |
/// | a runner | `None` | it sleeps until the next timer is due, or is about to look |
/// | a runner | a time | it runs a callback, and is busy from then on; if that takes long, `standby` takes over |
pub(super) struct Schedule {
    waiting: BTreeMap<Key, (Arc<Entry>, Callback)>,
    /// Those whose callbacks run, and by whom.
    running: Vec<(Runner, Arc<Entry>)>,
    last: u64,
    pub(super) leader: Option<Runner>,
    busy_since: Option<u64>,
    /// Until when the leader sleeps, if it does.
    leader_sleeps_until: Option<u64>,
    /// The runner that watches the leader, and until when it sleeps.
    pub(super) standby: Option<Runner>,
    standby_sleeps_until: u64,
    /// When there was last something to do.
    used_at: u64,
    /// Runners with nothing to do end at once.
    ends: bool,
}

/// What there was before a fork.
pub(super) struct Forgotten {
    pub(super) waiting: Vec<(Arc<Entry>, Callback)>,
    /// Those whose callbacks ran.
    pub(super) running: Vec<Arc<Entry>>,
}

/// What a runner does next.
pub(super) enum Next {
    /// Runs this timer's callback. `Wants` is who is needed meanwhile.
    Fire(Arc<Entry>, Callback, Wants),
    /// Sleeps until then or until it is woken.
    Sleep(u64),
    /// Ends.
    End,
}

/// Whom a change needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// Nobody: all is looked after.
    Nobody,
    /// A new runner, which was counted in already.
    NewRunner(Runner),
    /// The leader, which sleeps too long.
    Leader,
    /// The standby, which sleeps too long.
    Standby,
}

impl Schedule {
    pub(super) const fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            running: Vec::new(),
            last: 0,
            leader: None,
            busy_since: None,
            leader_sleeps_until: None,
            standby: None,
            standby_sleeps_until: 0,
            used_at: 0,
            ends: false,
        }
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn next_due(&self) -> Option<u64> {
        self.waiting.keys().next().map(|(due, _)| *due)
    }

    pub(super) fn has_timers(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Adds a timer.
    pub(super) fn add(&mut self, due: u64, entry: Arc<Entry>, callback: Callback) -> (Key, Wants) {
        let key = (due, self.number());
        self.ends = false;
        self.waiting.insert(key, (entry, callback));
        let wants = match (self.leader, self.leader_sleeps_until) {
            (None, _) => {
                let runner = self.number();
                self.leader = Some(runner);
                Wants::NewRunner(runner)
            }
            (Some(_), Some(until)) if due < until => Wants::Leader,
            (Some(_), None) => self.watch(due),
            _ => Wants::Nobody,
        };
        (key, wants)
    }

    /// Takes a timer out that has not fired.
    pub(super) fn remove(&mut self, key: Key, now: u64) -> Option<((Arc<Entry>, Callback), Wants)> {
        let removed = self.waiting.remove(&key)?;
        self.used_at = now;
        // A leader that sleeps for hours, until a timer that is gone, would never end.
        let idle_until = self.idle_until();
        let oversleeps = self.leader_sleeps_until.is_some_and(|until| until > idle_until);
        let wants = if oversleeps && !self.has_timers() { Wants::Leader } else { Wants::Nobody };
        Some((removed, wants))
    }

    /// A runner that was counted in could not be started.
    pub(super) fn not_started(&mut self, runner: Runner) {
        self.leader = self.leader.filter(|leader| *leader != runner);
        self.standby = self.standby.filter(|standby| *standby != runner);
    }

    /// Sees to it that somebody will look after a timer that is due at `due`, as the leader may be
    /// busy then.
    fn watch(&mut self, due: u64) -> Wants {
        let Some(since) = self.busy_since else { return Wants::Nobody };
        if self.standby.is_none() {
            let runner = self.number();
            self.standby = Some(runner);
            return Wants::NewRunner(runner);
        }
        if self.standby_sleeps_until > due.max(since + LONG_NS) {
            Wants::Standby
        } else {
            Wants::Nobody
        }
    }

    /// What `me` does next at `now`.
    pub(super) fn next(&mut self, me: Runner, now: u64) -> Next {
        if self.leader == Some(me) {
            self.leader_sleeps_until = None;
            return self.lead(me, now);
        }
        // The leader that was busy and overtaken watches from now on, or is one too many.
        if *self.standby.get_or_insert(me) != me {
            return Next::End;
        }
        self.stand_by(me, now)
    }

    fn lead(&mut self, me: Runner, now: u64) -> Next {
        self.busy_since = None;
        match self.next_due() {
            Some(due) if due <= now => {
                let Some((_, (entry, callback))) = self.waiting.pop_first() else {
                    return Next::End;
                };
                self.running.push((me, entry.clone()));
                self.busy_since = Some(now + if entry.is_of_host() { AROUND_NS } else { 0 });
                self.used_at = now;
                let wants = self.next_due().map_or(Wants::Nobody, |due| self.watch(due));
                Next::Fire(entry, callback, wants)
            }
            Some(due) => self.leader_sleeps(due),
            None => match self.idle_until() {
                until if until > now => self.leader_sleeps(until),
                _ => {
                    self.leader = None;
                    Next::End
                }
            },
        }
    }

    /// Until when runners with nothing to do stay.
    fn idle_until(&self) -> u64 {
        // They would keep a process going that ends with its last thread.
        let ends = self.ends || ends_with_last_thread();
        if ends { 0 } else { self.used_at.saturating_add(LINGER_NS) }
    }

    /// Has the runners end if they have nothing to do; returns whether they have not.
    pub(super) fn end_if_idle(&mut self) -> bool {
        self.ends = self.waiting.is_empty() && self.busy_since.is_none();
        self.ends
    }

    /// The function in this timer's callback begins now, or is over. Returns who is needed meanwhile.
    pub(super) fn set_busy(&mut self, entry: &Arc<Entry>, busy: bool, now: u64) -> Wants {
        let leads = |(runner, runs): &(Runner, Arc<Entry>)| {
            self.leader == Some(*runner) && Arc::ptr_eq(runs, entry)
        };
        // Unless it was overtaken.
        if !self.running.iter().any(leads) {
            return Wants::Nobody;
        }
        self.busy_since = Some(now + if busy { 0 } else { AROUND_NS });
        self.next_due().map_or(Wants::Nobody, |due| self.watch(due))
    }

    /// By how much the next timer is late.
    pub(super) fn lateness(&self, now: u64) -> u64 {
        self.next_due().map_or(0, |due| now.saturating_sub(due))
    }

    /// The callback of `me` is over.
    pub(super) fn is_done(&mut self, me: Runner) {
        self.running.retain(|(runner, _)| *runner != me);
        if self.leader == Some(me) {
            self.busy_since = None;
        }
    }

    /// Whether there are no runners.
    pub(super) fn has_ended(&self) -> bool {
        self.leader.is_none() && self.standby.is_none()
    }

    fn leader_sleeps(&mut self, until: u64) -> Next {
        self.leader_sleeps_until = Some(until);
        Next::Sleep(until)
    }

    /// When the standby has to take over, if nothing changes.
    fn overdue(&self) -> Option<u64> {
        let due = self.next_due()?;
        match self.leader {
            Some(_) => Some(due.max(self.busy_since? + LONG_NS)),
            // The leader could not be started.
            None => Some(0),
        }
    }

    /// Whether `me`, who decided to sleep until then, should still do so.
    pub(super) fn still_sleeps(&self, me: Runner, until: u64) -> bool {
        let wakes_at = if self.leader == Some(me) { self.next_due() } else { self.overdue() };
        !self.ends && wakes_at.is_none_or(|at| at >= until)
    }

    fn stand_by(&mut self, me: Runner, now: u64) -> Next {
        match self.overdue() {
            Some(at) if at <= now => {
                self.standby = None;
                self.leader = Some(me);
                self.lead(me, now)
            }
            Some(at) => {
                // A function may begin meanwhile: it looks again then, so that nobody need wake it.
                let at = at.min(self.next_due().unwrap_or(now).max(now) + LONG_NS);
                self.standby_sleeps_until = at;
                Next::Sleep(at)
            }
            None if self.idle_until() <= now => {
                self.standby = None;
                Next::End
            }
            None => {
                self.standby_sleeps_until = now + LINGER_NS;
                Next::Sleep(self.standby_sleeps_until)
            }
        }
    }

    /// The child of a fork has neither runners nor timers.
    pub(super) fn forget(&mut self) -> Forgotten {
        let Self { waiting, running, last, .. } = std::mem::replace(self, Self::new());
        self.last = last;
        Forgotten {
            waiting: waiting.into_values().collect(),
            running: running.into_iter().map(|(_, entry)| entry).collect(),
        }
    }
}
