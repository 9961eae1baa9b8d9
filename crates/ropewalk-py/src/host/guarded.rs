//! Calls into Python that may run code of the user, guarded: see the head of `host.rs`.

use std::ffi::{CStr, c_char, c_int};

use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyAttributeError, PyBaseException, PyTypeError};
use pyo3::ffi::Py_ssize_t;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PySet, PyString, PyTuple, PyType};
use pyo3::{PyErr, ffi};

use super::made::{Made, Several, error, vector, vector_count};

/// Keeps a thread that the interpreter tries to end from being unwound further.
struct StayHere;

impl Drop for StayHere {
    fn drop(&mut self) {
        loop {
            // SAFETY: pause has no arguments; it returns after each signal handler.
            unsafe { libc::pause() };
        }
    }
}

pub(super) fn guarded<R>(call: impl FnOnce() -> R) -> R {
    let guard = StayHere;
    let result = call();
    std::mem::forget(guard);
    result
}

/// Functions of Python's that may run code of the user and that PyO3 declares as never unwinding.
///
/// To declare them a second time would not do: the optimizer, which sees the whole program, keeps
/// one declaration for each symbol. So they are called through a pointer that it cannot see through.
macro_rules! guarded_calls {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {$(
        /// # Safety
        /// As the function of the same name.
        #[expect(non_snake_case, reason = "Python's name")]
        pub(super) unsafe fn $name($($argument: $type),*) -> $result {
            type Declared = unsafe extern "C" fn($($type),*) -> $result;
            type Unwinding = unsafe extern "C-unwind" fn($($type),*) -> $result;
            let declared = std::hint::black_box(ffi::$name as Declared);
            // SAFETY: the two types differ only in what the compiler makes of unwinding.
            let unwinding = unsafe { std::mem::transmute::<Declared, Unwinding>(declared) };
            // SAFETY: the caller's.
            guarded(|| unsafe { unwinding($($argument),*) })
        }
    )*};
}

type Object = *mut ffi::PyObject;

guarded_calls! {
    PyErr_CheckSignals() -> c_int;
    PyObject_Call(callable: Object, args: Object, kwargs: Object) -> Object;
    PyObject_VectorcallDict(callable: Object, args: *const Object, count: usize, kwargs: Object) -> Object;
    PyObject_CallNoArgs(callable: Object) -> Object;
    PyObject_GetAttr(object: Object, name: Object) -> Object;
    PyObject_GetIter(object: Object) -> Object;
    PyObject_IsTrue(object: Object) -> c_int;
    PyObject_Repr(object: Object) -> Object;
    PyObject_Str(object: Object) -> Object;
    PyIter_Next(iterator: Object) -> Object;
    PyList_New(length: Py_ssize_t) -> Object;
    PyNumber_Add(left: Object, right: Object) -> Object;
    PyNumber_Subtract(left: Object, right: Object) -> Object;
    PyNumber_Index(object: Object) -> Object;
    PyDict_SetItem(dict: Object, key: Object, value: Object) -> c_int;
    PySet_Add(set: Object, object: Object) -> c_int;
    PySet_Discard(set: Object, object: Object) -> c_int;
    PyObject_RichCompareBool(left: Object, right: Object, operator: c_int) -> c_int;
    PyErr_WarnEx(category: Object, message: *const c_char, level: Py_ssize_t) -> c_int;
    PyErr_WriteUnraisable(object: Object) -> ();
    PyObject_ClearWeakRefs(object: Object) -> ();
    PyGILState_Release(state: ffi::PyGILState_STATE) -> ();
    PyThreadState_Clear(state: *mut ffi::PyThreadState) -> ();
    PyImport_Import(name: Object) -> Object;
    PyType_GenericAlloc(class: *mut ffi::PyTypeObject, items: Py_ssize_t) -> Object;
    Py_DecRef(object: Object) -> ();
}

