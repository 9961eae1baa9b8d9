//! What a program waited for in all: what is told at its end.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::pools::{PoolLook, all_pools};
use crate::platform;
use crate::wait::{EndedThreads, Site, current, ended_threads, gone_objects, objects, threads};

/// What a program waited for in all.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What was waited for, the longest in all first.
    pub sites: Vec<Site>,
    /// What the threads did, those that run and those that have ended.
    pub threads: EndedThreads,
    /// What the thread pools did, those that exist and those that are gone.
    pub pools: Vec<PoolLook>,
}

/// Sums up. What is gone and who has ended counts from
/// [`keep_ended`](crate::wait::keep_ended) on.
#[must_use]
pub fn report() -> Report {
    let mut sites = gone_objects();
    {
        // Keeps forks away, whose child must find no record locked.
        let _looking = super::deadlock::no_looks();
        for object in objects() {
            let depth = object.look().and_then(|look| look.depth);
            sites.add(&object, depth.map(|depth| depth.peak));
        }
    }
    // The caller is one of them, also if it never waited.
    drop(current());
    let mut others = threads();
    let mut sums = ended_threads(&mut others);
    for thread in others {
        let ran = platform::task_cpu_ns(thread.native_id()).unwrap_or(0);
        sums.add(&thread, Duration::from_nanos(ran), &thread.waited_for());
    }
    sums.waited.sort_by_key(|waited| std::cmp::Reverse(waited.total));
    Report { sites: sites.into_sorted(), threads: sums, pools: all_pools() }
}
