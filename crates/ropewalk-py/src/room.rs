//! Room in a container of Python's for objects that are to be moved there.
//!
//! A move must not fail half way: so there is a place for each of them first, in which something else
//! lies. What comes in its stead takes no memory.

#![forbid(unsafe_code)]

use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::error::Error;
use super::host::{self, Made};

/// As many as fit into one of the blocks that a deque is made of.
const BLOCK: usize = 64;

/// A list or deque with room for a number of objects.
pub(crate) enum Room<'py> {
    List(Bound<'py, PyList>),
    Deque {
        deque: Bound<'py, PyAny>,
        append: Bound<'py, PyAny>,
        pop: Bound<'py, PyAny>,
        len: usize,
    },
}

impl<'py> Room<'py> {
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn list(py: Python<'py>, len: usize) -> PyResult<Self> {
        let class = py.get_type::<PyList>();
        Ok(Self::List(host::call(&class, (fillers(py, len)?,), None)?.cast_into()?))
    }

    /// # Errors
    /// `MemoryError`.
    pub(crate) fn deque(py: Python<'py>, len: usize) -> PyResult<Self> {
        let collections = host::import(host::word!(py, "collections")?)?;
        // A block more: a deque keeps some that were emptied, and takes the next one from there.
        let more = if len == 0 { 0 } else { BLOCK };
        let fillers = fillers(py, len + more)?;
        let deque = host::call_method(&collections, host::word!(py, "deque")?, (fillers,));
        let deque = deque.map_err(|error| {
            // A deque does not say that there was no memory.
            let silent = error.is_instance_of::<PySystemError>(py);
            if silent { Error::NoMemory.into() } else { error }
        })?;
        let append = host::attribute(&deque, host::word!(py, "append")?)?;
        let pop = host::attribute(&deque, host::word!(py, "popleft")?)?;
        for _ in 0..more {
            host::call0(&pop)?;
        }
        Ok(Self::Deque { deque, append, pop, len })
    }

    pub(crate) fn object(&self) -> &Bound<'py, PyAny> {
        match self {
            Self::List(list) => list,
            Self::Deque { deque, .. } => deque,
        }
    }

    /// Puts the objects there, and nothing else stays. The others come there also if one fails: that
    /// can only be if they are more than was said.
    pub(crate) fn fill(self, objects: impl IntoIterator<Item = Bound<'py, PyAny>>) -> PyResult<()> {
        let mut result = Ok(());
        match self {
            Self::List(list) => {
                let mut count = 0;
                for object in objects {
                    let put = if count < list.len() {
                        list.set_item(count, object)
                    } else {
                        list.append(object)
                    };
                    count += usize::from(put.is_ok());
                    result = result.and(put);
                }
                // One by one: that takes no memory.
                while list.len() > count {
                    result = result.and(list.del_item(list.len() - 1));
                }
                result
            }
            Self::Deque { append, pop, mut len, .. } => {
                for object in objects {
                    if len > 0 {
                        len -= 1;
                        result = result.and(host::call0(&pop).map(drop));
                    }
                    result = result.and(host::call(&append, (object,), None).map(drop));
                }
                for _ in 0..len {
                    result = result.and(host::call0(&pop).map(drop));
                }
                result
            }
        }
    }
}

/// What lies in so many places: zeros, of which Python has only one.
fn fillers(py: Python<'_>, len: usize) -> PyResult<Bound<'_, PyAny>> {
    host::call(&py.get_type::<PyBytes>(), (len.made(py)?,), None)
}
