//! Buffers that are used again. A training step needs hundreds of megabytes, always the same, and
//! filling fresh ones with zeros costs as much as some layers.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use crate::simd::{CACHE_LINE, aligned_start};

/// Keeps released buffers for later use, until it is dropped itself.
#[derive(Debug)]
pub struct BufferPool {
    free: Mutex<Free>,
    /// Numbers that it keeps at most.
    most: usize,
    reuse: Reuse,
    /// Numbers that a new buffer has at least.
    least: AtomicUsize,
}

/// Released buffers by their length, and how many numbers they have.
#[derive(Debug, Default)]
struct Free {
    buffers: BTreeMap<usize, Vec<Vec<f32>>>,
    numbers: usize,
}

/// Which kept buffers serve a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reuse {
    /// Those up to [`LARGEST_EXCESS`] times as long: a larger one is to be there when it is needed.
    Similar,
    /// All that are long enough. A new one takes the place of one that is not.
    Any,
}

/// A kept buffer of [`Reuse::Similar`] may be this many times as long as what is asked for.
const LARGEST_EXCESS: usize = 4;

impl Free {
    /// Takes out one of the buffers of a length.
    fn remove(&mut self, length: usize) -> Option<Vec<f32>> {
        let buffers = self.buffers.get_mut(&length)?;
        let buffer = buffers.pop();
        if buffers.is_empty() {
            self.buffers.remove(&length);
        }
        self.numbers -= buffer.as_ref().map_or(0, Vec::len);
        buffer
    }
}

/// Numbers that the pool of kernels keeps at most, 128 MiB: the longest of them, two of VGG16's
/// largest at the points of 6×6 tiles, with their alignment.
const MOST_OF_KERNELS: usize = (1 << 25) + (1 << 16);

impl Default for BufferPool {
    fn default() -> Self {
        Self::keeping(usize::MAX, Reuse::Similar)
    }
}

impl BufferPool {
    fn keeping(most: usize, reuse: Reuse) -> Self {
        Self { free: Mutex::default(), most, reuse, least: AtomicUsize::new(0) }
    }

    /// A pool for buffers of which few are in use at once, such as the gradients of one layer after
    /// the other. It has no more of them than that, each as long as the longest needed so far.
    pub fn of_few() -> Self {
        Self::keeping(usize::MAX, Reuse::Any)
    }

    /// Makes new buffers at least so long, where that is known before the longest is needed.
    pub fn lengthen(&self, least: usize) {
        self.least.store(least, Ordering::Relaxed);
    }

    /// Numbers that it keeps.
    pub fn kept(&self) -> usize {
        self.free.lock().map_or(0, |free| free.numbers)
    }

    /// Gives back what it keeps.
    pub fn clear(&self) {
        if let Ok(mut free) = self.free.lock() {
            *free = Free::default();
        }
    }

    /// The pool of what belongs to no network: kernels in the layout of products, and the sums of
    /// their gradients.
    pub(crate) fn of_kernels() -> &'static Arc<Self> {
        static POOL: LazyLock<Arc<BufferPool>> =
            LazyLock::new(|| Arc::new(BufferPool::keeping(MOST_OF_KERNELS, Reuse::Similar)));
        &POOL
    }

    /// Gives back the kernels that no layer holds.
    pub fn clear_kernels() {
        Self::of_kernels().clear();
    }

    /// A buffer with `length` numbers of any value that begins a cache line.
    pub(crate) fn take(self: &Arc<Self>, length: usize) -> Buffer {
        let needed = length + CACHE_LINE / size_of::<f32>();
        let kept = self.free.lock().ok().and_then(|mut free| {
            let most = match self.reuse {
                Reuse::Similar => needed * LARGEST_EXCESS,
                Reuse::Any => usize::MAX,
            };
            let found = free.buffers.range(needed..=most).next().map(|(&length, _)| length);
            if found.is_none() && self.reuse == Reuse::Any {
                let longest = free.buffers.keys().next_back().copied();
                drop(longest.and_then(|longest| free.remove(longest)));
            }
            free.remove(found?)
        });
        let least = self.least.load(Ordering::Relaxed) + CACHE_LINE / size_of::<f32>();
        let values = kept.unwrap_or_else(|| vec![0.0; needed.max(least)]);
        Buffer { start: aligned_start(&values), values, length, pool: self.clone() }
    }
}

/// A buffer on loan from a pool, to which it returns when it is dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    values: Vec<f32>,
    start: usize,
    length: usize,
    pool: Arc<BufferPool>,
}

impl Buffer {
    /// A buffer from the same pool, with numbers of any value.
    pub(crate) fn of_same_pool(&self, length: usize) -> Self {
        self.pool.take(length)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.start..][..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.start..][..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        let Ok(mut free) = self.pool.free.lock() else { return };
        // Shorter ones give way, the shortest first, because they are made anew the fastest.
        let as_long = free.buffers.range(values.len()..);
        let kept: usize = as_long.map(|(length, buffers)| length * buffers.len()).sum();
        if kept.saturating_add(values.len()) > self.pool.most {
            return;
        }
        while free.numbers + values.len() > self.pool.most {
            let shortest = free.buffers.keys().next().copied();
            drop(shortest.and_then(|shortest| free.remove(shortest)));
        }
        free.numbers += values.len();
        free.buffers.entry(values.len()).or_default().push(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_was_given_up_is_used_again() {
        let pool = Arc::new(BufferPool::default());
        let address = |buffer: &Buffer| buffer.values.as_ptr();
        let (first, second) = (pool.take(1000), pool.take(1000));
        let (kept, other) = (address(&first), address(&second));
        drop(first);
        assert_eq!(address(&pool.take(700)), kept);
        assert_ne!(address(&pool.take(100)), kept, "too small a part of it");
        assert_ne!(address(&pool.take(5000)), other);
        assert_eq!(pool.take(5).as_ptr() as usize % CACHE_LINE, 0);
    }

    #[test]
    fn a_pool_of_few_has_as_many_buffers_as_were_in_use_at_once() {
        let pool = Arc::new(BufferPool::of_few());
        let kept = || pool.kept();
        // As gradients do: one is made of the other, longer and longer.
        let mut gradient = pool.take(100);
        for length in [200, 400, 800] {
            gradient = pool.take(length);
        }
        drop(gradient);
        assert_eq!(kept(), (400 + 16) + (800 + 16));
        let shorter = [pool.take(1), pool.take(1)];
        assert_eq!(kept(), 0, "both are used for what is much shorter");
        drop(shorter);
        pool.clear();
        assert_eq!(kept(), 0);
        drop(pool.take(1));
        assert_eq!(kept(), 17);
    }

    #[test]
    fn a_pool_keeps_no_more_than_it_may() {
        let pool = Arc::new(BufferPool::keeping(2000, Reuse::Similar));
        let buffers = [1000, 900, 100].map(|length| pool.take(length));
        drop(buffers);
        let kept = || pool.kept();
        assert_eq!(kept(), 1932, "the third does not fit");
        drop(pool.take(1500));
        assert_eq!(kept(), 1516, "the shorter give way");
        drop(pool.take(300));
        assert_eq!(kept(), 1516 + 316);
        drop([pool.take(1000), pool.take(1990)]);
        assert_eq!(kept(), 1516 + 316, "nothing gives way to what does not fit all the same");
        pool.clear();
        drop([1000, 900].map(|length| pool.take(length)));
        drop(pool.take(900));
        assert_eq!(kept(), 1932);
        let _taken = pool.take(900);
        assert_eq!(kept(), 1016);
    }
}
