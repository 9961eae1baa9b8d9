//! Where in a Python program a primitive was made.

use std::collections::HashMap;
use std::ffi::{CStr, c_int};
use std::sync::atomic::{AtomicUsize, Ordering};
#[expect(clippy::disallowed_types, reason = "tried and never waited for")]
use std::sync::{Arc, Mutex, OnceLock};

use once_cell::race::OnceBox;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{Py, ffi};
use ropewalk::wait::{HostSite, Origin};

use super::host;

/// Keeps the code object alive to which an [`Origin::Host`] points.
#[derive(Debug)]
pub(crate) struct Site(Option<Py<PyAny>>, u32);

/// The line of the Python code that runs now: the caller of a constructor. Of code that was made up, as
/// the `__init__` of a dataclass is, it is the line that called it.
///
/// Two words are stored; the line number is computed when a report asks for it.
pub(crate) fn here(py: Python<'_>) -> Site {
    // SAFETY: attached; the frame is borrowed from the running thread, the code a new reference.
    unsafe {
        let frame = ffi::PyEval_GetFrame();
        if frame.is_null() {
            return Site(None, 0);
        }
        let code = Bound::from_owned_ptr(py, ffi::PyFrame_GetCode(frame).cast());
        if may_be_made_up(&code)
            && let Some(site) = caller_of_made_up(Bound::from_borrowed_ptr(py, frame.cast()))
        {
            return site;
        }
        let position = PyFrame_GetLasti(frame);
        Site(Some(code.unbind()), u32::try_from(position).unwrap_or(0))
    }
}

/// What stands for the file of code that was made from a text.
const NO_FILE: &str = "<string>";

/// Where code objects have the name of their file; 0 until it is known, as it is no member's place.
static FILE_AT: AtomicUsize = AtomicUsize::new(0);

/// Whether the name of the code's file is as long as [`NO_FILE`]: each lock that is made is to cost no
/// more than that.
fn may_be_made_up(code: &Bound<'_, PyAny>) -> bool {
    // Relaxed: all find the same.
    let place = match FILE_AT.load(Ordering::Relaxed) {
        0 => find_file_at(),
        place => place,
    };
    // SAFETY: a code object, which has an object there for as long as it lives (`find_file_at`).
    unsafe {
        let name = code.as_ptr().byte_add(place).cast::<*mut ffi::PyObject>().read();
        ffi::PyUnicode_Check(name) != 0
            && usize::try_from(ffi::PyUnicode_GET_LENGTH(name)) == Ok(NO_FILE.len())
    }
}

/// Looks for the place among the members that the type tells of. Without one there is always the
/// object's type, which is no text.
#[cold]
fn find_file_at() -> usize {
    let mut place = std::mem::offset_of!(ffi::PyObject, ob_type);
    // SAFETY: a type's list of members ends with one that has no name, and is never changed.
    unsafe {
        let mut member = ffi::PyCode_Type.tp_members;
        while let Some(each) = member.as_ref().filter(|each| !each.name.is_null()) {
            if CStr::from_ptr(each.name) == c"co_filename" {
                place = each.offset.cast_unsigned();
            }
            member = member.add(1);
        }
    }
    FILE_AT.store(place, Ordering::Relaxed);
    place
}

/// Where the program called the code of a frame, if that was made up.
#[cold]
fn caller_of_made_up(mut frame: Bound<'_, PyAny>) -> Option<Site> {
    let py = frame.py();
    let own = package(py)?;
    let mut made_up = false;
    loop {
        // SAFETY: a frame; a new reference.
        let code = unsafe { ffi::PyFrame_GetCode(frame.as_ptr().cast()) };
        // SAFETY: as above.
        let code = unsafe { Bound::from_owned_ptr(py, code.cast()) };
        let file = file_of(&code)?;
        if file == NO_FILE && has_file(&frame) {
            made_up = true;
        } else if !made_up {
            return None;
        } else if !file.starts_with(&*own) {
            // SAFETY: a frame.
            let position = unsafe { PyFrame_GetLasti(frame.as_ptr().cast()) };
            return Some(Site(Some(code.unbind()), u32::try_from(position).unwrap_or(0)));
        }
        // SAFETY: a frame; a new reference to one, or null.
        let back = unsafe { ffi::PyFrame_GetBack(frame.as_ptr().cast()) };
        // SAFETY: as above.
        frame = unsafe { Bound::from_owned_ptr_or_opt(py, back.cast()) }?;
    }
}

/// Whether the module of a frame has a file. A program that is a text itself, as with `-c`, has none.
fn has_file(frame: &Bound<'_, PyAny>) -> bool {
    let py = frame.py();
    // SAFETY: a frame; a new reference.
    let globals = unsafe {
        let globals = ffi::PyFrame_GetGlobals(frame.as_ptr().cast());
        Bound::from_owned_ptr_or_opt(py, globals)
    };
    let Some(Ok(globals)) = globals.map(Bound::cast_into::<PyDict>) else { return false };
    host::word!(py, "__file__").and_then(|name| globals.contains(name)).unwrap_or(false)
}

fn file_of(code: &Bound<'_, PyAny>) -> Option<String> {
    host::attribute(code, host::word!(code.py(), "co_filename").ok()?).ok()?.extract().ok()
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

/// Functions of ours that call what the program gave them: a lock that is made there is the program's.
const CALLERS: [&str; 2] = ["run", "_run_worker"];

/// A place that was described: `file:line`, and whether we make there something for ourselves.
type Place = (Arc<str>, bool);
/// What was described: by code object and position, with the code object itself, so that no other
/// one gets its address.
type Known = HashMap<(usize, u32), (Py<PyAny>, Place)>;

/// Most places make many primitives; this many places are remembered.
const MOST_KNOWN: usize = 1024;
#[expect(clippy::disallowed_types, reason = "tried and never waited for")]
static KNOWN: OnceBox<Mutex<Known>> = OnceBox::new();

/// `file:line` for what [`Site::origin`] gave, whose site must be alive. On a thread that is not attached
/// only if something that was made there was described before.
pub(crate) fn describe(site: HostSite) -> Option<Arc<str>> {
    place(site).map(|(text, _)| text)
}

/// Whether it is a line of our own package that makes something for us; as for [`describe`].
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
    if !host::is_attached() {
        return None;
    }
    let (code, place) = host::attached(|py| {
        // SAFETY: the site that keeps the code object lives as long as the primitive, which the
        // core keeps alive while it describes it.
        let code = unsafe { Bound::from_borrowed_ptr(py, site.code() as *mut ffi::PyObject) };
        let file = file_of(&code)?;
        let name: String =
            host::attribute(&code, host::word!(py, "co_name").ok()?).ok()?.extract().ok()?;
        let position = c_int::try_from(site.position()).unwrap_or(0);
        // SAFETY: a code object; any position is allowed.
        let line = unsafe { PyCode_Addr2Line(code.as_ptr(), position) };
        let own = package(py).is_some_and(|folder| file.starts_with(&*folder))
            && !CALLERS.contains(&name.as_str());
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