/// Calls without arguments what may be code of the user.
///
/// Such code may be where a daemon thread is when the interpreter exits, so everything that runs
/// Python code from within a method goes through this function and its neighbours: see the head of
/// this file.
pub(crate) fn call0<'py>(callable: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: attached, as the argument shows; a valid object; a new reference, or null with an
    // exception set.
    unsafe {
        let result = PyObject_CallNoArgs(callable.as_ptr());
        Bound::from_owned_ptr_or_err(callable.py(), result)
    }
}

/// As [`call0`], with arguments.
pub(crate) fn call<'py>(
    callable: &Bound<'py, PyAny>,
    args: impl Several<'py>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let args = args.objects(callable.py())?;
    let (mut vector, count) = (vector(args.as_ref()), vector_count(args.as_ref()));
    let kwargs = kwargs.map_or(std::ptr::null_mut(), Bound::as_ptr);
    // SAFETY: as in `call0`; so many arguments, with a free place before them; `kwargs` is null or a
    // dict.
    let result = unsafe {
        let arguments = vector.as_mut_ptr().add(1);
        let result = PyObject_VectorcallDict(callable.as_ptr(), arguments, count, kwargs);
        Bound::from_owned_ptr_or_err(callable.py(), result)
    };
    // We may be the last to have one.
    args.into_iter().for_each(discard);
    result
}

/// As [`call`], with arguments that are in a tuple.
pub(crate) fn call_tuple<'py>(
    callable: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let kwargs = kwargs.map_or(std::ptr::null_mut(), Bound::as_ptr);
    // SAFETY: as in `call0`; `kwargs` is null or a dict.
    unsafe {
        let result = PyObject_Call(callable.as_ptr(), args.as_ptr(), kwargs);
        Bound::from_owned_ptr_or_err(callable.py(), result)
    }
}

/// Imports a module, which runs its code when it was not imported before.
pub(crate) fn import<'py>(name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: as in `call0`.
    unsafe { Bound::from_owned_ptr_or_err(name.py(), PyImport_Import(name.as_ptr())) }
}

/// `object.name`, whose lookup may be code of the user.
pub(crate) fn attribute<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: as in `call0`.
    unsafe {
        let result = PyObject_GetAttr(object.as_ptr(), name.as_ptr());
        Bound::from_owned_ptr_or_err(object.py(), result)
    }
}

/// As [`attribute`]; `None` if there is none.
pub(crate) fn attribute_opt<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    match attribute(object, name) {
        Err(error) if error.is_instance_of::<PyAttributeError>(object.py()) => Ok(None),
        result => result.map(Some),
    }
}

/// `object.name(*args)`, which may be code of the user.
pub(crate) fn call_method<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    args: impl Several<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    call(&attribute(object, name)?, args, None)
}

/// `bool(object)`, which may be code of the user.
pub(crate) fn is_true(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    // SAFETY: attached; a valid object.
    match unsafe { PyObject_IsTrue(object.as_ptr()) } {
        -1 => Err(PyErr::fetch(object.py())),
        truth => Ok(truth != 0),
    }
}

/// `left operator right`, which may be code of the user.
pub(crate) fn compare<'py>(
    left: &Bound<'py, PyAny>,
    operator: CompareOp,
    right: impl Made<'py>,
) -> PyResult<bool> {
    let py = left.py();
    let right = right.made(py)?;
    // SAFETY: attached; valid objects and one of the six operators.
    match unsafe { PyObject_RichCompareBool(left.as_ptr(), right.as_ptr(), operator as c_int) } {
        -1 => Err(PyErr::fetch(py)),
        truth => Ok(truth != 0),
    }
}

/// `left + right`, which may be code of the user.
pub(crate) fn add<'py>(
    left: &Bound<'py, PyAny>,
    right: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: as in `call0`.
    unsafe { Bound::from_owned_ptr_or_err(left.py(), PyNumber_Add(left.as_ptr(), right.as_ptr())) }
}

