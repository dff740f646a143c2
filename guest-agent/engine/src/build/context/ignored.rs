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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn what_only_the_builder_reads_is_left_out_where_it_is_ignored() {
        let directory = tempfile::tempdir().unwrap();
        for (rules, left) in [
            ("*", vec!["kept"]),
            ("sub\n", vec![".dockerignore", "kept"]),
            ("*\n!.dockerignore", vec![".dockerignore", "kept"]),
            ("kept", vec![".dockerignore", "kept", "sub/Dockerfile"]),
        ] {
            let context = Context::new(directory.path()).unwrap();
            let path = context.path();
            fs::create_dir(path.join("sub")).unwrap();
            for (name, text) in [(IGNORE_FILE, rules), ("sub/Dockerfile", ""), ("kept", "")] {
                fs::write(path.join(name), text).unwrap();
            }
            context.leave_out_ignored("/sub/Dockerfile").unwrap();
            let is_there = |name: &&str| path.join(Path::new(name)).exists();
            let names: Vec<&str> =
                [IGNORE_FILE, "kept", "sub/Dockerfile"].into_iter().filter(is_there).collect();
            assert_eq!(names, left, "{rules:?}");
        }
    }
}
