//! A file to write into pieces of it that are in memory: always a new one.
//!
//! Whoever shortens a file that is mapped takes away what is mapped, and the next write there is a
//! fatal signal. So a file of that name which another process may be writing is never shortened; it
//! stays whole, without a name, for who has it open.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Opens a new file of this name, for reading and writing. What is no regular file, as a device, is
/// opened as it is.
///
/// # Errors
/// It cannot be made, or what is there cannot be removed.
pub(crate) fn new_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true);
    loop {
        let found = match fs::metadata(path) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let made = match found {
            Some(found) if found.is_file() && !is_output(&found) => replace(path, &found, &options),
            Some(_) => return options.truncate(true).open(path),
            None if path.is_symlink() => return options.create(true).open(path),
            None => options.clone().create_new(true).open(path),
        };
        match made {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
}

/// Puts a new file in the place of one that was found there; a link to it stays a link.
fn replace(path: &Path, found: &Metadata, options: &OpenOptions) -> io::Result<File> {
    // It may be gone by now.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Whoever could not read the old one shall not read this one.
    let mode = found.permissions().mode() & 0o666;
    options.clone().create_new(true).mode(mode).open(path)
}

/// Whether this is where the program's own output goes (`/dev/stdout`): it has to go on to.
fn is_output(found: &Metadata) -> bool {
    let is = |file: BorrowedFd<'_>| {
        let file = file.try_clone_to_owned().map(File::from).and_then(|file| file.metadata());
        file.is_ok_and(|file| (file.dev(), file.ino()) == (found.dev(), found.ino()))
    };
    is(io::stdout().as_fd()) || is(io::stderr().as_fd())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn who_has_the_old_file_open_keeps_it_whole() {
        let folder = std::env::temp_dir().join(format!("ropewalk-new-file-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (path, link) = (folder.join("trace"), folder.join("link"));
        let mut old = new_file(&path).unwrap();
        old.write_all(b"old").unwrap();
        old.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut new = new_file(&link).unwrap();
        new.write_all(b"new").unwrap();
        assert_eq!(old.metadata().unwrap().len(), 3);
        assert_eq!(new.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let mut text = String::new();
        File::open(&path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "new");
        assert!(link.is_symlink());
        fs::remove_file(&path).unwrap();
        new_file(&link).unwrap();
        assert!(path.is_file(), "the file that a link stands for is made");
        fs::remove_dir_all(&folder).unwrap();
    }
}
