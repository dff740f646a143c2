//! A certificate authority of the test's own, with a certificate for servers on the loopback
//! and one for their clients. Made by `openssl`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use tempfile::TempDir;

const EXTENSIONS: &str = "subjectAltName=IP:127.0.0.1,DNS:localhost\n";

/// Files in a directory that goes with the handle.
#[derive(Debug)]
pub struct Certificates {
    directory: TempDir,
}

impl Certificates {
    /// Makes `ca.crt`, `server.cert`, `server.key`, `client.cert` and `client.key`.
    pub fn new() -> anyhow::Result<Self> {
        let made = Self { directory: tempfile::tempdir()? };
        let path = made.directory.path();
        fs::write(path.join("extensions"), EXTENSIONS)?;
        let authority = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
                         -subj /CN=tests -keyout ca.key -out ca.crt";
        openssl(path, authority)?;
        for name in ["server", "client"] {
            openssl(
                path,
                &format!(
                    "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} \
                     -keyout {name}.key -out {name}.csr"
                ),
            )?;
            openssl(
                path,
                &format!(
                    "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
                     -extfile extensions -out {name}.cert"
                ),
            )?;
        }
        Ok(made)
    }

    /// One of the files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What is in one of the files.
    pub fn pem(&self, name: &str) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.file(name))?)
    }
}

/// Runs `openssl` in `directory`, with words that have no blanks in them.
pub(crate) fn openssl(directory: &Path, arguments: &str) -> anyhow::Result<Vec<u8>> {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .output()
        .context("start openssl (Debian package openssl)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "openssl {arguments}: {said}");
    Ok(output.stdout)
}
