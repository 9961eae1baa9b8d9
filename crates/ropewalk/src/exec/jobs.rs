//! The jobs that wait in a pool, in the order in which they will be done.

use std::collections::{BTreeMap, VecDeque};

/// Jobs of higher priority first, those of the same priority first come first.
///
/// Nearly always all have priority 0: those need nothing but a queue.
#[derive(Debug)]
pub(super) struct Jobs<J> {
    usual: VecDeque<J>,
    /// Those of other priorities; no list in it is empty.
    others: BTreeMap<i64, VecDeque<J>>,
    others_len: usize,
}

impl<J> Jobs<J> {
    pub(super) fn new() -> Self {
        Self { usual: VecDeque::new(), others: BTreeMap::new(), others_len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.usual.len() + self.others_len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a job; gives it back if there is no memory. (A priority that is new needs a little that is
    /// not given back.)
    pub(super) fn push(&mut self, job: J, priority: i64) -> Result<(), J> {
        let jobs = match priority {
            0 => &mut self.usual,
            _ => self.others.entry(priority).or_default(),
        };
        if jobs.try_reserve(1).is_err() {
            self.others.retain(|_, jobs| !jobs.is_empty());
            return Err(job);
        }
        jobs.push_back(job);
        self.others_len += usize::from(priority != 0);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Option<J> {
        if self.others_len == 0 {
            return self.usual.pop_front();
        }
        let mut last = self.others.last_entry()?;
        if *last.key() < 0
            && let Some(job) = self.usual.pop_front()
        {
            return Some(job);
        }
        let job = last.get_mut().pop_front();
        if last.get().is_empty() {
            last.remove();
        }
        self.others_len -= 1;
        job
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &J> {
        self.usual.iter().chain(self.others.values().flatten())
    }

    /// Takes all of them out.
    pub(super) fn take_all(&mut self) -> Self {
        std::mem::replace(self, Self::new())
    }

    /// All of them in their order; those of the usual priority stay in the memory that they have.
    pub(super) fn into_vec(mut self) -> Vec<J> {
        if self.others_len == 0 { self.usual.into() } else { self.by_ref().collect() }
    }
}

impl<J> Iterator for Jobs<J> {
    type Item = J;

    fn next(&mut self) -> Option<J> {
        self.pop()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn higher_priorities_come_first_and_equal_ones_in_turn() {
        let mut jobs = Jobs::new();
        for (job, priority) in
            [("a", 0), ("low", -1), ("high", 2), ("b", 0), ("higher", 3), ("high too", 2)]
        {
            jobs.push(job, priority).unwrap();
        }
        assert_eq!(jobs.len(), 6);
        assert_eq!(jobs.iter().count(), 6);
        let order: Vec<_> = jobs.by_ref().collect();
        assert_eq!(order, ["higher", "high", "high too", "a", "b", "low"]);
        assert!(jobs.is_empty());
        assert!(jobs.others.is_empty());
    }
}
