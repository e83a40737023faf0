//! Keeping freed memory.
//!
//! A training step allocates and frees buffers of many megabytes. The system's allocator hands each
//! back to the kernel, which must clear every page again at the next use; a third of the time went
//! there.

/// Tells the C library's allocator to keep what is freed instead of giving it back. Call it once,
/// before the first large allocation; where there is no such setting it does nothing.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const NEVER_GIVE_BACK: libc::c_int = libc::c_int::MAX;
        // SAFETY: mallopt only sets parameters of the allocator, under its own lock; unknown values
        // are refused by its return value.
        #[expect(unsafe_code, reason = "a function of the C library")]
        unsafe {
            // Large buffers come from the heap instead of mappings of their own, and the heap's end
            // is not trimmed.
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, NEVER_GIVE_BACK);
            libc::mallopt(libc::M_TOP_PAD, 64 << 20);
        }
    }
}
