//! What the kernel knows of this process's threads.

/// What the kernel says of one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskState {
    /// It runs, or could and waits for a core.
    Running,
    /// It sleeps for a time of its own choice.
    Asleep,
    /// It waits for a word in memory, at this address: a lock of the C library's or of Python's.
    Futex(usize),
    /// It waits in some other system call, whose number this is.
    Call(u64),
    /// It is stopped, or it waits where we cannot see why.
    Other,
}

/// What the kernel says of the thread with this native id; `None` if there is none, or no such
/// kernel.
#[cfg(target_os = "linux")]
pub(crate) fn task_state(native_id: u64) -> Option<TaskState> {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{native_id}/stat")).ok()?;
    // The name before it is in parentheses, and may have some of its own.
    let state = stat.rsplit_once(") ")?.1.chars().next()?;
    if state == 'R' {
        return Some(TaskState::Running);
    }
    // Not there in every kernel, and not readable everywhere.
    let call = std::fs::read_to_string(format!("/proc/self/task/{native_id}/syscall"));
    Some(call.ok().and_then(|call| read_call(&call)).unwrap_or(TaskState::Other))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn task_state(_native_id: u64) -> Option<TaskState> {
    None
}

/// Reads a line such as `202 0x7f12 0x189 ...`, or `running`.
#[cfg(target_os = "linux")]
fn read_call(line: &str) -> Option<TaskState> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next()?;
    if first == "running" {
        return Some(TaskState::Running);
    }
    let number: u64 = first.parse().ok()?;
    let known = libc::c_long::try_from(number).ok()?;
    Some(if known == libc::SYS_futex {
        TaskState::Futex(usize::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?)
    } else if known == libc::SYS_clock_nanosleep || known == libc::SYS_nanosleep {
        TaskState::Asleep
    } else {
        TaskState::Call(number)
    })
}

/// The threads of this process whose native ids are not among `known` (sorted), with their names;
/// none on other systems.
#[cfg(target_os = "linux")]
pub(crate) fn unknown_tasks(known: &[u64]) -> Vec<(u64, String)> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let each = |task: std::io::Result<std::fs::DirEntry>| {
        let task = task.ok()?;
        let id = task
            .file_name()
            .to_str()?
            .parse()
            .ok()
            .filter(|id| known.binary_search(id).is_err())?;
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        Some((id, name.trim_end().to_owned()))
    };
    tasks.filter_map(each).collect()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn unknown_tasks(_known: &[u64]) -> Vec<(u64, String)> {
    Vec::new()
}

/// Which of these threads, by their native ids, has which of these words ([`word`](super::word)), where
/// that can be seen; `others` are words of other threads.
///
/// A thread's word is an address in its stack's mapping, above the stack, where the C library keeps what
/// belongs to the thread; and of one that does not run the kernel tells where in its stack it is.
#[cfg(target_os = "linux")]
pub(crate) fn tasks_of(words: &[usize], others: &[usize], tasks: &[u64]) -> Vec<(u64, usize)> {
    if words.is_empty() || tasks.is_empty() {
        return Vec::new();
    }
    let at = |task: &u64| Some((*task, stack_pointer(*task)?));
    let maps = std::fs::read("/proc/self/maps").unwrap_or_default();
    let maps = String::from_utf8_lossy(&maps);
    let areas: Vec<_> = maps.lines().filter_map(read_area).collect();
    pairs_of(words, others, tasks.iter().filter_map(at).collect(), &areas)
}

/// How much of its stack a thread has used at most that is taken for the one with the word above: half of
/// what most stacks have.
#[cfg(target_os = "linux")]
const MOST_USED: usize = 4 << 20;

