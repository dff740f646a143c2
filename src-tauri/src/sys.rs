//! The two things that only unsafe code can do here.
#![expect(unsafe_code, reason = "the environment and the dynamic linker have no safe interface")]

/// Sets an environment variable. Only for the very start of `main`.
pub(crate) fn set_variable(name: &str, value: &str) {
    // SAFETY: called first thing in `main`, while this is the only thread.
    unsafe { std::env::set_var(name, value) };
}

/// Whether the dynamic linker finds a library of one of these names.
#[cfg(target_os = "linux")]
pub(crate) fn has_library(names: &[&std::ffi::CStr]) -> bool {
    names.iter().any(|name| {
        // SAFETY: the name ends with a zero byte; the library's constructors are those that
        // the tray would run a moment later. It stays loaded: the tray uses it.
        let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY) };
        !library.is_null()
    })
}
