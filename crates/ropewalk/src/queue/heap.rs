//! A binary heap whose comparisons are the user's code and may fail.
//!
//! The smallest item is `heap[0]`; the children of `heap[i]` stand at twice `i` plus 1 and plus 2.
//! Items are only ever swapped, so none is lost when a comparison fails. (If one panics, the item that
//! is just being taken out is dropped.) The comparisons, and so the order of items that are equal, are
//! those of Python's `heapq`: a removal lets the gap sink to the bottom along the smaller children
//! before the last item climbs from there, which needs about half the comparisons of the usual way.

use std::convert::Infallible;

/// How a priority queue compares its items.
pub trait Order<T> {
    /// What a comparison may fail with.
    type Error;

    /// Whether `a` is to be got before `b`. No lock of the core is held, and the queue itself may
    /// be looked at, but a `put` or `get` on it from in here would wait for itself.
    ///
    /// # Errors
    /// Whatever the items' comparison failed with.
    fn less(&self, a: &T, b: &T) -> Result<bool, Self::Error>;
}

/// The order of `Ord`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Natural;

impl<T: Ord> Order<T> for Natural {
    type Error = Infallible;

    #[inline]
    fn less(&self, a: &T, b: &T) -> Result<bool, Infallible> {
        Ok(a < b)
    }
}

/// Puts the last item of `heap` where it belongs.
pub(super) fn sift_in<T, O: Order<T>>(heap: &mut [T], order: &O) -> Result<(), O::Error> {
    climb(heap, heap.len().saturating_sub(1), order)
}

/// Takes the smallest item out. If a comparison fails that item is returned as well, inside the
/// heap no longer.
pub(super) fn take_first<T, O: Order<T>>(
    heap: &mut Vec<T>,
    order: &O,
) -> Option<(T, Result<(), O::Error>)> {
    if heap.is_empty() {
        return None;
    }
    let first = heap.swap_remove(0);
    let sifted = if heap.len() > 1 { sink(heap, order) } else { Ok(()) };
    Some((first, sifted))
}

/// Moves the item at `at` up to where its parent is not greater.
fn climb<T, O: Order<T>>(heap: &mut [T], mut at: usize, order: &O) -> Result<(), O::Error> {
    while at > 0 {
        let parent = (at - 1) / 2;
        if !order.less(&heap[at], &heap[parent])? {
            break;
        }
        heap.swap(at, parent);
        at = parent;
    }
    Ok(())
}

/// Moves the item at the top to where it belongs.
fn sink<T, O: Order<T>>(heap: &mut [T], order: &O) -> Result<(), O::Error> {
    let mut at = 0;
    while 2 * at + 1 < heap.len() {
        let mut child = 2 * at + 1;
        if child + 1 < heap.len() && !order.less(&heap[child], &heap[child + 1])? {
            child += 1;
        }
        heap.swap(at, child);
        at = child;
    }
    climb(heap, at, order)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails at the n-th comparison.
    struct Failing(std::cell::Cell<u32>);

    impl Order<u32> for Failing {
        type Error = ();
        fn less(&self, a: &u32, b: &u32) -> Result<bool, ()> {
            self.0.set(self.0.get().checked_sub(1).ok_or(())?);
            Ok(a < b)
        }
    }

    fn shuffled(count: u32) -> impl Iterator<Item = u32> {
        (0..count).map(move |i| i.wrapping_mul(2_654_435_761) % 1009)
    }

    #[test]
    fn items_come_out_sorted() {
        let mut heap = Vec::new();
        for item in shuffled(500) {
            heap.push(item);
            sift_in(&mut heap, &Natural).unwrap();
        }
        let mut out = Vec::new();
        while let Some((item, Ok(()))) = take_first(&mut heap, &Natural) {
            out.push(item);
        }
        let mut expected: Vec<_> = shuffled(500).collect();
        expected.sort_unstable();
        assert_eq!(out, expected);
    }

    #[test]
    fn a_failing_comparison_loses_nothing() {
        for fail_at in 0..200 {
            let order = Failing(std::cell::Cell::new(fail_at));
            let mut heap = Vec::new();
            let mut put: Vec<u32> = Vec::new();
            for item in shuffled(40) {
                heap.push(item);
                put.push(item);
                if sift_in(&mut heap, &order).is_err() {
                    break;
                }
            }
            let mut seen = heap.clone();
            while let Some((item, sifted)) = take_first(&mut heap, &order) {
                if sifted.is_err() {
                    seen = heap.clone();
                    seen.push(item);
                    put.retain(|p| seen.contains(p));
                    break;
                }
            }
            put.sort_unstable();
            seen.sort_unstable();
            seen.dedup();
            put.dedup();
            assert_eq!(seen, put);
        }
    }
}