#[cfg(target_os = "linux")]
fn pairs_of(
    words: &[usize],
    others: &[usize],
    mut tasks: Vec<(u64, usize)>,
    areas: &[std::ops::Range<usize>],
) -> Vec<(u64, usize)> {
    let mut all = [words, others].concat();
    all.sort_unstable();
    tasks.sort_unstable_by_key(|(_, at)| *at);
    let mut found = Vec::new();
    // Stacks that lie side by side may be one mapping: whose word it is shows in that nothing of another
    // thread is between the two.
    for (place, (task, at)) in tasks.iter().enumerate() {
        let Some(word) = all.get(all.partition_point(|word| word <= at)) else { continue };
        let is_next = tasks.get(place + 1).is_none_or(|(_, next)| next > word);
        let is_near = word - at <= MOST_USED;
        let is_in_one = areas.iter().any(|area| area.contains(at) && area.contains(word));
        if is_next && is_near && is_in_one && words.contains(word) {
            found.push((*task, *word));
        }
    }
    found
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn tasks_of(_words: &[usize], _others: &[usize], _tasks: &[u64]) -> Vec<(u64, usize)> {
    Vec::new()
}

/// Where in its stack a thread is, if it does not run.
#[cfg(target_os = "linux")]
fn stack_pointer(native_id: u64) -> Option<usize> {
    let call = std::fs::read_to_string(format!("/proc/self/task/{native_id}/syscall")).ok()?;
    // The last one is where its code is.
    let word = call.split_ascii_whitespace().nth_back(1)?;
    usize::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

/// Reads a line such as `7f10-7f20 rw-p ...`.
#[cfg(target_os = "linux")]
fn read_area(line: &str) -> Option<std::ops::Range<usize>> {
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

/// How long the thread with this native id has run on a core, in nanoseconds.
#[cfg(target_os = "linux")]
pub(crate) fn task_cpu_ns(native_id: u64) -> Option<u64> {
    // What `pthread_getcpuclockid` makes of a thread, of which we have only the number: part of the
    // kernel's interface (`CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED`).
    let id = libc::clockid_t::try_from(native_id).ok()?;
    let clock = (!id << 3) | 6;
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is a valid timespec to write to; a clock that is not there is an error.
    if unsafe { libc::clock_gettime(clock, &raw mut t) } != 0 {
        return None;
    }
    Some(t.tv_sec.cast_unsigned() * 1_000_000_000 + t.tv_nsec.cast_unsigned())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn task_cpu_ns(_native_id: u64) -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    // A thread has no number there.
    #[cfg(not(ropewalk_portable))]
    #[test]
    fn a_thread_that_looks_at_itself_runs() {
        let me = crate::platform::native_id();
        assert_eq!(task_state(me), Some(TaskState::Running));
        assert!(task_cpu_ns(me).is_some_and(|nanos| nanos > 0));
        assert_eq!(task_state(u64::from(u32::MAX)), None);
    }

    #[cfg(not(ropewalk_portable))]
    #[test]
    fn a_thread_that_sleeps_is_known_by_its_word() {
        use crate::platform::{native_id, thread_word};
        use std::io::{BufRead, BufReader, Read, Write};
        let (told, mut tell) = std::io::pipe().unwrap();
        let (mut goes, go) = std::io::pipe().unwrap();
        let sleeper = std::thread::spawn(move || {
            writeln!(tell, "{} {}", native_id(), thread_word()).unwrap();
            goes.read(&mut [0]).unwrap()
        });
        let mut line = String::new();
        BufReader::new(told).read_line(&mut line).unwrap();
        let (task, word) = line.trim_end().split_once(' ').unwrap();
        let (task, word) = (task.parse().unwrap(), word.parse().unwrap());
        // Not there in every kernel.
        let is_told = std::fs::metadata(format!("/proc/self/task/{task}/syscall")).is_ok();
        while is_told && tasks_of(&[word], &[thread_word()], &[native_id(), task]) != [(task, word)]
        {
            std::thread::yield_now();
        }
        assert!(tasks_of(&[thread_word()], &[word], &[task]).is_empty());
        drop(go);
        assert_eq!(sleeper.join().unwrap(), 0);
    }

    #[test]
    fn whose_word_it_is_is_seen_also_if_stacks_are_one_mapping() {
        let stack = 8 << 20;
        let top = |number: usize| number * stack;
        let areas = [top(1)..top(4), top(5)..top(6)];
        let pairs = |words: &[usize], others: &[usize], tasks: &[(u64, usize)]| {
            pairs_of(words, others, tasks.to_vec(), &areas)
        };
        let word = |number| top(number) - 100;
        let at = |number| top(number) - 2_000;
        let tasks = [(12, at(2)), (14, at(4)), (13, at(3)), (16, at(6))];
        assert_eq!(pairs(&[word(3), word(4)], &[], &tasks), [(13, word(3)), (14, word(4))]);
        assert_eq!(pairs(&[word(6)], &[word(2)], &tasks), [(16, word(6))]);
        // The thread with this word is gone, or it runs; another one is nearer; it has another mapping.
        assert_eq!(pairs(&[word(4)], &[], &[(13, at(3))]), []);
        assert_eq!(pairs(&[word(4)], &[word(4) - 10], &tasks), []);
        assert_eq!(pairs(&[word(4)], &[], &[(14, at(4)), (15, at(4) + 50)]), [(15, word(4))]);
        assert_eq!(pairs(&[word(5)], &[], &[(15, at(5))]), []);
    }

    #[test]
    fn areas_are_read() {
        assert_eq!(read_area("7f10-7f20 rw-p 00000000 00:00 0"), Some(0x7f10..0x7f20));
        assert_eq!(read_area(""), None);
    }

    #[test]
    fn calls_are_read() {
        let futex = libc::SYS_futex;
        assert_eq!(read_call(&format!("{futex} 0x7f10 0x189 0x0")), Some(TaskState::Futex(0x7f10)));
        assert_eq!(read_call("running"), Some(TaskState::Running));
        let sleep = libc::SYS_clock_nanosleep;
        assert_eq!(read_call(&format!("{sleep} 0x0 0x0")), Some(TaskState::Asleep));
        assert_eq!(read_call("100000 0x0"), Some(TaskState::Call(100_000)));
        assert_eq!(read_call(""), None);
    }
}
