//! One client of the thread that answers, which must not be kept by it: not for long, and not at all
//! when it is to end.

#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::platform;
use crate::wait::Deadline;

/// A connection that is read and written until a deadline, or until `end` is closed at its other
/// side.
#[derive(Debug)]
pub(super) struct Client<'a> {
    stream: &'a UnixStream,
    end: &'a UnixStream,
    until: Deadline,
}

impl<'a> Client<'a> {
    /// `limit` is for all that is read and written.
    ///
    /// # Errors
    /// The stream cannot be made one that does not block.
    pub(super) fn new(
        stream: &'a UnixStream,
        end: &'a UnixStream,
        limit: Duration,
    ) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, end, until: Deadline::after(limit) })
    }

    /// Tries until it need not be waited for, `wait` being what waits.
    fn wait_while_blocked<R>(
        &self,
        mut attempt: impl FnMut() -> io::Result<R>,
        wait: impl Fn() -> [bool; 2],
    ) -> io::Result<R> {
        loop {
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            if self.until.has_passed() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let [ended, _] = wait();
            if ended {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
    }

    /// At least a millisecond, which is what the system counts.
    fn left(&self) -> Option<Duration> {
        self.until.left().map(|left| left.max(Duration::from_millis(1)))
    }
}

impl Read for Client<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut stream = self.stream;
        let files = [self.end.as_fd(), stream.as_fd()];
        let wait = || platform::wait_readable(files, self.left());
        self.wait_while_blocked(|| stream.read(buffer), wait)
    }
}

impl Write for Client<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let mut stream = self.stream;
        let files = [self.end.as_fd(), stream.as_fd()];
        let wait = || platform::wait_writable(files, self.left());
        self.wait_while_blocked(|| stream.write(buffer), wait)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_silent_client_is_left_when_the_time_is_up() {
        let (mine, _theirs) = UnixStream::pair().unwrap();
        let (_alive, end) = UnixStream::pair().unwrap();
        let mut client = Client::new(&mine, &end, Duration::from_millis(20)).unwrap();
        let error = client.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn one_that_reads_nothing_does_not_keep_the_end_waiting() {
        let (mine, _theirs) = UnixStream::pair().unwrap();
        let (alive, end) = UnixStream::pair().unwrap();
        let mut client = Client::new(&mine, &end, LONG).unwrap();
        let ender = std::thread::spawn(move || drop(alive));
        // More than the system keeps for the other side.
        let error = client.write_all(&vec![0; 8 << 20]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        ender.join().unwrap();
    }

    #[test]
    fn what_is_there_is_read_though_the_end_has_come() {
        let (mine, mut theirs) = UnixStream::pair().unwrap();
        let (alive, end) = UnixStream::pair().unwrap();
        drop(alive);
        theirs.write_all(b"x").unwrap();
        let mut client = Client::new(&mine, &end, LONG).unwrap();
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 1);
    }
}
