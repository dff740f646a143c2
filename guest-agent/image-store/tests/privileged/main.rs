//! The store against a real registry and a real overlay-capable file system; needs root.

mod layers;
mod pull;
