//! The guest's side: listening for the host.

mod port;
mod unix;
mod vsock;

pub use self::port::listen_virtio_serial;
pub use self::unix::listen_unix;
pub use self::vsock::listen_vsock;
