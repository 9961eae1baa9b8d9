//! A piece of a file in memory: what is written there is in the file, whatever happens to the
//! process.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// The size of the largest pieces, which is a multiple of every page size.
pub(crate) const GRAIN: usize = 1 << 16;
static SPACES: [u8; GRAIN] = [b' '; GRAIN];

/// The size of the smallest pieces: a page. Sizes must be multiples of it.
pub(crate) fn smallest() -> usize {
    // SAFETY: no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(page).ok().filter(|page| (1..=GRAIN).contains(page)).unwrap_or(GRAIN)
}

/// A piece that is filled with spaces and written from its beginning on.
#[derive(Debug)]
pub(crate) struct Chunk {
    start: *mut u8,
    used: usize,
    size: usize,
}

// SAFETY: it owns its mapping.
unsafe impl Send for Chunk {}

impl Chunk {
    /// Maps a piece of a file that is open for reading and writing: `size` bytes, at most `GRAIN`, at
    /// `place`. Both are multiples of the smallest size.
    ///
    /// # Errors
    /// There is no room for it on the disk, or in memory.
    pub(crate) fn new(file: &File, place: u64, size: usize) -> io::Result<Self> {
        // The disk must have room for it now: without, a write into the mapping would be a fatal
        // signal. Written pages are also there already, which is faster than reserved ones whose
        // first use the kernel has to see (a third of the time).
        file.write_all_at(&SPACES[..size], place)?;
        let offset = libc::off_t::try_from(place).map_err(io::Error::other)?;
        // SAFETY: a new mapping, anywhere, whose blocks are there. The file is a new one that we do not
        // shorten below it, and no other start of ours does (`new_file`). Somebody else could: then a
        // write here is a fatal signal, not a wrong value.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start: start.cast(), used: 0, size })
    }

    /// Appends the bytes; `false` if there is no room for all of them.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.size - self.used {
            return false;
        }
        // SAFETY: within the mapping, as was just seen; it does not overlap with `bytes`.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.add(self.used), bytes.len());
        }
        self.used += bytes.len();
        true
    }

    /// Takes the last bytes back that were appended, as many.
    pub(crate) fn take_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.used);
        self.used -= bytes;
        // SAFETY: within the mapping.
        unsafe { std::ptr::write_bytes(self.start.add(self.used), b' ', bytes) };
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: our mapping, which nobody uses any more.
        unsafe { libc::munmap(self.start.cast(), self.size) };
    }
}
