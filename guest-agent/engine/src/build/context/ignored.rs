//! What `.dockerignore` says once the context is here.

use std::io;
use std::os::fd::AsFd as _;

use naru_dockerfile::Ignore;
use rustix::io::Errno;

use super::directory::Context;
use super::error::ContextError;
use crate::files::{remove, split};

const IGNORE_FILE: &str = ".dockerignore";

impl Context {
    /// Leaves out the Dockerfile and `.dockerignore` where the latter says so. Clients send these
    /// two in any case, for whoever builds reads them; what else is ignored they do not send.
    pub(crate) fn leave_out_ignored(&self, dockerfile: &str) -> Result<(), ContextError> {
        let Some(text) = self.text(IGNORE_FILE)? else { return Ok(()) };
        let ignore = Ignore::parse(&text).map_err(ContextError::Ignore)?;
        let tree = self.tree()?;
        for name in [IGNORE_FILE, dockerfile.trim_start_matches('/')] {
            if !ignore.is_ignored(name) {
                continue;
            }
            let path = format!("/{name}");
            let (above, name) = split(path.as_bytes());
            let removed = tree.directory(above).and_then(|above| remove(above.as_fd(), name));
            match removed {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => {
                    return Err(ContextError::Read { path, source: io::Error::from(errno) });
                }
            }
        }
        Ok(())
    }
}
