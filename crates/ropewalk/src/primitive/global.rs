//! What there is once in a process: statics, and values that are set once.
//!
//! Not std's `OnceLock` and `LazyLock`. Those put a thread to sleep while another one sets the
//! value, which is a sleep beside the wait point: in the child of a fork, with the other thread
//! gone, it would never end. And ThreadSanitizer does not see what std synchronizes inside itself.

/// Defines a static. In a model it is made when it is first used, as loom's types cannot be made
/// in constants.
macro_rules! global {
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $value:expr;) => {
        #[cfg(not(loom))]
        $(#[$attribute])*
        $visibility static $name: $type = $value;
        #[cfg(loom)]
        $(#[$attribute])*
        $visibility static $name: std::sync::LazyLock<$type> =
            std::sync::LazyLock::new(|| $value);
    };
}
pub(crate) use global;

#[cfg(loom)]
pub(crate) use std::sync::OnceLock;

#[cfg(not(loom))]
pub(crate) use os::OnceLock;

#[cfg(not(loom))]
mod os {
    use std::marker::PhantomData;
    use std::ptr;
    use std::sync::atomic::{AtomicPtr, Ordering};

    /// For a static: empty until a value is set, which then stays for ever. Nobody ever waits: of
    /// two threads that set it at the same time, one loses.
    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        /// Null, or a box that is never freed.
        value: AtomicPtr<T>,
        /// It is shared and sent as its value is.
        owns: PhantomData<T>,
    }

    impl<T> OnceLock<T> {
        pub(crate) const fn new() -> Self {
            Self { value: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
        }

        #[inline]
        pub(crate) fn get(&self) -> Option<&T> {
            // Acquire pairs with the Release of `set`: the value is seen whole.
            let value = self.value.load(Ordering::Acquire);
            // SAFETY: null, or from the box that `set` gave up, which is never freed nor changed.
            unsafe { value.as_ref() }
        }

        /// Sets the value; gives it back if there is one already.
        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            let new = Box::into_raw(Box::new(value));
            // Release pairs with the Acquire of `get`.
            match self.value.compare_exchange(
                ptr::null_mut(),
                new,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => Ok(()),
                // SAFETY: from the box above, which nobody else has seen.
                Err(_) => Err(*unsafe { Box::from_raw(new) }),
            }
        }

        /// The value; the one that `make` gives if there is none. Of several that are made at the
        /// same time, one stays.
        #[inline]
        pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            if let Some(value) = self.get() {
                return value;
            }
            let _ = self.set(make());
            // `get` sees what was set by us, or by the one that was faster.
            self.get().expect("a value that was set stays")
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_first_value_stays() {
            let once = OnceLock::new();
            assert_eq!(once.get(), None);
            assert_eq!(once.set(1), Ok(()));
            assert_eq!(once.set(2), Err(2));
            assert_eq!(*once.get_or_init(|| 3), 1);
            assert_eq!(once.get(), Some(&1));
        }

        #[test]
        fn threads_that_are_first_at_the_same_time_agree() {
            static ONCE: OnceLock<usize> = OnceLock::new();
            let seen: Vec<usize> = std::thread::scope(|scope| {
                let threads: Vec<_> =
                    (0..8).map(|i| scope.spawn(move || *ONCE.get_or_init(|| i))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(seen.iter().all(|value| Some(value) == ONCE.get()));
        }
    }
}
