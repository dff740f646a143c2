//! The instruction itself.
#![expect(unsafe_code, reason = "the instruction has no safe wrapper")]

use std::arch::x86_64::_rdtsc;

/// The counter now.
pub(super) fn read() -> u64 {
    // SAFETY: every x86_64 processor has the instruction, and it touches no memory.
    unsafe { _rdtsc() }
}
