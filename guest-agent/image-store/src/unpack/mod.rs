//! Layer archives become overlayfs directories.

mod error;

pub use error::UnpackError;
