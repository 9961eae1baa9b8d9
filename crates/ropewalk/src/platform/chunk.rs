//! A piece of a file in memory: what is written there is in the file, whatever happens to the
//! process.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Sizes and places of pieces are multiples of this, which is one of every page size.
pub(crate) const GRAIN: usize = 1 << 16;

/// A piece that is filled with spaces and written from its beginning on.
#[derive(Debug)]
pub(crate) struct Chunk {
    start: *mut u8,
    size: usize,
    used: usize,
}

// SAFETY: it owns its mapping.
unsafe impl Send for Chunk {}

impl Chunk {
    /// Maps `size` bytes of a file that is open for reading and writing, at `place`.
    ///
    /// # Errors
    /// There is no room for them on the disk, or in memory.
    pub(crate) fn new(file: &File, place: u64, size: usize) -> io::Result<Self> {
        reserve(file, place, size)?;
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
        let start: *mut u8 = start.cast();
        // SAFETY: the mapping is that large and ours.
        unsafe { std::ptr::write_bytes(start, b' ', size) };
        Ok(Self { start, size, used: 0 })
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
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: our mapping, which nobody uses any more.
        unsafe { libc::munmap(self.start.cast(), self.size) };
    }
}

/// Gets the blocks now: without them a write into the mapping would be a fatal signal.
#[cfg(target_os = "linux")]
fn reserve(file: &File, place: u64, size: usize) -> io::Result<()> {
    let place = libc::off_t::try_from(place).map_err(io::Error::other)?;
    let size = libc::off_t::try_from(size).map_err(io::Error::other)?;
    // SAFETY: an open file.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), place, size) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(mut file: &File, place: u64, size: usize) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(place))?;
    file.write_all(&vec![b' '; size])
}
