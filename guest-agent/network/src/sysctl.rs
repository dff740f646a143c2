//! The kernel's switches below `/proc/sys/net`, of the namespace of this thread.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::NetworkError;
use crate::namespace::file_error;

/// Where the switches of one interface are; `all` and `default` are names as well.
pub(crate) fn of_interface(family: &str, interface: &str) -> PathBuf {
    ["/proc/sys/net", family, "conf", interface].iter().collect()
}

/// Whether the kernel speaks IPv6 at all.
pub(crate) fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").exists()
}

/// Whether a switch is there and has this value.
pub(crate) fn is(path: &Path, value: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|found| found.trim() == value)
}

/// Sets a switch unless it has this value, since writing may be forbidden where it does.
pub(crate) fn set(path: &Path, value: &str) -> Result<(), NetworkError> {
    let found = fs::read_to_string(path).map_err(file_error("read", path))?;
    if found.trim() == value {
        return Ok(());
    }
    fs::write(path, value).map_err(file_error("write", path))
}

/// Switches IPv6 on or off on an interface. A kernel that does not speak it is off.
pub(crate) fn enable_ipv6(interface: &str, on: bool) -> Result<(), NetworkError> {
    let path = of_interface("ipv6", interface).join("disable_ipv6");
    match fs::write(&path, if on { "0" } else { "1" }) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !has_ipv6() => {
            if on {
                Err(NetworkError::NoIpv6)
            } else {
                Ok(())
            }
        }
        written => written.map_err(file_error("write", &path)),
    }
}
