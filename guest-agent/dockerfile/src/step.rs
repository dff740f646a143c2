//! When a step need not be done again: the key of what it makes.
//!
//! Only instructions that change files are steps: `RUN`, `COPY`, `ADD`, and `WORKDIR` where it
//! makes a directory. What the others change is the configuration, and is in the key of a step
//! only as far as the step sees it. A label that changes makes no step be done again; a variable
//! that changes does so for each `RUN` after it.
//!
//! A key is made of
//!
//! - the key of what the step is done on; that of an image is its layers and its platform, not
//!   its name or its configuration. `COPY --link` is done on nothing, and keeps its result
//!   whatever was before it;
//! - what is done, with all variables filled in: not how it is written, nor where;
//! - the [`Fingerprint`]s of the files that are copied or mounted; they have no time stamps.
//!
//! Not in it are which caches there are and what is in them, the contents of secrets and agents, proxies, the addresses of extra hosts
//! (their names are), and what a step may use of memory, processors and time: these are how a step
//! gets at its result, not what the result is. As in BuildKit, that a program in the network may
//! answer otherwise tomorrow is for the user to know, who has `--no-cache`.

use crate::fingerprint::{Encoder, Fingerprint};
use crate::instruction::{Document, Network, Security};

/// What an image's files are, for the steps that are done on it.
pub fn image_key(platform: &str, diff_ids: &[String]) -> Fingerprint {
    let mut encoder = Encoder::new("naru image 1");
    encoder.text(platform);
    encoder.texts(diff_ids);
    encoder.finish()
}

/// A `RUN`.
#[derive(Clone, Copy, Debug)]
pub struct RunStep<'a> {
    /// What it is done on.
    pub on: Fingerprint,
    /// The program and its arguments, the shell's if it is for one.
    pub words: &'a [String],
    /// The file that is executed, if it is written in the Dockerfile.
    pub script: Option<&'a Document>,
    /// The variables of its scope, without proxies.
    pub environment: &'a [(String, String)],
    /// Where it is done.
    pub directory: &'a str,
    /// By whom.
    pub user: &'a str,
    /// What it reaches.
    pub network: Network,
    /// The network of the whole build, if one is asked for and this step asks for no other.
    pub build_network: Option<&'a str>,
    /// What it may do.
    pub security: Security,
    /// The names of the extra hosts.
    pub hosts: &'a [String],
    /// What the machine is called, if whoever builds says so.
    pub hostname: Option<&'a str>,
    /// What it finds mounted.
    pub mounts: &'a [MountStep<'a>],
}

/// A mount of a `RUN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountStep<'a> {
    /// Where it is; none for a secret that is a variable only.
    pub target: Option<&'a str>,
    /// Whether nothing can be written.
    pub read_only: bool,
    /// What is there.
    pub what: Mounted<'a>,
}

/// What is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounted<'a> {
    /// Files.
    Files(Fingerprint),
    /// A cache, and what it begins with. Which it is, who else uses it and what is in it by now
    /// is not asked.
    Cache(Option<Fingerprint>),
    /// Memory.
    Memory,
    /// A secret; what it is is not asked.
    Secret {
        /// Its name.
        id: &'a str,
        /// The variable that it is put into.
        variable: Option<&'a str>,
    },
    /// An agent.
    Agent {
        /// Its name.
        id: &'a str,
    },
}

impl RunStep<'_> {
    /// The key of what it makes.
    pub fn key(&self) -> Fingerprint {
        let mut encoder = Encoder::new("naru run 1");
        encoder.fingerprint(&self.on);
        encoder.texts(self.words);
        encoder.optional(self.script.map(|script| script.name.as_str()));
        encoder.optional(self.script.map(|script| script.content.as_str()));
        encoder.count(self.environment.len());
        for (name, value) in self.environment {
            encoder.text(name);
            encoder.text(value);
        }
        encoder.text(self.directory);
        encoder.text(self.user);
        encoder.text(match self.network {
            Network::Default => "default",
            Network::None => "none",
            Network::Host => "host",
        });
        encoder.text(match self.security {
            Security::Sandbox => "sandbox",
            Security::Insecure => "insecure",
        });
        encoder.texts(self.hosts);
        encoder.count(self.mounts.len());
        for mount in self.mounts {
            mount.encode(&mut encoder);
        }
        // Who says nothing has the key of before it could be said.
        for (what, said) in [("hostname", self.hostname), ("network", self.build_network)] {
            if let Some(said) = said {
                encoder.text(what);
                encoder.text(said);
            }
        }
        encoder.finish()
    }
}

