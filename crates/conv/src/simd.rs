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

/// Asks the processor to fetch what lies some elements after a value, because it will be used soon. A
/// hint: nothing is read, and there need not be anything.
#[inline(always)]
pub(crate) fn prefetch<T>(value: &T, ahead: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let address = std::ptr::from_ref(value).wrapping_add(ahead);
        #[expect(unsafe_code, reason = "an instruction")]
        // SAFETY: it reads nothing and accepts every address, and every x86-64 processor has it.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(address.cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (value, ahead);
}

/// The same for every cache line of some elements.
#[inline(always)]
pub(crate) fn prefetch_lines<T>(values: &[T], ahead: usize) {
    let elements_of_line = const {
        assert!(size_of::<T>() <= CACHE_LINE);
        CACHE_LINE / size_of::<T>()
    };
    for value in values.iter().step_by(elements_of_line) {
        prefetch(value, ahead);
    }
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
