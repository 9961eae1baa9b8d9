//! Keeps the memory in which short threads have their Python frames.
//!
//! A thread's first Python frame makes CPython map a chunk of 16 KiB, and its end unmaps that: two
//! system calls, page faults, and a flush of the other cores' page tables, together about a third
//! of what it takes to start and join a thread. CPython offers a hook for whoever wants to provide
//! such memory (`PyObject_SetArenaAllocator`); ours passes everything on to the one before it, but
//! keeps a few chunks of this one size.
//!
//! Nothing here needs the interpreter or may assume the GIL: chunks are taken and put by one
//! atomic swap each. A fork finds every place either full or empty, never in between.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi;

/// `DATA_STACK_CHUNK_SIZE` of CPython 3.11 to 3.15. With another size nothing would be kept.
const CHUNK: usize = 16 * 1024;

/// As many as threads that end before others begin; more would be memory for nothing.
const PLACES: usize = 8;
static KEPT: [AtomicPtr<c_void>; PLACES] = [const { AtomicPtr::new(null_mut()) }; PLACES];

/// The allocator that was there before, with its functions.
struct Before {
    context: usize,
    alloc: extern "C" fn(*mut c_void, usize) -> *mut c_void,
    free: extern "C" fn(*mut c_void, *mut c_void, usize),
}

static BEFORE: OnceLock<Before> = OnceLock::new();

/// Puts the hook in place, once.
pub(crate) fn install() {
    let mut now = ffi::PyObjectArenaAllocator { ctx: null_mut(), alloc: None, free: None };
    // SAFETY: the pointer is valid for writing for the time of the call.
    unsafe { ffi::PyObject_GetArenaAllocator(&raw mut now) };
    let (Some(allocate), Some(release)) = (now.alloc, now.free) else { return };
    let before = Before { context: now.ctx as usize, alloc: allocate, free: release };
    if BEFORE.set(before).is_ok() {
        now.ctx = null_mut();
        now.alloc = Some(alloc);
        now.free = Some(free);
        // SAFETY: CPython copies the structure. Ours frees what the one before it gave, and the
        // interpreter's memory that is in use now is freed through it: same functions underneath.
        unsafe { ffi::PyObject_SetArenaAllocator(&raw mut now) };
    }
}

extern "C" fn alloc(_: *mut c_void, size: usize) -> *mut c_void {
    if size == CHUNK {
        for place in &KEPT {
            // A look first: a swap of an empty place would only move the cache line about.
            if !place.load(Ordering::Relaxed).is_null() {
                // Acquire pairs with the Release in `free`: the chunk's last user is through.
                let chunk = place.swap(null_mut(), Ordering::Acquire);
                if !chunk.is_null() {
                    return chunk;
                }
            }
        }
    }
    BEFORE.get().map_or(null_mut(), |before| (before.alloc)(before.context as *mut c_void, size))
}

extern "C" fn free(_: *mut c_void, block: *mut c_void, size: usize) {
    if size == CHUNK {
        for place in &KEPT {
            let put = place.compare_exchange(
                null_mut(),
                block,
                Ordering::Release,
                // Relaxed: a full place tells nothing.
                Ordering::Relaxed,
            );
            if put.is_ok() {
                return;
            }
        }
    }
    if let Some(before) = BEFORE.get() {
        (before.free)(before.context as *mut c_void, block, size);
    }
}
