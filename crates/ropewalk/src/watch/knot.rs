//! Finds knots: threads that wait for each other where more than one of them could help.
//!
//! Whoever waits for a task that is queued in a pool waits for any thread of that pool. Such a wait
//! can never end if each of those threads waits, without a deadline, for what can never come
//! either: the largest such set of threads is what is left if, from all threads that can be reached
//! from the one that is about to wait, those are taken out that can go on, then those that these
//! can help, and so on. If that set is left, and the waiting thread closed it, then it is refused.
//!
//! As for a cycle, the search is made twice and must find the same waits.

use std::sync::atomic::{AtomicBool, Ordering};

use super::deadlock::{Detector, Mode, Step, links_of, mode, serials};
use crate::primitive::{WordMap, WordSet};
use crate::wait::{Deadlock, Resource, ThreadRef, WaitView, find_by_word};

static POOLS: AtomicBool = AtomicBool::new(false);

/// Says that there is a pool, so that there may be knots.
pub(crate) fn pool_was_made() {
    // Relaxed: a thread that waits for something of a pool has got it from its maker.
    POOLS.store(true, Ordering::Relaxed);
}

impl Detector {
    /// The knot that `me`, which is about to wait for `what` and has published that, closes. If it
    /// is certain, and `refuse` is true, it is `me` that is refused: nobody else finds it.
    pub(super) fn find_knot(
        &self,
        me: &ThreadRef,
        what: &dyn Resource,
        refuse: bool,
    ) -> Option<Deadlock> {
        if !POOLS.load(Ordering::Relaxed) || can_be_helped(me, what) {
            return None;
        }
        self.find_knot_of(me, refuse)
    }

    /// The knot that this thread, whose wait is published, is in.
    pub(super) fn find_knot_of(&self, thread: &ThreadRef, refuse: bool) -> Option<Deadlock> {
        if !POOLS.load(Ordering::Relaxed) {
            return None;
        }
        let _looking = self.looking.lock();
        // A knot that is certain may be a part of one that is not.
        [true, false].into_iter().find_map(|certain| {
            let first = search(thread, certain)?;
            let second = search(thread, certain)?;
            if serials(&first) != serials(&second) {
                return None;
            }
            let links = links_of(&second)?;
            if refuse && certain && mode() == Mode::Raise {
                thread.mark_refused();
            }
            Some(Deadlock { links, cycle: true, certain })
        })
    }
}

/// Whether this wait can go on for ever only if nobody helps, whatever the thread does now.
fn waits_for_ever(wait: &WaitView<'_>) -> bool {
    !wait.notified && wait.deadline.is_never() && !wait.what.kind().is_idle()
}

/// A quick answer, which is `true` nearly always: for each need there is somebody who runs, or who
/// is not known.
fn can_be_helped(me: &ThreadRef, what: &dyn Resource) -> bool {
    let mut runs = WordSet::default();
    (0..what.needs()).all(|need| {
        !what.helpers(need, &mut |word| {
            word == me.word()
                || !runs.contains(&word)
                    && (is_stuck(word) || {
                        runs.insert(word);
                        false
                    })
        })
    })
}

fn is_stuck(word: usize) -> bool {
    find_by_word(word)
        .is_some_and(|thread| thread.look(|wait| wait.is_some_and(|wait| waits_for_ever(&wait))))
}

/// A thread that waits for ever unless, for each of its needs, one of these threads goes on.
struct Stuck {
    step: Step,
    needs: Vec<Vec<usize>>,
}

/// The threads of the knot that `start` is in, `start` first and the others in the order in which
/// they came. If `certain`, only waits count that can be ended by nobody but those who are named.
fn search(start: &ThreadRef, certain: bool) -> Option<Vec<Step>> {
    let mut stuck = WordMap::default();
    let mut goes_on = WordSet::default();
    let mut to_see = vec![start.word()];
    while let Some(word) = to_see.pop() {
        if stuck.contains_key(&word) || goes_on.contains(&word) {
            continue;
        }
        match stuck_thread(word, certain, &goes_on) {
            Some(found) => {
                to_see.extend(found.needs.iter().flatten());
                stuck.insert(word, found);
            }
            None => drop(goes_on.insert(word)),
        }
    }
    loop {
        let freed: Vec<usize> = stuck
            .iter_mut()
            .filter_map(|(word, each)| {
                each.needs.retain(|helpers| helpers.iter().all(|helper| !goes_on.contains(helper)));
                each.needs.is_empty().then_some(*word)
            })
            .collect();
        if freed.is_empty() {
            break;
        }
        for word in freed {
            stuck.remove(&word);
            goes_on.insert(word);
        }
    }
    let first = stuck.get(&start.word())?;
    // What can be reached from `start` is the knot, if `start` can be reached again.
    let mut knot = WordSet::default();
    let mut to_see: Vec<usize> = first.needs.iter().flatten().copied().collect();
    while let Some(word) = to_see.pop() {
        if knot.insert(word) {
            to_see.extend(stuck.get(&word)?.needs.iter().flatten());
        }
    }
    if !knot.contains(&start.word()) {
        return None;
    }
    let mut steps: Vec<Step> =
        knot.iter().filter_map(|word| stuck.remove(word)).map(|stuck| stuck.step).collect();
    steps.sort_by_key(|step| (step.thread.word() != start.word(), step.serial));
    Some(steps)
}

/// What this thread needs, if it waits for ever and if it is known, for one of its needs, who could
/// help; those who are known to go on need not be named.
fn stuck_thread(word: usize, certain: bool, goes_on: &WordSet) -> Option<Stuck> {
    let thread = find_by_word(word)?;
    let (serial, kind, moved, needs) = thread.look(|wait| {
        let wait = wait.filter(waits_for_ever)?;
        let kind = wait.what.kind();
        if certain && !kind.only_owner_releases() {
            return None;
        }
        let mut needs: Vec<Vec<usize>> = Vec::new();
        for need in 0..wait.what.needs() {
            let mut helpers = Vec::new();
            let all_named = wait.what.helpers(need, &mut |helper| {
                let unknown = !goes_on.contains(&helper);
                if unknown {
                    helpers.push(helper);
                }
                unknown
            });
            // Tasks that wait in one pool have the same helpers.
            if all_named && needs.last() != Some(&helpers) {
                needs.push(helpers);
            }
        }
        (!needs.is_empty()).then_some((wait.serial, kind, wait.moved, needs))
    })?;
    Some(Stuck { step: Step { thread, serial, kind, moved }, needs })
}
