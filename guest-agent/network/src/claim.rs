//! Choosing subnets while others do the same.
//!
//! A subnet is free while nothing of the host is routed there, and the route comes with the
//! bridge: two engines that choose at the same moment would choose the same one, and what is
//! sent to a container of one would reach a container of the other.

use std::fs::File;
use std::path::Path;

use crate::error::NetworkError;
use crate::namespace::file_error;

const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// As long as it lives, whoever else asks for it in this network namespace waits.
#[derive(Debug)]
pub struct SubnetClaim {
    /// The namespace itself is what is locked, so that all who share its routes meet, and
    /// nobody else. The lock ends with its process, however that ends.
    _namespace: File,
}

/// Waits until nobody else has it.
pub(crate) fn claim() -> Result<SubnetClaim, NetworkError> {
    let path = Path::new(NAMESPACE);
    let namespace = File::open(path).map_err(file_error("open", path))?;
    namespace.lock().map_err(file_error("lock", path))?;
    Ok(SubnetClaim { _namespace: namespace })
}
