//! The engine that a case runs against: one of its own, or one that is there.
//!
//! With `NARU_TEST_HOST=unix:///…` the cases run against the engine at that address: the
//! machine's, a real dockerd, or another one. It must have no containers, images and volumes, because
//! many cases count them; each case takes away all that it made. Cases run one at a time then.

use std::env::var_os;
use std::ops::Deref;

use anyhow::{Context, ensure};

use crate::{DockerHost, NativeEngine};

/// Names the engine to test, in place of a native one for each case.
pub const TEST_HOST: &str = "NARU_TEST_HOST";

/// An engine without containers.
#[derive(Debug)]
pub enum Engine {
    /// A native one of this case's own.
    Own(NativeEngine),
    /// The one that [`TEST_HOST`] names.
    Given(DockerHost),
}

impl Engine {
    /// An engine without images or containers.
    pub fn start() -> anyhow::Result<Self> {
        let Some(address) = var_os(TEST_HOST) else {
            return Ok(Self::Own(NativeEngine::start()?));
        };
        let socket = address.to_str().and_then(|address| address.strip_prefix("unix://"));
        let socket = socket.context("NARU_TEST_HOST is unix:///…")?;
        let host = DockerHost::at(socket.into())?;
        for list in [&["ps", "-aq"][..], &["images", "-q"], &["volume", "ls", "-q"]] {
            let found = host.docker(list)?;
            ensure!(
                found.success()?.is_empty(),
                "docker {}: the engine under test must be empty",
                list[0]
            );
        }
        Ok(Self::Given(host))
    }

    /// An engine that has the busybox image, as `busybox:latest`, and no other.
    pub fn with_busybox() -> anyhow::Result<Self> {
        let engine = Self::start()?;
        engine.load_busybox()?;
        Ok(engine)
    }

    /// Waits until nothing but the engine is left of its containers, as far as that can be seen.
    pub fn has_no_shims(&self) -> anyhow::Result<()> {
        match self {
            Self::Own(engine) => engine.has_no_shims(),
            Self::Given(_) => Ok(()),
        }
    }
}

impl Deref for Engine {
    type Target = DockerHost;

    fn deref(&self) -> &DockerHost {
        match self {
            Self::Own(engine) => engine,
            Self::Given(host) => host,
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Self::Given(host) = self {
            // The next case finds what is left, and says so.
            let containers = host.remove_containers();
            let networks = containers.and_then(|()| host.remove_networks());
            let volumes = networks.and_then(|()| host.remove_volumes());
            let images = volumes.and_then(|()| host.remove_images());
            drop(images.and_then(|()| host.remove_build_cache()));
        }
    }
}