/// `left - right`.
pub(crate) fn subtract<'py>(
    left: &Bound<'py, PyAny>,
    right: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: as in `call0`.
    unsafe {
        Bound::from_owned_ptr_or_err(left.py(), PyNumber_Subtract(left.as_ptr(), right.as_ptr()))
    }
}

/// `float(object)`, which may be code of the user.
pub(crate) fn as_float(object: &Bound<'_, PyAny>) -> PyResult<f64> {
    call(object.py().get_type::<PyFloat>().as_any(), (object,), None)?.extract()
}

/// `operator.index(object)`, which may be code of the user.
pub(crate) fn index<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: as in `call0`.
    unsafe { Bound::from_owned_ptr_or_err(object.py(), PyNumber_Index(object.as_ptr())) }
}

/// `repr(object)`, which may be code of the user.
pub(crate) fn repr(object: &Bound<'_, PyAny>) -> PyResult<String> {
    // SAFETY: as in `call0`.
    let repr =
        unsafe { Bound::from_owned_ptr_or_err(object.py(), PyObject_Repr(object.as_ptr())) }?;
    repr.extract()
}

/// `str(object)`, which may be code of the user.
pub(crate) fn shown(object: &Bound<'_, PyAny>) -> PyResult<String> {
    // SAFETY: as in `call0`.
    let text = unsafe { Bound::from_owned_ptr_or_err(object.py(), PyObject_Str(object.as_ptr())) }?;
    Ok(text.cast::<PyString>()?.to_string_lossy().into_owned())
}

/// `iter(object)`, which may be code of the user.
pub(crate) fn iterator<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: as in `call0`.
    unsafe { Bound::from_owned_ptr_or_err(object.py(), PyObject_GetIter(object.as_ptr())) }
}

/// What an iterator gives next, which may be code of the user.
pub(crate) fn next<'py>(iterator: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = iterator.py();
    // SAFETY: attached; an iterator, as `iter` gave it. A new reference, or null with an exception
    // set unless it was the end.
    unsafe {
        match Bound::from_owned_ptr_or_opt(py, PyIter_Next(iterator.as_ptr())) {
            None => PyErr::take(py).map_or(Ok(None), Err),
            next => Ok(next),
        }
    }
}

/// Moves an object from one set to another: its `__hash__` and `__eq__` may be code of the user.
pub(crate) fn move_between_sets(
    object: &Bound<'_, PyAny>,
    from: &Bound<'_, PySet>,
    to: &Bound<'_, PySet>,
) -> PyResult<()> {
    // SAFETY: attached; sets and a valid object.
    let moved = unsafe {
        PySet_Add(to.as_ptr(), object.as_ptr()) >= 0
            && PySet_Discard(from.as_ptr(), object.as_ptr()) >= 0
    };
    if moved { Ok(()) } else { Err(PyErr::fetch(object.py())) }
}

/// Warns the caller of our method, which may be code of the user that shows or logs it.
pub(crate) fn warn(category: &Bound<'_, PyType>, message: &CStr) -> PyResult<()> {
    // SAFETY: attached; a class, and a string that ends with a 0.
    match unsafe { PyErr_WarnEx(category.as_ptr(), message.as_ptr(), 1) } {
        -1 => Err(PyErr::fetch(category.py())),
        _ => Ok(()),
    }
}

/// Drops an object whose destructor may be code of the user.
#[inline]
pub(crate) fn discard(object: Bound<'_, PyAny>) {
    // SAFETY: attached; our reference to a valid object, which is not used again.
    unsafe {
        if ffi::Py_REFCNT(object.as_ptr()) == 1 {
            Py_DecRef(object.into_ptr());
        }
    }
}

