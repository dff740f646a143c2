//! Cases that drive the real window.
