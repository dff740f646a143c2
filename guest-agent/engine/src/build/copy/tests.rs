//! Instructions as they are written, carried out in directories.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use naru_dockerfile::{Command, Dockerfile, Fingerprint, Instruction};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{CopyError, CopyPlan, CopyTarget, Sources, fingerprint};
use crate::files::Tree;

/// Files to copy from and a root to copy into.
struct Case {
    directory: TempDir,
}

impl Case {
    /// Files have their names as content; a slash at the end makes a directory.
    fn new(files: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let case = Self { directory };
        fs::create_dir(case.root()).unwrap();
        fs::create_dir(case.context()).unwrap();
        for name in files {
            let path = case.context().join(name);
            if name.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, name).unwrap();
            }
        }
        case
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    fn context(&self) -> PathBuf {
        self.directory.path().join("context")
    }

    fn plan(text: &str) -> Result<CopyPlan, CopyError> {
        let file = Dockerfile::parse(&format!("FROM scratch\n{text}\n")).unwrap();
        let Instruction { command, .. } = &file.stages[0].instructions[0];
        match command {
            Command::Copy(transfer) | Command::Add(transfer) => {
                CopyPlan::new(command.keyword(), transfer, "/w")
            }
            _ => Err(CopyError::Unsupported(text.to_owned())),
        }
    }

    /// Carries an instruction out, and gives its key.
    fn run(&self, text: &str) -> Result<Fingerprint, CopyError> {
        let plan = Self::plan(text)?;
        let (context, root) = (tree(&self.context()), tree(&self.root()));
        let sources = Sources { tree: Some(&context), fetched: None };
        let token = CancellationToken::new();
        let found = plan.find(sources, &token)?;
        plan.copy(&found, sources, CopyTarget { tree: &root, owner: None }, &token)?;
        Ok(plan.key(&found, None, None))
    }

    fn key(&self, text: &str) -> Fingerprint {
        let plan = Self::plan(text).unwrap();
        let context = tree(&self.context());
        let sources = Sources { tree: Some(&context), fetched: None };
        let found = plan.find(sources, &CancellationToken::new()).unwrap();
        plan.key(&found, None, None)
    }

    /// All files of the root with their content, sorted.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        list(&self.root(), "", &mut found);
        found.sort();
        found
    }

    fn error(&self, text: &str) -> String {
        self.run(text).unwrap_err().to_string()
    }

    fn mode(&self, path: &str) -> u32 {
        fs::symlink_metadata(self.root().join(path)).unwrap().mode() & 0o7777
    }
}

fn tree(path: &Path) -> Tree {
    Tree::at(path).unwrap()
}

fn list(directory: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.push(format!("{name}/"));
            list(&entry.path(), &format!("{name}/"), found);
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            found.push(format!("{name} -> {}", target.display()));
        } else if kind.is_file() {
            found.push(format!("{name}={}", fs::read_to_string(entry.path()).unwrap()));
        } else {
            found.push(format!("{name}!"));
        }
    }
}

