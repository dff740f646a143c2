//! Naru's use cases on the host, without a window.
