//! Images made by Dockerfiles.

#![expect(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the builder that uses it comes next"
)]

pub(crate) mod context;
pub(crate) mod copy;
