//! Maps and sets whose keys are words: addresses of threads and of what they wait for.
//!
//! The standard hasher withstands an attacker who chooses the keys, which costs ten times as much,
//! and asks the kernel for randomness once in each thread. New versions of the C library mask all
//! signals for that moment: a thread that has just sent one to its process may then be the one that
//! takes it, and the main thread, for which it was meant, sleeps on.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map whose keys are words.
pub(crate) type WordMap<V> = HashMap<usize, V, BuildHasherDefault<WordHasher>>;

/// A set of words.
pub(crate) type WordSet = HashSet<usize, BuildHasherDefault<WordHasher>>;

/// Words are far apart and chosen by nobody: a multiplication spreads them well enough.
#[derive(Default)]
pub(crate) struct WordHasher(u64);

impl Hasher for WordHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize(usize::from(*byte));
        }
    }
    fn write_usize(&mut self, word: usize) {
        // The odd number next to 2^64 divided by the golden ratio. The map looks at the highest
        // bits and the lowest ones; the product's lowest are those of the word, always 0.
        let product = (self.0 ^ word as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }
}
