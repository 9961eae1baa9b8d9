//! Files of the runtime's own, in a process whose program may close any number it likes.
//!
//! Daemons close whatever they find open (`os.closerange`), and the system gives the numbers to what
//! is opened next. Whoever then still used a number of before would read, change or close a file of
//! the program's. So a file of ours stands where programs seldom look, and before it is used or
//! closed it is seen whether it is the same one.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// The first number for files of ours: above those of most programs, which then get the numbers that
/// they get without us, and below the usual limit of 1024.
const FIRST: libc::c_int = 500;

/// A file that is known to be ours as long as nobody has closed it.
#[derive(Debug)]
pub(crate) struct OwnFile<T: AsFd> {
    file: ManuallyDrop<T>,
    identity: Identity,
}

type Identity = (libc::dev_t, libc::ino_t);

impl<T: AsFd + From<OwnedFd> + Into<OwnedFd>> OwnFile<T> {
    /// Takes a file that was just opened; its number changes.
    ///
    /// # Errors
    /// It was closed already.
    pub(crate) fn new(file: T) -> io::Result<Self> {
        let file = T::from(moved_up(file.into()));
        let identity = identity(file.as_fd())?;
        Ok(Self { file: ManuallyDrop::new(file), identity })
    }
}

impl<T: AsFd> OwnFile<T> {
    /// The file, if its number still stands for it.
    pub(crate) fn get(&self) -> Option<&T> {
        identity(self.file.as_fd())
            .is_ok_and(|identity| identity == self.identity)
            .then_some(&*self.file)
    }
}

impl<T: AsFd> Drop for OwnFile<T> {
    fn drop(&mut self) {
        if self.get().is_some() {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }
}

fn moved_up(file: OwnedFd) -> OwnedFd {
    // SAFETY: a file that we own, and a number.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FIRST) } {
        // The program may have fewer.
        -1 => file,
        // SAFETY: new, and nobody else's.
        moved => unsafe { OwnedFd::from_raw_fd(moved) },
    }
}

/// What no other open file has: that of a socket is never used again.
fn identity(file: BorrowedFd<'_>) -> io::Result<Identity> {
    let mut found = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: room for the result. A number that stands for no file is an error.
    if unsafe { libc::fstat(file.as_raw_fd(), found.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: written, as there was no error.
    let found = unsafe { found.assume_init() };
    Ok((found.st_dev, found.st_ino))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_number_that_stands_for_another_file_is_left_alone() {
        let (mine, mut theirs) = UnixStream::pair().unwrap();
        let mine = OwnFile::new(mine).unwrap();
        let number = mine.get().expect("nobody has closed it").as_raw_fd();
        assert!(number >= FIRST);
        let (other, mut its_peer) = UnixStream::pair().unwrap();
        // SAFETY: two open files; what `number` stands for is closed by this, as programs do.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
        drop(other);
        assert!(mine.get().is_none());
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "ours is closed");
        drop(mine);
        its_peer.set_nonblocking(true).unwrap();
        let error = its_peer.read(&mut [0]).expect_err("the other one is still open");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        // SAFETY: nobody else uses it.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    }

    #[test]
    fn a_file_that_is_not_needed_any_more_is_closed() {
        let (mine, mut theirs) = UnixStream::pair().unwrap();
        drop(OwnFile::new(mine).unwrap());
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    }
}
