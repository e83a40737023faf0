//! Buffers that are used again. A training step needs hundreds of megabytes, always the same, and
//! filling fresh ones with zeros costs as much as some layers.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use crate::simd::{CACHE_LINE, aligned_start};

/// Keeps released buffers for later use, until it is dropped itself.
#[derive(Debug, Default)]
pub struct BufferPool {
    /// Released buffers by their length.
    free: Mutex<BTreeMap<usize, Vec<Vec<f32>>>>,
}

/// A kept buffer may be this many times as long as what is asked for.
const LARGEST_EXCESS: usize = 4;

impl BufferPool {
    /// A buffer with `length` numbers of any value that begins a cache line.
    pub(crate) fn take(self: &Arc<Self>, length: usize) -> Buffer {
        let needed = length + CACHE_LINE / size_of::<f32>();
        let kept = self.free.lock().ok().and_then(|mut free| {
            let (&found, buffers) = free.range_mut(needed..=needed * LARGEST_EXCESS).next()?;
            let buffer = buffers.pop();
            if buffers.is_empty() {
                free.remove(&found);
            }
            buffer
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
        if let Ok(mut free) = self.pool.free.lock() {
            free.entry(values.len()).or_default().push(values);
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
}
