//! Keeping freed memory.
//!
//! A training step allocates and frees buffers of many megabytes. The system's allocator hands each
//! back to the kernel, which must clear every page again at the next use; a third of the time went
//! there.

/// Tells the C library's allocator to keep what is freed instead of giving it back, but for the
/// largest buffers, which pools keep as long as they are needed. Call it once,
/// before the first large allocation; where there is no such setting it does nothing.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const NEVER_GIVE_BACK: libc::c_int = libc::c_int::MAX;
        /// Buffers of whole batches are longer, and pools keep them.
        const LARGEST_OF_HEAP: libc::c_int = 4 << 20;
        // SAFETY: mallopt only sets parameters of the allocator, under its own lock; unknown values
        // are refused by its return value.
        #[expect(unsafe_code, reason = "a function of the C library")]
        unsafe {
            // Buffers come from the heap, whose end is not trimmed. Only the largest are mappings of
            // their own, or what is left between them would be too short for the next.
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_OF_HEAP);
            libc::mallopt(libc::M_TRIM_THRESHOLD, NEVER_GIVE_BACK);
            libc::mallopt(libc::M_TOP_PAD, 64 << 20);
        }
    }
}

/// Gives what was freed back to the system, where the C library can. Steps take it anew and find
/// cleared pages, so this is for the time between many of them.
pub fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: malloc_trim changes nothing but the allocator's free lists, under its own locks.
        #[expect(unsafe_code, reason = "a function of the C library")]
        unsafe {
            libc::malloc_trim(0);
        }
    }
}
