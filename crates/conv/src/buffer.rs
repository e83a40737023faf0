//! Buffers that are used again. A training step needs hundreds of megabytes, always the same, and
//! filling fresh ones with zeros costs as much as some layers.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock, Mutex};

use crate::simd::{CACHE_LINE, aligned_start};

/// Keeps released buffers for later use, until it is dropped itself.
#[derive(Debug)]
pub struct BufferPool {
    free: Mutex<Free>,
    /// Numbers that it keeps at most.
    most: usize,
}

/// Released buffers by their length, and how many numbers they have.
#[derive(Debug, Default)]
struct Free {
    buffers: BTreeMap<usize, Vec<Vec<f32>>>,
    numbers: usize,
}

/// A kept buffer may be this many times as long as what is asked for.
const LARGEST_EXCESS: usize = 4;

/// What the pool of kernels keeps at most, 64 MiB: some of the largest of them, each of which is
/// released before the next layer's is made.
const MOST_OF_KERNELS: usize = 1 << 24;

impl Default for BufferPool {
    fn default() -> Self {
        Self::keeping(usize::MAX)
    }
}

impl BufferPool {
    fn keeping(most: usize) -> Self {
        Self { free: Mutex::default(), most }
    }

    /// The pool of what belongs to no network: kernels in the layout of products, and the sums of
    /// their gradients.
    pub(crate) fn of_kernels() -> &'static Arc<Self> {
        static POOL: LazyLock<Arc<BufferPool>> =
            LazyLock::new(|| Arc::new(BufferPool::keeping(MOST_OF_KERNELS)));
        &POOL
    }

    /// A buffer with `length` numbers of any value that begins a cache line.
    pub(crate) fn take(self: &Arc<Self>, length: usize) -> Buffer {
        let needed = length + CACHE_LINE / size_of::<f32>();
        let kept = self.free.lock().ok().and_then(|mut free| {
            let of_length = needed..=needed * LARGEST_EXCESS;
            let (&found, buffers) = free.buffers.range_mut(of_length).next()?;
            let buffer = buffers.pop()?;
            if buffers.is_empty() {
                free.buffers.remove(&found);
            }
            free.numbers -= buffer.len();
            Some(buffer)
        });
        let values = kept.unwrap_or_else(|| vec![0.0; needed]);
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
        if let Ok(mut free) = self.pool.free.lock()
            && free.numbers.saturating_add(values.len()) <= self.pool.most
        {
            free.numbers += values.len();
            free.buffers.entry(values.len()).or_default().push(values);
        }
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
    fn a_pool_keeps_no_more_than_it_may() {
        let pool = Arc::new(BufferPool::keeping(2000));
        let buffers = [1000, 900, 100].map(|length| pool.take(length));
        drop(buffers);
        let kept = || pool.free.lock().expect("no thread panicked").numbers;
        assert_eq!(kept(), 1932, "the third does not fit");
        drop(pool.take(900));
        assert_eq!(kept(), 1932);
        let _taken = pool.take(900);
        assert_eq!(kept(), 1016);
    }
}