impl MountStep<'_> {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.optional(self.target);
        encoder.number(self.read_only.into());
        match &self.what {
            Mounted::Files(files) => {
                encoder.text("files");
                encoder.fingerprint(files);
            }
            Mounted::Cache(seed) => {
                encoder.text("cache");
                encoder.count(usize::from(seed.is_some()));
                if let Some(seed) = seed {
                    encoder.fingerprint(seed);
                }
            }
            Mounted::Memory => encoder.text("memory"),
            Mounted::Secret { id, variable } => {
                encoder.text("secret");
                encoder.text(id);
                encoder.optional(*variable);
            }
            Mounted::Agent { id } => {
                encoder.text("agent");
                encoder.text(id);
            }
        }
    }
}

/// A `COPY` or an `ADD`.
#[derive(Clone, Copy, Debug)]
pub struct CopyStep<'a> {
    /// What it is done on; none with `--link`.
    pub on: Option<Fingerprint>,
    /// Where it all goes, from the root. That it ends in a slash means something.
    pub destination: &'a str,
    /// Owner and group, if the files are not to be root's.
    pub owner: Option<(u32, u32)>,
    /// What is said of their modes.
    pub mode: Option<&'a str>,
    /// Whether archives of the context are unpacked, unless `unpack` says otherwise.
    pub is_add: bool,
    /// `--unpack`, if it is there.
    pub unpack: Option<bool>,
    /// The files by the names that they get, in the order in which they are copied: later ones
    /// take the places of earlier ones. What is excluded is not among them.
    pub files: &'a [(&'a [u8], Fingerprint)],
}

impl CopyStep<'_> {
    /// The key of what it makes.
    pub fn key(&self) -> Fingerprint {
        let mut encoder = Encoder::new("naru copy 1");
        encoder.count(usize::from(self.on.is_some()));
        if let Some(on) = &self.on {
            encoder.fingerprint(on);
        }
        encoder.text(self.destination);
        encoder.count(usize::from(self.owner.is_some()));
        let (uid, gid) = self.owner.unwrap_or_default();
        encoder.number(uid.into());
        encoder.number(gid.into());
        encoder.optional(self.mode);
        encoder.number(self.is_add.into());
        encoder.count(self.files.len());
        for (name, file) in self.files {
            encoder.bytes(name);
            encoder.fingerprint(file);
        }
        if let Some(unpack) = self.unpack {
            encoder.text("unpack");
            encoder.number(unpack.into());
        }
        encoder.finish()
    }
}

