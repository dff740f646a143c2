//! A call of glibc's that has no safe wrapper.
#![expect(unsafe_code, reason = "malloc_trim has no safe wrapper")]

/// Gives the kernel what the heap holds free (`malloc_trim(3)`): after a pull, whose many
/// threads each filled an arena of their own, that is more than all that is in use.
pub(crate) fn trim_heap() {
    // SAFETY: it takes the allocator's own locks, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
