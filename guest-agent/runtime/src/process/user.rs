//! Who the process is.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;

use oci_spec::runtime::User;
use rustix::fs::{Dev, Gid, Uid, fchown, fstat, makedev};
use rustix::stdio::{stderr, stdin, stdout};
use rustix::thread::{
    set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::is_refusal;
use crate::error::{Context, Result};

const UMASK_DEFAULT: u32 = 0o022;
/// A longer `/etc/passwd` is not read to its end.
const PASSWD_MAX: u64 = 1024 * 1024;

/// The numbers of a user; names are the caller's to resolve.
#[derive(Debug)]
pub(super) struct UserPlan {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    umask: u32,
}

impl UserPlan {
    pub(super) fn from_spec(user: &User) -> Self {
        let groups = user.additional_gids().iter().flatten();
        Self {
            uid: Uid::from_raw(user.uid()),
            gid: Gid::from_raw(user.gid()),
            groups: groups.map(|gid| Gid::from_raw(*gid)).collect(),
            umask: user.umask().unwrap_or(UMASK_DEFAULT),
        }
    }

    pub(super) fn umask(&self) -> u32 {
        self.umask
    }

    /// Gives the user the pipes or the terminal, so that it can open `/dev/stdout` again.
    pub(super) fn own_stdio(&self) -> Result<()> {
        let null: Dev = makedev(1, 3);
        for stream in [stdin(), stdout(), stderr()] {
            let stat = fstat(stream).context("stat", "a standard stream")?;
            if stat.st_uid == self.uid.as_raw() || stat.st_rdev == null {
                continue;
            }
            match fchown(stream, Some(self.uid), None) {
                Err(errno) if !is_refusal(errno) => {
                    return Err(errno).context("change the owner of", "a standard stream");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes on the user. The permitted capabilities stay until they are reduced.
    pub(super) fn become_user(&self) -> Result<()> {
        set_keep_capabilities(true).context("keep", "the capabilities")?;
        set_thread_groups(&self.groups).context("set", "the supplementary groups")?;
        set_thread_res_gid(self.gid, self.gid, self.gid)
            .context("set the group to", self.gid.as_raw())?;
        set_thread_res_uid(self.uid, self.uid, self.uid)
            .context("set the user to", self.uid.as_raw())
    }

    /// Adds `HOME` from the container's `/etc/passwd`, or `/`, unless it is set.
    pub(super) fn set_home(&self, environment: &mut Vec<CString>) -> Result<()> {
        if environment.iter().any(|entry| entry.as_bytes().starts_with(b"HOME=")) {
            return Ok(());
        }
        let home = self.passwd_home().unwrap_or_else(|_| b"/".to_vec());
        let entry = [b"HOME=".as_slice(), &home].concat();
        let entry = CString::new(entry).map_err(io::Error::from).context("set", "HOME")?;
        environment.push(entry);
        Ok(())
    }

    fn passwd_home(&self) -> io::Result<Vec<u8>> {
        // The file is the image's: it must not keep us waiting if it is a FIFO.
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open("/etc/passwd")?;
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let uid = self.uid.as_raw().to_string();
        home_of(BufReader::new(file.take(PASSWD_MAX)), uid.as_bytes())
    }
}

/// The sixth field of the line whose third field is `uid` (`passwd(5)`).
fn home_of(passwd: impl BufRead, uid: &[u8]) -> io::Result<Vec<u8>> {
    for line in passwd.split(b'\n') {
        let line = line?;
        let mut fields = line.split(|byte| *byte == b':').skip(2);
        if fields.next() == Some(uid)
            && let Some(home) = fields.nth(2).filter(|home| !home.is_empty())
        {
            return Ok(home.to_vec());
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_directory_is_found_by_number() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:33::/srv:/bin/false\n";
        let home = |uid: &[u8]| home_of(passwd.as_slice(), uid).ok();
        assert_eq!(home(b"0"), Some(b"/root".to_vec()));
        assert_eq!(home(b"33"), Some(b"/srv".to_vec()));
        assert_eq!(home(b"1000"), None);
    }
}