fn touch(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

#[test]
fn files_go_where_they_are_told() {
    for (instruction, expected) in [
        ("COPY a /x", &["x=a"][..]),
        ("COPY a /x/", &["x/", "x/a=a"]),
        ("COPY a x/.", &["w/", "w/x/", "w/x/a=a"]),
        ("COPY a .", &["w/", "w/a=a"]),
        ("COPY ./a ../..", &["a=a"]),
        ("COPY ../../a b /x/", &["x/", "x/a=a", "x/b=b"]),
        ("COPY d /x", &["x/", "x/e/", "x/e/f=d/e/f", "x/g=d/g"]),
        ("COPY d/ a /x/", &["x/", "x/a=a", "x/e/", "x/e/f=d/e/f", "x/g=d/g"]),
        ("COPY d d /x", &["x/", "x/e/", "x/e/f=d/e/f", "x/g=d/g"]),
        ("COPY [\"a\", \"/with space\"]", &["with space=a"]),
        ("COPY ? /x/", &["x/", "x/a=a", "x/b=b", "x/e/", "x/e/f=d/e/f", "x/g=d/g"]),
        ("COPY d/*/f /x/", &["x/", "x/f=d/e/f"]),
        ("COPY [ab] /x/", &["x/", "x/a=a", "x/b=b"]),
        ("COPY a nothing* /x/", &["x/", "x/a=a"]),
        ("COPY <<one <<two /x/\n1\none\n2\n3\ntwo", &["x/", "x/one=1\n", "x/two=2\n3\n"]),
        ("COPY --exclude=**/f d /x", &["x/", "x/e/", "x/g=d/g"]),
        ("COPY --exclude=* --exclude=!e/f d /x", &["x/", "x/e/", "x/e/f=d/e/f"]),
        ("COPY --exclude=b ? /x/", &["x/", "x/a=a", "x/e/", "x/e/f=d/e/f", "x/g=d/g"]),
        ("COPY --parents d/e/f a /x/", &["x/", "x/a=a", "x/d/", "x/d/e/", "x/d/e/f=d/e/f"]),
        ("COPY --parents d/./e/f /x/", &["x/", "x/e/", "x/e/f=d/e/f"]),
        ("COPY --parents **/f /x/", &["x/", "x/d/", "x/d/e/", "x/d/e/f=d/e/f"]),
        ("COPY --parents d/e /x/", &["x/", "x/d/", "x/d/e/", "x/d/e/f=d/e/f"]),
    ] {
        let case = Case::new(&["a", "b", "d/e/f", "d/g"]);
        case.run(instruction).unwrap();
        assert_eq!(case.files(), expected, "{instruction}");
    }
}

#[test]
fn what_is_not_there_is_said_with_what_may_be_meant() {
    let case = Case::new(&["main.go", "folder/file", "src/a"]);
    symlink("gone", case.context().join("dangling")).unwrap();
    for (instruction, message) in [
        ("COPY main.c /", "\"/main.c\": not found (did you mean /main.go?)"),
        ("COPY fodler/file /", "\"/fodler/file\": not found (did you mean /folder?)"),
        ("COPY nothing /", "\"/nothing\": not found"),
        ("COPY main.go/x /", "\"/main.go/x\": not found"),
        ("COPY dangling /", "\"/dangling\": not found"),
        ("COPY nodir/* /", "\"/nodir\": not found"),
        ("COPY --parents src/b /", "\"/src/b\": not found (did you mean /src/a?)"),
        ("COPY http://host/a /", "source can't be a URL for COPY"),
        ("COPY git@host:a.git /", "source can't be a git ref for COPY"),
        ("ADD --checksum=sha256:00 main.go /", "checksum requires HTTP(S) or Git sources"),
        (
            "COPY --chmod=9 main.go /",
            "invalid chmod parameter: '9'. it should be octal string and between 0 and 07777",
        ),
        ("COPY --exclude=[ main.go /", "syntax error in pattern \"[\""),
        (
            "COPY main.go src/a /one",
            "When using COPY with more than one source file, the destination must be a directory \
             and end with a /",
        ),
    ] {
        assert_eq!(case.error(instruction), message, "{instruction}");
    }
    case.run("COPY nothing* /").expect("a pattern may match nothing");
}

#[test]
fn what_is_there_is_replaced_and_directories_are_merged() {
    let case = Case::new(&["d/f", "d/g/h", "a"]);
    let root = case.root();
    fs::create_dir_all(root.join("d/g/kept")).unwrap();
    fs::create_dir(root.join("real")).unwrap();
    fs::write(root.join("elsewhere"), "kept").unwrap();
    symlink("/elsewhere", root.join("d/f")).unwrap();
    symlink("/real", root.join("link")).unwrap();
    symlink("/new/place", root.join("dangling")).unwrap();
    fs::set_permissions(case.context().join("d/g"), Permissions::from_mode(0o750)).unwrap();
    case.run("COPY d /d").unwrap();
    // Where it goes is found by its links; what has a file's name there is not followed.
    case.run("COPY a /link/b").unwrap();
    case.run("COPY a /link").unwrap();
    case.run("COPY a /dangling").unwrap();
    assert_eq!(
        case.files(),
        [
            "d/",
            "d/f=d/f",
            "d/g/",
            "d/g/h=d/g/h",
            "d/g/kept/",
            "dangling -> /new/place",
            "elsewhere=kept",
            "link -> /real",
            "new/",
            "new/place=a",
            "real/",
            "real/a=a",
            "real/b=a",
        ]
    );
    assert_eq!(case.mode("d/g"), 0o750, "a directory that is there gets the mode of the other");
    fs::create_dir(root.join("real/h")).unwrap();
    symlink("/real", root.join("x")).unwrap();
    for (instruction, message) in [
        ("COPY d/g /real", "cannot replace to directory /real/h with file"),
        ("COPY d /elsewhere", "cannot copy to non-directory: /elsewhere"),
        ("COPY a /elsewhere/", "failed to make the directory /elsewhere"),
    ] {
        assert_eq!(case.error(instruction), message, "{instruction}");
    }
    fs::create_dir_all(case.context().join("t/x/y")).unwrap();
    assert_eq!(
        case.error("COPY t /"),
        "cannot copy to non-directory: /x",
        "a link is no directory"
    );
}

#[test]
fn files_keep_what_they_have() {
    let case = Case::new(&["d/file", "d/sub/deep"]);
    let from = case.context().join("d");
    fs::hard_link(from.join("file"), from.join("again")).unwrap();
    symlink("../../away", from.join("link")).unwrap();
    mknodat(CWD, from.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _listener = UnixListener::bind(from.join("socket")).unwrap();
    fs::set_permissions(from.join("file"), Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(from.join("sub"), Permissions::from_mode(0o1700)).unwrap();
    for (name, seconds) in [("file", 1), ("sub/deep", 2), ("sub", 3), (".", 4)] {
        touch(&from.join(name), seconds);
    }
    fs::set_permissions(&from, Permissions::from_mode(0o700)).unwrap();
    case.run("COPY d /x").unwrap();
    let to = case.root().join("x");
    for (name, seconds) in [("file", 1), ("sub/deep", 2), ("sub", 3), (".", 4)] {
        assert_eq!(fs::metadata(to.join(name)).unwrap().mtime(), seconds, "{name}");
    }
    assert_eq!((case.mode("x/file"), case.mode("x/sub")), (0o4751, 0o1700));
    assert_eq!(case.mode("x"), 0o755, "only what is in it is copied");
    let identity = |name: &str| fs::metadata(to.join(name)).unwrap().ino();
    assert_eq!(identity("file"), identity("again"));
    assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("../../away"));
    assert!(fs::symlink_metadata(to.join("pipe")).unwrap().file_type().is_fifo());
    assert!(!to.join("socket").exists(), "nobody listens on a copy");
}

#[test]
fn modes_are_changed_as_they_are_told() {
    let case = Case::new(&["d/file", "d/run"]);
    fs::set_permissions(case.context().join("d/run"), Permissions::from_mode(0o744)).unwrap();
    fs::set_permissions(case.context().join("d/file"), Permissions::from_mode(0o640)).unwrap();
    case.run("COPY --chmod=0711 d/file /new/x").unwrap();
    assert_eq!((case.mode("new"), case.mode("new/x")), (0o711, 0o711));
    case.run("COPY --chmod=go=u-w,+X d /y").unwrap();
    assert_eq!((case.mode("y"), case.mode("y/file"), case.mode("y/run")), (0o755, 0o644, 0o755));
    case.run("COPY --chmod=600 <<a /z\n\na").unwrap();
    case.run("COPY <<a /zz\n\na").unwrap();
    assert_eq!((case.mode("z"), case.mode("zz")), (0o600, 0o644));
}

#[test]
fn no_link_leads_out() {
    let case = Case::new(&["inside"]);
    let host = case.directory.path().join("host");
    fs::create_dir(&host).unwrap();
    fs::write(host.join("secret"), "secret").unwrap();
    for (name, target) in [
        ("relative", "../host/secret"),
        ("absolute", host.join("secret").to_str().unwrap()),
        ("directory", "../../../../../host"),
        ("root", "/"),
    ] {
        symlink(target, case.context().join(name)).unwrap();
    }
    for source in
        ["relative", "absolute", "directory/secret", "directory", "../host/secret", "rel*"]
    {
        let error = case.run(&format!("COPY {source} /x")).unwrap_err();
        assert!(matches!(error, CopyError::Missing { .. }), "{source}: {error}");
    }
    case.run("COPY root/inside /x").unwrap();
    // A link that is in a directory is copied, wherever it leads.
    fs::create_dir(case.context().join("d")).unwrap();
    symlink("../../host", case.context().join("d/out")).unwrap();
    case.run("COPY d /y").unwrap();
    // In the destination neither.
    symlink("../../../host", case.root().join("out")).unwrap();
    symlink(host.to_str().unwrap(), case.root().join("away")).unwrap();
    case.run("COPY inside /out/a").unwrap();
    case.run("COPY inside /away/b").unwrap();
    case.run("COPY d /out").unwrap();
    assert_eq!(fs::read_dir(&host).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(case.root().join("host/a")).unwrap(), "inside");
}

#[test]
fn names_may_be_anything() {
    let case = Case::new(&[]);
    for name in ["new\nline", "sp ace", "*", "[x]", "\u{fffd}", "-rf", "..."] {
        fs::write(case.context().join(name), name).unwrap();
    }
    let odd = OsStr::from_bytes(b"\xff\xfe");
    fs::write(case.context().join(odd), "odd").unwrap();
    case.run("COPY . /x/").unwrap();
    assert_eq!(fs::read_to_string(case.root().join("x").join(odd)).unwrap(), "odd");
    assert_eq!(fs::read_dir(case.root().join("x")).unwrap().count(), 8);
    case.run("COPY [[]x] ... /y/").unwrap();
    case.run("COPY new* /z/").unwrap();
    assert_eq!(fs::read_to_string(case.root().join("z/new\nline")).unwrap(), "new\nline");
    assert_eq!(fs::read_dir(case.root().join("y")).unwrap().count(), 2);
}

#[test]
fn a_key_is_of_what_is_copied_and_not_of_times() {
    let case = Case::new(&["a", "d/e", "d/f", "other"]);
    let (whole, of_d, of_a) = (case.key("COPY . /x"), case.key("COPY d /x"), case.key("COPY a /x"));
    touch(&case.context().join("d/e"), 1);
    touch(&case.context().join("d"), 1);
    assert_eq!((case.key("COPY . /x"), case.key("COPY d /x")), (whole, of_d));
    fs::write(case.context().join("other"), "changed").unwrap();
    assert_ne!(case.key("COPY . /x"), whole);
    assert_eq!((case.key("COPY d /x"), case.key("COPY a /x")), (of_d, of_a));
    assert_eq!(case.key("COPY --exclude=nothing d /x"), of_d);
    let without = case.key("COPY --exclude=f d /x");
    assert_ne!(without, of_d);
    fs::write(case.context().join("d/f"), "changed").unwrap();
    assert_eq!(case.key("COPY --exclude=f d /x"), without);
    assert_ne!(case.key("COPY d /x"), of_d);
    // The directory itself is not copied, what is in it is.
    let now = case.key("COPY d /x");
    fs::set_permissions(case.context().join("d"), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(case.key("COPY d /x"), now);
    fs::set_permissions(case.context().join("d/e"), Permissions::from_mode(0o700)).unwrap();
    let keys = [
        now,
        case.key("COPY d /x"),
        case.key("COPY d /x/"),
        case.key("ADD d /x"),
        case.key("COPY --parents d /x"),
        case.key("COPY --chmod=700 d /x"),
        case.key("COPY <<d /x\n\nd"),
        case.key("COPY <<d /x\n\n\nd"),
        of_a,
        case.key("COPY other /x/"),
    ];
    for (number, key) in keys.iter().enumerate() {
        assert!(!keys[number + 1..].contains(key), "number {number} is there again");
    }
}

#[test]
fn a_mount_is_known_by_what_is_in_it() {
    let case = Case::new(&["d/e", "f"]);
    let context = tree(&case.context());
    let token = CancellationToken::new();
    let of = |path: &str| fingerprint(&context, path.as_bytes(), &token).unwrap();
    let (d, f) = (of("/d"), of("f"));
    assert_ne!(d, f);
    touch(&case.context().join("d/e"), 1);
    assert_eq!(of("d"), d);
    fs::set_permissions(case.context().join("d"), Permissions::from_mode(0o700)).unwrap();
    assert_ne!(of("d"), d, "it is seen where it is mounted");
    fingerprint(&context, b"/gone", &token).unwrap_err();
}

#[test]
fn archives_are_unpacked_by_add_alone() {
    let case = Case::new(&["plain", "no.tar.gz"]);
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o640);
    header.set_mtime(7);
    header.set_size(2);
    header.set_uid(rustix::process::getuid().as_raw().into());
    header.set_gid(rustix::process::getgid().as_raw().into());
    builder.append_data(&mut header, "in/file", &b"hi"[..]).unwrap();
    let archive = builder.into_inner().unwrap();
    fs::write(case.context().join("a.bin"), &archive).unwrap();
    fs::write(case.context().join("empty"), "").unwrap();
    fs::write(case.context().join("zeros"), [0; 1024]).unwrap();
    case.run("ADD a.bin plain no.tar.gz empty zeros /x/").unwrap();
    let mut names = case.files();
    names.retain(|name| !name.starts_with("x/zeros"));
    assert_eq!(
        names,
        ["x/", "x/empty=", "x/in/", "x/in/file=hi", "x/no.tar.gz=no.tar.gz", "x/plain=plain"]
    );
    assert_eq!(fs::metadata(case.root().join("x/in/file")).unwrap().mtime(), 7);
    case.run("COPY a.bin /y").unwrap();
    case.run("ADD --unpack=false a.bin /z").unwrap();
    for name in ["y", "z"] {
        assert_eq!(fs::read(case.root().join(name)).unwrap(), archive, "{name}");
    }
}

#[test]
fn a_build_that_is_given_up_copies_nothing_more() {
    let case = Case::new(&["a", "d/e"]);
    let (context, root) = (tree(&case.context()), tree(&case.root()));
    let sources = Sources { tree: Some(&context), fetched: None };
    let plan = Case::plan("COPY d /x").unwrap();
    let token = CancellationToken::new();
    let found = plan.find(sources, &token).unwrap();
    token.cancel();
    assert!(matches!(plan.find(sources, &token), Err(CopyError::Cancelled)));
    let target = CopyTarget { tree: &root, owner: None };
    assert!(matches!(plan.copy(&found, sources, target, &token), Err(CopyError::Cancelled)));
    assert!(!case.root().join("x/e").exists());
}

#[test]
fn without_a_context_only_documents_can_be_copied() {
    let case = Case::new(&[]);
    let root = tree(&case.root());
    let token = CancellationToken::new();
    let plan = Case::plan("COPY <<a /\nb\na").unwrap();
    assert!(!plan.needs_tree() && !plan.needs_fetching());
    let found = plan.find(Sources::default(), &token).unwrap();
    plan.copy(&found, Sources::default(), CopyTarget { tree: &root, owner: None }, &token).unwrap();
    assert_eq!(case.files(), ["a=b\n"]);
    let plan = Case::plan("COPY a /").unwrap();
    assert!(matches!(plan.find(Sources::default(), &token), Err(CopyError::NoContext)));
}

#[test]
fn what_is_said_twice_of_a_repository_is_the_same() {
    for (instruction, message) in [
        (
            "ADD --keep-git-dir=true https://a.b/c.git?keep-git-dir=false /x",
            "inconsistent keep-git-dir configuration",
        ),
        ("ADD --checksum=00 https://a.b/c.git?checksum=01 /x", "digest mismatch 01: 00"),
        (
            "ADD --checksum=00 https://a.b/c.git a /x/",
            "checksum can't be specified for multiple sources",
        ),
    ] {
        let error = Case::plan(instruction).unwrap_err().to_string();
        assert_eq!(error, message, "{instruction}");
    }
    let plan = Case::plan("ADD --checksum=00 https://a.b/c.git?checksum=00 /x").unwrap();
    assert!(plan.needs_fetching() && !plan.needs_tree());
}
