//! What is made or looked up once and kept, names above all.
//!
//! Not PyO3's `intern!` and `PyOnceLock`. Those let go of the GIL while a thread fills them, so that
//! a fork may come then: in the child the thread is gone, and whoever needs the same thing waits for
//! it for ever, beside the wait point. Here nobody waits: of two threads that make it at the same
//! time, one has made it in vain.

use once_cell::race::OnceBox;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::made::interned;

/// An object of Python's, once it was needed.
pub(crate) struct Kept<T = PyAny>(OnceBox<Py<T>>);

impl<T> Kept<T> {
    pub(crate) const fn new() -> Self {
        Self(OnceBox::new())
    }

    pub(crate) fn get<'py>(&self, py: Python<'py>) -> Option<&Bound<'py, T>> {
        self.0.get().map(|object| object.bind(py))
    }

    /// Keeps it, unless something is kept already.
    pub(crate) fn set(&self, object: Bound<'_, T>) {
        let _ = self.0.set(Box::new(object.unbind()));
    }

    /// What is kept, made first if that is nothing yet.
    #[inline]
    pub(crate) fn get_or_make<'py>(
        &self,
        py: Python<'py>,
        make: impl FnOnce() -> PyResult<Bound<'py, T>>,
    ) -> PyResult<&Bound<'py, T>> {
        let object = self.0.get_or_try_init(|| Ok::<_, PyErr>(Box::new(make()?.unbind())))?;
        Ok(object.bind(py))
    }
}

/// A name.
pub(crate) struct Word {
    text: &'static str,
    kept: Kept<PyString>,
}

impl Word {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, kept: Kept::new() }
    }

    /// The name as Python has it.
    ///
    /// # Errors
    /// `MemoryError`.
    #[inline]
    pub(crate) fn get<'a, 'py>(&'a self, py: Python<'py>) -> PyResult<&'a Bound<'py, PyString>> {
        self.kept.get_or_make(py, || interned(py, self.text))
    }
}

/// The [`Word`] for a literal: `word!(py, "acquire")?`.
macro_rules! word {
    ($py:expr, $text:expr) => {{
        static WORD: $crate::host::Word = $crate::host::Word::new($text);
        WORD.get($py)
    }};
}
pub(crate) use word;
