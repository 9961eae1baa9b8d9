//! Snapshots and reports as rows, and as text.
//!
//! Threads and things are rows without names of their columns, as there may be ten thousand of
//! them. The columns are those of the types in [`crate::watch`], in their order; Python's side of
//! it is `ropewalk/_snapshot.py`.

use std::time::Duration;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::wait::{Deadlock, Site, WaitedFor, Waits};
use crate::watch::{ObjectLook, PoolLook, Report, Snapshot, ThreadLook, WaitLook};

/// The form of [`rows`]; another number means that it cannot be read in the same way.
const FORM: u32 = 2;

/// The whole snapshot as JSON: its [`rows`].
///
/// ```
/// let text = ropewalk::insight::to_json(&ropewalk::watch::snapshot());
/// assert!(text.starts_with("{\"form\":"));
/// ```
#[must_use]
pub fn to_json(snapshot: &Snapshot) -> String {
    // Only a map with keys that are no texts can fail.
    serde_json::to_string(&rows(snapshot)).unwrap_or_default()
}

/// The whole snapshot for any form that serde can write, times in seconds.
#[must_use]
pub fn rows(snapshot: &Snapshot) -> impl Serialize + '_ {
    Whole(snapshot)
}

/// A report for any form that serde can write, times in seconds.
#[must_use]
pub fn report_rows(report: &Report) -> impl Serialize + '_ {
    let threads = &report.threads;
    let sums = (
        threads.count,
        seconds(threads.ran),
        threads.waited.iter().map(waited).collect::<Vec<_>>(),
        seconds(threads.waited_for_host),
    );
    let (sites, pools) = (Each(&report.sites, site), Each(&report.pools, pool));
    (sums, sites, pools)
}

fn site(site: &Site) -> impl Serialize + '_ {
    (
        site.kind.name(),
        site.name.as_deref(),
        site.made_at.as_deref(),
        site.count,
        site.peak,
        waits(&site.waits),
    )
}

struct Whole<'a>(&'a Snapshot);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("form", &FORM)?;
        map.serialize_entry("pid", &std::process::id())?;
        map.serialize_entry("starting", &self.0.starting)?;
        map.serialize_entry("threads", &Each(&self.0.threads, thread))?;
        map.serialize_entry("objects", &Each(&self.0.objects, object))?;
        map.serialize_entry("deadlocks", &Each(&self.0.deadlocks, deadlock))?;
        map.serialize_entry("pools", &Each(&self.0.pools, pool))?;
        map.end()
    }
}

/// A list of rows, each made when it is written.
struct Each<'a, T, F>(&'a [T], F);

impl<'a, T, R: Serialize, F: Fn(&'a T) -> R> Serialize for Each<'a, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(&self.1))
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn thread(look: &ThreadLook) -> impl Serialize + '_ {
    (
        look.ident,
        look.name.as_deref(),
        look.native_id,
        look.is_main,
        look.state.name(),
        look.waits_for.as_ref().map(wait),
        &look.holds,
        seconds(look.age),
        look.ran.map(seconds),
        look.waited.iter().map(waited).collect::<Vec<_>>(),
        seconds(look.waited_for_host),
    )
}

fn waited(waited: &WaitedFor) -> (&'static str, u64, f64) {
    (waited.kind.name(), waited.count, seconds(waited.total))
}

fn wait(wait: &WaitLook) -> impl Serialize + '_ {
    (
        wait.object,
        wait.kind.name(),
        wait.name.as_deref(),
        wait.made_at.as_deref(),
        wait.owner,
        seconds(wait.waited),
        wait.remaining.map(seconds),
    )
}

fn object(look: &ObjectLook) -> impl Serialize + '_ {
    (
        look.id,
        look.kind.name(),
        look.name.as_deref(),
        look.made_at.as_deref(),
        look.owner,
        &look.waiters,
        look.depth.map(|depth| depth.now),
        look.depth.map(|depth| depth.peak),
        waits(&look.waits),
    )
}

fn waits(waits: &Waits) -> (u64, f64, f64, f64, f64) {
    (
        waits.count(),
        seconds(waits.total),
        seconds(waits.most),
        seconds(waits.quantile(0.5)),
        seconds(waits.quantile(0.99)),
    )
}

fn pool(look: &PoolLook) -> impl Serialize + '_ {
    (
        &*look.name,
        look.count,
        look.most,
        look.threads,
        look.busy,
        look.queued,
        look.threads_peak,
        look.queued_peak,
        look.tasks,
        look.cancelled,
        seconds(look.worked),
        seconds(look.idle),
    )
}

fn deadlock(deadlock: &Deadlock) -> (bool, bool, Vec<usize>) {
    let idents = deadlock.links.iter().map(|link| link.thread.word()).collect();
    (deadlock.certain, deadlock.cycle, idents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::current;

    #[test]
    fn it_can_be_read_again() {
        current().set_name("a \"name\"\n");
        let text = to_json(&crate::watch::snapshot());
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["form"], FORM);
        let rows = value["threads"].as_array().unwrap();
        let me = rows.iter().find(|row| row[0] == current().word()).unwrap();
        assert_eq!(me[1], "a \"name\"\n");
        // Only Linux tells what a thread does that does not wait in the runtime.
        let tells = cfg!(all(target_os = "linux", not(ropewalk_portable)));
        assert_eq!(me[4], if tells { "running" } else { "unknown" });
    }
}
