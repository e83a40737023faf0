//! The processor's vectors and cache lines.

use std::sync::LazyLock;

use pulp::{Arch, Simd, WithSimd};

/// Length of a cache line in bytes.
pub(crate) const CACHE_LINE: usize = 64;

/// Runs code with the widest vectors that the processor has.
pub(crate) fn vectorized<Op: WithSimd>(operation: Op) -> Op::Output {
    static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);
    ARCH.dispatch(operation)
}

/// Number of 32-bit floats in a vector register.
pub(crate) fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    vectorized(Lanes)
}

/// The first number of a buffer that begins a cache line; the buffer must be one line longer than
/// what it holds.
pub(crate) fn aligned_start(buffer: &[f32]) -> usize {
    buffer.as_ptr().align_offset(CACHE_LINE).min(CACHE_LINE / size_of::<f32>())
}