/// A `WORKDIR` that makes its directory, for its owner.
pub fn directory_key(on: Fingerprint, directory: &str, owner: (u32, u32)) -> Fingerprint {
    let mut encoder = Encoder::new("naru directory 1");
    encoder.fingerprint(&on);
    encoder.text(directory);
    encoder.number(owner.0.into());
    encoder.number(owner.1.into());
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_different(keys: &[Fingerprint]) {
        for (number, key) in keys.iter().enumerate() {
            assert!(!keys[number + 1..].contains(key), "number {number} is there again");
        }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn whatever_a_run_sees_is_in_its_key() {
        let on = image_key("linux/amd64", &texts(&["sha256:a"]));
        let words = texts(&["/bin/sh", "-c", "make"]);
        let run = RunStep {
            on,
            words: &words,
            script: None,
            environment: &[],
            directory: "/",
            user: "",
            network: Network::Default,
            build_network: None,
            security: Security::Sandbox,
            hosts: &[],
            hostname: None,
            mounts: &[],
        };
        let script = Document { name: "E".into(), content: "#!/bin/sh".into(), expands: false };
        let variables = [("A".to_owned(), "b".to_owned())];
        let others = [("Ab".to_owned(), String::new())];
        let (hosts, joined) = (texts(&["db"]), texts(&["/bin/sh", "-cmake"]));
        all_different(&[
            run.key(),
            RunStep { on: image_key("linux/arm64", &texts(&["sha256:a"])), ..run }.key(),
            RunStep { on: image_key("linux/amd64", &texts(&["sha256:b"])), ..run }.key(),
            RunStep { on: run.key(), ..run }.key(),
            RunStep { words: &joined, ..run }.key(),
            RunStep { script: Some(&script), ..run }.key(),
            RunStep { environment: &variables, ..run }.key(),
            RunStep { environment: &others, ..run }.key(),
            RunStep { directory: "/src", ..run }.key(),
            RunStep { user: "/", directory: "", ..run }.key(),
            RunStep { network: Network::None, ..run }.key(),
            RunStep { build_network: Some("none"), ..run }.key(),
            RunStep { security: Security::Insecure, ..run }.key(),
            RunStep { hosts: &hosts, ..run }.key(),
            RunStep { hostname: Some("a"), ..run }.key(),
            RunStep { hostname: Some("b"), ..run }.key(),
        ]);
        assert_eq!(run.key(), RunStep { words: &words.clone(), ..run }.key());
    }

    #[test]
    fn a_mount_is_what_it_is_and_where() {
        let files = Fingerprint::of_bytes(b"files");
        let words = texts(&["make"]);
        let key = |mounts: &[MountStep<'_>]| {
            let run = RunStep {
                on: files,
                words: &words,
                script: None,
                environment: &[],
                directory: "/",
                user: "",
                network: Network::Default,
                build_network: None,
                security: Security::Sandbox,
                hosts: &[],
                hostname: None,
                mounts,
            };
            run.key()
        };
        let bind = MountStep { target: Some("/x"), read_only: true, what: Mounted::Files(files) };
        all_different(&[
            key(&[]),
            key(&[bind]),
            key(&[bind, bind]),
            key(&[MountStep { target: None, ..bind }]),
            key(&[MountStep { target: Some(""), ..bind }]),
            key(&[MountStep { read_only: false, ..bind }]),
            key(&[MountStep { what: Mounted::Files(Fingerprint::of_bytes(b"")), ..bind }]),
            key(&[MountStep { what: Mounted::Cache(None), ..bind }]),
            key(&[MountStep { what: Mounted::Cache(Some(files)), ..bind }]),
            key(&[MountStep { what: Mounted::Memory, ..bind }]),
            key(&[MountStep { what: Mounted::Agent { id: "a" }, ..bind }]),
            key(&[MountStep { what: Mounted::Secret { id: "a", variable: None }, ..bind }]),
            key(&[MountStep { what: Mounted::Secret { id: "a", variable: Some("") }, ..bind }]),
        ]);
    }

    #[test]
    fn a_copy_is_its_files_and_where_they_go() {
        let (a, b) = (Fingerprint::of_bytes(b"a"), Fingerprint::of_bytes(b"b"));
        let files: [(&[u8], _); 2] = [(b"a", a), (b"b", b)];
        let copy = CopyStep {
            on: Some(a),
            destination: "/x",
            owner: None,
            mode: None,
            is_add: false,
            unpack: None,
            files: &files,
        };
        all_different(&[
            copy.key(),
            CopyStep { on: Some(b), ..copy }.key(),
            CopyStep { on: None, ..copy }.key(),
            CopyStep { destination: "/x/", ..copy }.key(),
            CopyStep { owner: Some((0, 0)), ..copy }.key(),
            CopyStep { owner: Some((0, 1)), ..copy }.key(),
            CopyStep { mode: Some("0755"), ..copy }.key(),
            CopyStep { is_add: true, ..copy }.key(),
            CopyStep { unpack: Some(true), ..copy }.key(),
            CopyStep { unpack: Some(false), ..copy }.key(),
            CopyStep { files: &[(b"b", b), (b"a", a)], ..copy }.key(),
            CopyStep { files: &[(b"a", b), (b"b", a)], ..copy }.key(),
            directory_key(a, "/x", (0, 0)),
            directory_key(a, "/x", (1, 0)),
            directory_key(b, "/x", (0, 0)),
            directory_key(a, "/y", (0, 0)),
        ]);
    }

    #[test]
    fn the_definition_stays_as_it_is() {
        let on = image_key("linux/amd64", &texts(&["sha256:a"]));
        let files: [(&[u8], _); 1] = [(b"a", on)];
        let copy = CopyStep {
            on: Some(on),
            destination: "/x",
            owner: Some((1, 2)),
            mode: Some("0755"),
            is_add: false,
            unpack: None,
            files: &files,
        };
        let words = texts(&["make"]);
        let run = RunStep {
            on: copy.key(),
            words: &words,
            script: None,
            environment: &[],
            directory: "/",
            user: "",
            network: Network::Default,
            build_network: None,
            security: Security::Sandbox,
            hosts: &[],
            hostname: None,
            mounts: &[],
        };
        assert_eq!(
            run.key().to_string(),
            "c64f0340ce16a9a8950136afb57b545f0f5479cb995d627b80e504e7b218feef"
        );
        assert_eq!(
            directory_key(on, "/x", (1, 2)).to_string(),
            "fb953df87fce53faac3501ab7b2208ff33bdf2f2f42ef2cb52f6c992d73bcf95"
        );
    }
}
