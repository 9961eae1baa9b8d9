//! Where in a Python program a primitive was made.

use std::collections::HashMap;
use std::ffi::c_int;
#[expect(clippy::disallowed_types, reason = "tried and never waited for")]
use std::sync::{Arc, Mutex, OnceLock};

use once_cell::race::OnceBox;
use pyo3::prelude::*;
use pyo3::{Py, ffi};
use ropewalk::wait::{HostSite, Origin};

use super::host;

/// Keeps the code object alive to which an [`Origin::Host`] points.
#[derive(Debug)]
pub(crate) struct Site(Option<Py<PyAny>>, u32);

/// The line of the Python code that runs now: the caller of a constructor.
///
/// Two words are stored; the line number is computed when a report asks for it.
pub(crate) fn here(py: Python<'_>) -> Site {
    // SAFETY: attached; the frame is borrowed from the running thread, the code a new reference.
    unsafe {
        let frame = ffi::PyEval_GetFrame();
        if frame.is_null() {
            return Site(None, 0);
        }
        let code = ffi::PyFrame_GetCode(frame);
        let position = PyFrame_GetLasti(frame);
        let code = Bound::from_owned_ptr(py, code.cast()).unbind();
        Site(Some(code), u32::try_from(position).unwrap_or(0))
    }
}

unsafe extern "C" {
    fn PyFrame_GetLasti(frame: *mut ffi::PyFrameObject) -> c_int;
    fn PyCode_Addr2Line(code: *mut ffi::PyObject, position: c_int) -> c_int;
}

impl Site {
    /// The same for something that is a part of what was made there.
    pub(crate) fn again(&self, py: Python<'_>) -> Self {
        Self(self.0.as_ref().map(|code| code.clone_ref(py)), self.1)
    }

    /// As the core keeps it; valid as long as this lives.
    pub(crate) fn origin(&self) -> Origin {
        let Some(code) = &self.0 else { return Origin::Unknown };
        // SAFETY: a site is kept beside the primitive that gets this, in a Python object, and these
        // do not move.
        Origin::Host(unsafe { HostSite::new(code.as_ptr() as usize, self.1) })
    }
}

/// A place that was described: `file:line`, and whether that is one of our own files.
type Place = (Arc<str>, bool);
/// What was described: by code object and position, with the code object itself, so that no other
/// one gets its address.
type Known = HashMap<(usize, u32), (Py<PyAny>, Place)>;

/// Most places make many primitives; this many places are remembered.
const MOST_KNOWN: usize = 1024;
#[expect(clippy::disallowed_types, reason = "tried and never waited for")]
static KNOWN: OnceBox<Mutex<Known>> = OnceBox::new();

/// `file:line` for what [`Site::origin`] gave, whose site must be alive, on an attached thread.
pub(crate) fn describe(site: HostSite) -> Option<Arc<str>> {
    place(site).map(|(text, _)| text)
}

/// Whether it is a line of our own package; as for [`describe`].
pub(crate) fn is_own(site: HostSite) -> bool {
    place(site).is_some_and(|(_, own)| own)
}

fn place(site: HostSite) -> Option<Place> {
    let key = (site.code(), site.position());
    let known = KNOWN.get_or_init(Default::default);
    if let Ok(known) = known.try_lock()
        && let Some((_, place)) = known.get(&key)
    {
        return Some(place.clone());
    }
    let (code, place) = host::attached(|py| {
        // SAFETY: the site that keeps the code object lives as long as the primitive, which the
        // core keeps alive while it describes it.
        let code = unsafe { Bound::from_borrowed_ptr(py, site.code() as *mut ffi::PyObject) };
        let file: String =
            host::attribute(&code, host::word!(py, "co_filename").ok()?).ok()?.extract().ok()?;
        let position = c_int::try_from(site.position()).unwrap_or(0);
        // SAFETY: a code object; any position is allowed.
        let line = unsafe { PyCode_Addr2Line(code.as_ptr(), position) };
        let own = package(py).is_some_and(|folder| file.starts_with(&*folder));
        Some((code.unbind(), (Arc::from(format!("{file}:{line}")), own)))
    })?;
    if let Ok(mut known) = known.try_lock()
        && known.len() < MOST_KNOWN
    {
        known.insert(key, (code, place.clone()));
    }
    Some(place)
}

/// The folder of our own modules, with a slash at its end.
fn package(py: Python<'_>) -> Option<Arc<str>> {
    static FOLDER: OnceLock<Arc<str>> = OnceLock::new();
    if FOLDER.get().is_none() {
        let package = host::import(host::word!(py, "ropewalk").ok()?).ok()?;
        let file: String =
            host::attribute(&package, host::word!(py, "__file__").ok()?).ok()?.extract().ok()?;
        let _ = FOLDER.set(file.strip_suffix("__init__.py")?.into());
    }
    FOLDER.get().cloned()
}