/// `dict[name] = value`: what was there before may be dropped.
pub(crate) fn set_item(
    dict: &Bound<'_, PyDict>,
    name: &Bound<'_, PyString>,
    value: &Bound<'_, PyAny>,
) -> PyResult<()> {
    // SAFETY: attached; a dict and valid objects.
    match unsafe { PyDict_SetItem(dict.as_ptr(), name.as_ptr(), value.as_ptr()) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(dict.py())),
    }
}

/// Ends what refers weakly to an object, whose callbacks are code of the user.
///
/// # Safety
/// Attached; from within the `tp_dealloc` of the object, whose class allows weak references.
pub(crate) unsafe fn end_weak_references(object: *mut ffi::PyObject) {
    // SAFETY: the caller's.
    unsafe { PyObject_ClearWeakRefs(object) };
}

/// Memory for an instance. Up to Python 3.11 the collector may run here, and with it destructors.
///
/// # Safety
/// Attached; as the `tp_alloc` of the class.
pub(crate) unsafe fn allocate(class: *mut ffi::PyTypeObject, items: Py_ssize_t) -> Object {
    // SAFETY: the caller's.
    unsafe { PyType_GenericAlloc(class, items) }
}

/// As [`discard`], where there is no token to be had: PyO3 gives none late in the exit.
///
/// # Safety
/// Attached; a reference that is the caller's to drop.
pub(crate) unsafe fn drop_reference(object: *mut ffi::PyObject) {
    // SAFETY: the caller's.
    unsafe { Py_DecRef(object) };
}

/// So many objects are dropped together: a list of all of them might take memory that is not there.
const TOGETHER: usize = 256;

/// Drops several, the last one first. Python's lists know how to end a long chain of containers
/// without recursion: a queue in a queue in a queue ...
pub(crate) fn discard_all(py: Python<'_>, mut objects: Vec<Py<PyAny>>) {
    if objects.is_empty() {
        return;
    }
    // We may be on the way of an exception, which that of a list without memory would replace.
    let error = PyErr::take(py);
    while !objects.is_empty() {
        let count = objects.len().min(TOGETHER);
        let together = objects.drain(objects.len() - count..);
        // SAFETY: attached. The list is new, and each of its places is filled, with a reference of
        // ours.
        unsafe {
            let list = PyList_New(count.cast_signed());
            if list.is_null() {
                ffi::PyErr_Clear();
                together.rev().for_each(|object| discard(object.into_bound(py)));
                continue;
            }
            for (place, object) in together.enumerate() {
                ffi::PyList_SET_ITEM(list, place.cast_signed(), object.into_ptr());
            }
            drop_reference(list);
        }
    }
    if let Some(error) = error {
        error.restore(py);
    }
}

/// The exception of the statement `raise object`: with its context, if another one is handled now.
pub(crate) fn raise(object: &Bound<'_, PyAny>) -> PyErr {
    let py = object.py();
    if object.is_instance_of::<PyBaseException>() {
        // SAFETY: attached; a valid exception and its class.
        unsafe { ffi::PyErr_SetObject(object.get_type_ptr().cast(), object.as_ptr()) };
        return PyErr::fetch(py);
    }
    match object.cast::<PyType>() {
        Ok(class) if class.is_subclass_of::<PyBaseException>().unwrap_or(false) => {
            match call0(object) {
                Ok(error) if error.is_instance_of::<PyBaseException>() => raise(&error),
                Ok(_) => error::<PyTypeError>("exceptions must derive from BaseException"),
                Err(error) => error,
            }
        }
        _ => error::<PyTypeError>("exceptions must derive from BaseException"),
    }
}

/// Gives an exception that nobody waits for to `sys.unraisablehook`.
pub(crate) fn report_unraisable(py: Python<'_>, error: PyErr, about: Option<&Bound<'_, PyAny>>) {
    error.restore(py);
    // SAFETY: attached, with an exception set; null or a valid object.
    unsafe { PyErr_WriteUnraisable(about.map_or(std::ptr::null_mut(), Bound::as_ptr)) };
}
