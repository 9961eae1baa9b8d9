//! Who the calling thread is.

use std::sync::atomic::{AtomicU32, Ordering};

/// A non-zero word that no other live thread has, with its six lowest bits clear.
///
/// It is the thread pointer, the address that the C library keeps for each thread: one register
/// read, no thread-local lookup, so that a lock can store its owner at no cost. Like CPython's
/// `get_ident()` it is used again after the thread has ended.
#[cfg(all(
    target_arch = "x86_64",
    any(target_os = "linux", target_os = "android"),
    not(ropewalk_portable)
))]
#[inline(always)]
#[expect(clippy::inline_always, reason = "one instruction on the fast path of every lock")]
pub(crate) fn word() -> usize {
    let word: usize;
    // SAFETY: the x86-64 ELF TLS ABI keeps the thread pointer itself at %fs:0; reading it has no effect.
    unsafe {
        std::arch::asm!("mov {}, fs:0", out(reg) word, options(nostack, preserves_flags, readonly, pure));
    }
    word
}

/// A non-zero word that no other live thread has, with its six lowest bits clear.
#[cfg(not(all(
    target_arch = "x86_64",
    any(target_os = "linux", target_os = "android"),
    not(ropewalk_portable)
)))]
pub(crate) fn word() -> usize {
    #[repr(align(64))]
    struct Anchor(#[expect(dead_code, reason = "only its address is used")] u8);
    std::thread_local! { static ANCHOR: Anchor = const { Anchor(0) }; }
    ANCHOR.with(|anchor| std::ptr::from_ref(anchor) as usize)
}

/// The number by which the kernel knows the calling thread; 0 where there is none.
#[cfg(all(target_os = "linux", not(ropewalk_portable)))]
pub(crate) fn native_id() -> u64 {
    // SAFETY: gettid has no arguments and cannot fail.
    unsafe { libc::gettid() }.cast_unsigned().into()
}

#[cfg(any(not(target_os = "linux"), ropewalk_portable))]
pub(crate) fn native_id() -> u64 {
    0
}

/// The process's number, 0 if it was not asked for yet: the kernel takes its time to tell.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Whether the thread with this native id is the one that the process began with. `false` where that
/// is unknown.
pub(crate) fn is_main_thread(native_id: u64) -> bool {
    // Relaxed: whoever finds 0 asks the kernel, and is told the same.
    let process = match PROCESS.load(Ordering::Relaxed) {
        0 => {
            let process = std::process::id();
            PROCESS.store(process, Ordering::Relaxed);
            process
        }
        process => process,
    };
    native_id == u64::from(process)
}

/// In the child of a fork, before [`is_main_thread`] is asked: it has another number.
pub(crate) fn process_is_new() {
    PROCESS.store(0, Ordering::Relaxed);
}

/// Whether the process has a thread whose native id is not among `known` (sorted).
///
/// `true` as well where that cannot be found out: callers must then assume that there is one.
#[cfg(all(target_os = "linux", not(ropewalk_portable)))]
pub(crate) fn other_threads(known: &[u64]) -> bool {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return true };
    tasks.map(|task| task.ok()?.file_name().to_str()?.parse::<u64>().ok()).any(|id| match id {
        Some(id) => known.binary_search(&id).is_err(),
        None => true,
    })
}

#[cfg(any(not(target_os = "linux"), ropewalk_portable))]
pub(crate) fn other_threads(_known: &[u64]) -> bool {
    true
}

/// How many cores the calling thread may use.
#[cfg(target_os = "linux")]
pub(crate) fn cores() -> usize {
    let mut set = std::mem::MaybeUninit::<libc::cpu_set_t>::zeroed();
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: room for a set of that size; all zeros is a set. It fails where there are more cores
    // than a set has room for.
    let (result, set) = unsafe {
        let result = libc::sched_getaffinity(0, size, set.as_mut_ptr());
        (result, set.assume_init())
    };
    if result != 0 {
        return libc::CPU_SETSIZE.cast_unsigned() as usize;
    }
    // SAFETY: only reads the set.
    unsafe { libc::CPU_COUNT(&set) }.cast_unsigned() as usize
}

/// How many cores there are.
#[cfg(not(target_os = "linux"))]
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_stable_aligned_and_unique_among_live_threads() {
        let mine = word();
        assert_eq!(mine, word());
        assert_ne!(mine, 0);
        assert_eq!(mine % 64, 0);
        let other = std::thread::spawn(word).join().unwrap();
        assert_ne!(mine, other);
    }

    #[cfg(all(target_os = "linux", not(ropewalk_portable)))]
    #[test]
    fn this_thread_is_among_the_tasks() {
        // The test harness has threads of its own, so "no others" cannot be asserted here.
        assert!(other_threads(&[]));
        assert_ne!(native_id(), 0);
    }
}
