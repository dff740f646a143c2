//! The registry client: OCI distribution over HTTP.

mod config;
mod error;

pub use config::{Credentials, RegistryConfig};
pub use error::RegistryError;
