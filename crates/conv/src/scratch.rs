//! Buffers that a thread keeps between tasks.

use std::cell::Cell;

thread_local! {
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Lends a buffer with `length` numbers of any value, kept per thread. A nested call gets another buffer.
pub(crate) fn with_scratch<R>(length: usize, run: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.take();
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    let result = run(&mut buffer[..length]);
    SCRATCH.set(buffer);
    result
}
