//! Where the sockets are: a folder that belongs to the user alone.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::platform;

/// The longest path of a folder with which every system takes the paths of its sockets: the least
/// that one allows for those, without the end, and without the longest name.
const LONGEST: usize = 104 - 1 - "/4194304-15.sock".len();

/// The folder of the sockets: `ropewalk` in `XDG_RUNTIME_DIR`, or `ropewalk-UID` in the folder for
/// temporary files, or in `/tmp`: the first whose path is not too long for a socket. It need not
/// exist.
#[must_use]
pub fn folder() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let runtime = runtime.filter(|runtime| runtime.is_absolute());
    first_that_fits(runtime.map(|runtime| runtime.join("ropewalk")), &std::env::temp_dir())
}

fn first_that_fits(first: Option<PathBuf>, temporary: &Path) -> PathBuf {
    let fits = |path: &PathBuf| path.as_os_str().len() <= LONGEST;
    let name = format!("ropewalk-{}", platform::user_id());
    let temporary = || Some(temporary.join(&name)).filter(fits);
    first.filter(fits).or_else(temporary).unwrap_or_else(|| Path::new("/tmp").join(name))
}

/// Removes what was left behind by processes that are not there any more: killed ones, and children
/// of forks that ended without a word (`os._exit`). Of `own` process's it removes nothing.
pub(super) fn sweep(folder: &Path, own: u32) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".sock")?.split('-').next()?.parse::<u32>().ok());
        let Some(number) = number.filter(|number| *number != own) else { continue };
        // It may live in another namespace of processes, which shares this folder.
        if !Path::new("/proc").join(number.to_string()).exists()
            && UnixStream::connect(&path)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        {
            let _ = fs::remove_file(path);
        }
    }
}

/// Makes the folder if it is not there.
///
/// # Errors
/// `PermissionDenied` if somebody else could get at what is in it: it is not ours, open to others,
/// or a link.
pub(super) fn prepare(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Not of what a link leads to.
    let found = fs::symlink_metadata(folder)?;
    if found.is_dir() && found.uid() == platform::user_id() && found.mode() & 0o777 == 0o700 {
        Ok(())
    } else {
        let what = format!("{} is not a folder of this user alone", folder.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_path_that_is_too_long_for_a_socket_is_not_used() {
        let long = PathBuf::from(format!("/{}", "x".repeat(LONGEST)));
        let short = PathBuf::from("/run/user/1/ropewalk");
        let name = format!("ropewalk-{}", platform::user_id());
        let temporary = Path::new("/var/tmp");
        assert_eq!(first_that_fits(Some(short.clone()), temporary), short);
        assert_eq!(first_that_fits(None, temporary), temporary.join(&name));
        assert_eq!(first_that_fits(Some(long.clone()), temporary), temporary.join(&name));
        assert_eq!(first_that_fits(None, &long), Path::new("/tmp").join(&name));
    }

    #[test]
    fn only_a_folder_of_ones_own_is_good_enough() {
        let base = std::env::temp_dir().join(format!("ropewalk-test-{}", std::process::id()));
        fs::create_dir(&base).unwrap();
        let ours = base.join("ours");
        prepare(&ours).unwrap();
        prepare(&ours).unwrap();
        assert_eq!(fs::metadata(&ours).unwrap().mode() & 0o777, 0o700);
        let link = base.join("link");
        symlink(&ours, &link).unwrap();
        assert_eq!(prepare(&link).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o750)).unwrap();
        assert_eq!(prepare(&ours).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        fs::remove_dir_all(&base).unwrap();
    }
}
