//! The methods that `Queue` and `LifoQueue` have in common, written once.

/// Implements them for a struct with one field `shared: Shared<$store>`, whose waits are of `$kinds`.
macro_rules! queue_methods {
    ($queue:ident, $store:ident, $kinds:expr) => {
        impl<T: Send> std::fmt::Debug for $queue<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($queue))
                    .field("len", &self.shared.len())
                    .field("maxsize", &self.shared.maxsize())
                    .field("name", &self.shared.name())
                    .finish_non_exhaustive()
            }
        }

        impl<T: Send> $queue<T> {
            const_unless_loom! {
                /// An empty queue for at most `maxsize` items, or without a limit if that is 0,
                /// which remembers the line where it was made.
                #[must_use]
                #[track_caller]
                pub fn new(maxsize: usize) -> Self {
                    Self::with_origin(maxsize, here())
                }
            }

            const_unless_loom! {
                /// As `new`, for a queue that was made at `origin`.
                #[must_use]
                pub fn with_origin(maxsize: usize, origin: Origin) -> Self {
                    Self { shared: Shared::new($store::new(), $kinds, maxsize, origin) }
                }
            }

            /// Puts an item if there is a free place. Never blocks.
            ///
            /// # Errors
            /// [`PutError`], which gives the item back.
            #[inline(always)]
            pub fn try_put(&self, item: T) -> Result<(), PutError<T>> {
                self.shared.try_put(item)
            }

            /// Puts an item, waiting for a free place as long as it takes.
            ///
            /// # Errors
            /// [`PutError`], which gives the item back; never [`PutError::Full`].
            #[inline]
            pub fn put(&self, item: T) -> Result<(), PutError<T>> {
                self.shared.put_until(item, Deadline::NEVER)
            }

            /// Puts an item, waiting for a free place until the deadline.
            ///
            /// # Errors
            /// [`PutError`], which gives the item back; [`PutError::Full`] if the time was up.
            #[inline]
            pub fn put_until(&self, item: T, deadline: Deadline) -> Result<(), PutError<T>> {
                self.shared.put_until(item, deadline)
            }

            /// Gets an item if there is one. Never blocks.
            ///
            /// # Errors
            /// [`GetError`].
            #[inline(always)]
            pub fn try_get(&self) -> Result<T, GetError> {
                self.shared.try_get()
            }

            /// Gets an item, waiting for one as long as it takes.
            ///
            /// # Errors
            /// [`GetError`]; never [`GetError::Empty`].
            #[inline]
            pub fn get(&self) -> Result<T, GetError> {
                self.shared.get_until(Deadline::NEVER)
            }

            /// Gets an item, waiting for one until the deadline.
            ///
            /// # Errors
            /// [`GetError`]; [`GetError::Empty`] if the time was up.
            #[inline]
            pub fn get_until(&self, deadline: Deadline) -> Result<T, GetError> {
                self.shared.get_until(deadline)
            }

            /// Calls `look` with each item.
            ///
            /// For the garbage collectors of hosts: `look` must not use the queue. If the calling
            /// thread is busy with the queue itself, it is not called, after a second.
            pub fn try_for_each(&self, look: impl FnMut(&T)) {
                if let Some(state) = self.shared.lock_to_collect() {
                    state.store.iter().for_each(look);
                }
            }

            /// Takes all items out at once; they stay unfinished tasks.
            #[must_use = "the items are taken out"]
            pub fn drain(&self) -> Vec<T> {
                self.shared.drain().into_vec()
            }

            /// Takes all items out and closes the queue for good: every operation on it, also
            /// those that wait now, fails with `Retired`. `None` if that was done before.
            ///
            /// For a host that goes on with the items elsewhere.
            #[must_use = "the items are taken out"]
            pub fn retire(&self) -> Option<Contents<T>> {
                let (store, mut contents) = self.shared.retire()?;
                contents.items = store.into_vec();
                Some(contents)
            }

            count_methods!();
        }
    };
}

/// Those methods that need nothing but `self.shared`: what is counted, joined and shut down.
macro_rules! count_methods {
    () => {
        /// How many items there are at this moment.
        #[must_use]
        pub fn len(&self) -> usize {
            self.shared.len()
        }

        /// Whether there is no item at this moment.
        #[must_use]
        pub fn is_empty(&self) -> bool {
            self.shared.len() == 0
        }

        /// Whether there is no free place at this moment.
        #[must_use]
        pub fn is_full(&self) -> bool {
            self.shared.is_full()
        }

        /// The largest number of items, 0 for no limit.
        #[must_use]
        pub fn maxsize(&self) -> usize {
            self.shared.maxsize()
        }

        /// Sets the largest number of items, 0 for no limit. Items that are there stay; threads
        /// that wait for a place look again.
        pub fn set_maxsize(&self, maxsize: usize) {
            self.shared.set_maxsize(maxsize);
        }

        /// Says that an item that was got has been processed: one task less is unfinished.
        ///
        /// # Errors
        /// [`TooManyTasksDone`] if nothing was unfinished.
        #[inline]
        pub fn task_done(&self) -> Result<(), TooManyTasksDone> {
            self.shared.task_done()
        }

        /// How many items were put and not yet said to be processed.
        #[must_use]
        pub fn unfinished(&self) -> isize {
            self.shared.unfinished()
        }

        /// Sets the number of unfinished tasks; at 0 the joiners are woken.
        pub fn set_unfinished(&self, tasks: isize) {
            self.shared.set_unfinished(tasks);
        }

        /// Waits until no task is unfinished.
        ///
        /// # Errors
        /// [`JoinError`].
        pub fn join(&self) -> Result<(), JoinError> {
            self.shared.join_until(Deadline::NEVER).map(|_| ())
        }

        /// Waits until no task is unfinished or the deadline passes; `Ok(false)` means that the
        /// time was up.
        ///
        /// # Errors
        /// [`JoinError`].
        pub fn join_until(&self, deadline: Deadline) -> Result<bool, JoinError> {
            self.shared.join_until(deadline)
        }

        /// Whether the queue is shut down.
        #[must_use]
        pub fn is_shut_down(&self) -> bool {
            self.shared.is_shut_down()
        }

        /// Ends a shutdown: items can be put again.
        pub fn reopen(&self) {
            self.shared.reopen();
        }

        /// Whether the queue was retired.
        #[must_use]
        pub fn is_retired(&self) -> bool {
            self.shared.is_retired()
        }

        /// Names it in reports, and for those who look at who waits for what.
        pub fn set_name(&self, name: &str) {
            self.shared.set_name(name);
        }

        /// The name that it was given.
        #[must_use]
        pub fn name(&self) -> Option<std::sync::Arc<str>> {
            self.shared.name()
        }

        /// Where the queue was made.
        #[must_use]
        pub fn origin(&self) -> Origin {
            self.shared.origin()
        }
    };
}

pub(super) use {count_methods, queue_methods};
