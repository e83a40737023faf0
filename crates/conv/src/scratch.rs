//! Buffers that a thread keeps between tasks.

use std::cell::Cell;

use crate::simd::{CACHE_LINE, aligned_start};

thread_local! {
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Lends a buffer with `length` numbers of any value that begins a cache line, kept per thread. A
/// nested call gets another buffer.
pub(crate) fn with_scratch<R>(length: usize, run: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.take();
    let needed = length + CACHE_LINE / size_of::<f32>();
    if buffer.len() < needed {
        buffer.resize(needed, 0.0);
    }
    let start = aligned_start(&buffer);
    let result = run(&mut buffer[start..][..length]);
    SCRATCH.set(buffer);
    result
}
