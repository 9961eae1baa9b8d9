//! The monotonic clock, as nanoseconds.

/// Nanoseconds on the clock that the futex deadlines use (`CLOCK_MONOTONIC`).
#[cfg(all(target_os = "linux", not(ropewalk_portable)))]
pub(crate) fn now() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is a valid timespec to write to; the clock id is a constant that every Linux has.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut t) };
    // The kernel never gives negative values on this clock.
    t.tv_sec.cast_unsigned() * 1_000_000_000 + t.tv_nsec.cast_unsigned()
}

/// As [`now`], but the time of the kernel's last tick: up to ten milliseconds ago.
#[cfg(all(target_os = "linux", not(ropewalk_portable)))]
pub(crate) fn now_coarse() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: as in `now`.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut t) };
    t.tv_sec.cast_unsigned() * 1_000_000_000 + t.tv_nsec.cast_unsigned()
}

#[cfg(any(not(target_os = "linux"), ropewalk_portable))]
pub(crate) fn now_coarse() -> u64 {
    now()
}

/// How long ago the time of [`now_coarse`] was, on the average.
#[cfg(all(target_os = "linux", not(ropewalk_portable)))]
pub(crate) fn coarse_lag() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static STEP: AtomicU64 = AtomicU64::new(0);
    // Relaxed: all find the same.
    let mut step = STEP.load(Ordering::Relaxed);
    if step == 0 {
        let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: as in `now`.
        unsafe { libc::clock_getres(libc::CLOCK_MONOTONIC_COARSE, &raw mut t) };
        step = t.tv_nsec.cast_unsigned();
        STEP.store(step, Ordering::Relaxed);
    }
    step / 2
}

#[cfg(any(not(target_os = "linux"), ropewalk_portable))]
pub(crate) fn coarse_lag() -> u64 {
    0
}

/// Nanoseconds since the first call, plus one second (so that 0 is always in the past).
#[cfg(any(not(target_os = "linux"), ropewalk_portable))]
pub(crate) fn now() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed().as_nanos();
    u64::try_from(elapsed).unwrap_or(u64::MAX / 2) + 1_000_000_000
}
