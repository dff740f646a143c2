//! Other tools take what is saved here, and what they write is loaded here.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;
use naru_test_framework::oci::OciImage;
use naru_test_framework::{Dockerd, Engine, Registry};

use crate::save_load::{LOOK, expect_content, id_of, rich_image};

/// An engine with the image `rich:1`, its id, and the archive of it.
struct Given {
    engine: Engine,
    id: String,
    archive: PathBuf,
}

impl Given {
    fn start() -> anyhow::Result<Self> {
        let engine = Engine::start()?;
        let image: OciImage = rich_image("one")?;
        let archive = image.archive("docker.io/library/rich:1")?;
        engine.docker_with_input(&["load"], &archive)?.success()?;
        let id = id_of(&engine, "rich:1")?;
        engine.docker(&["save", "-o", "saved.tar", "rich:1"])?.success()?;
        let archive = engine.scratch().join("saved.tar");
        Ok(Self { engine, id, archive })
    }

    fn path(&self, name: &str) -> String {
        self.engine.scratch().join(name).display().to_string()
    }

    /// Takes the image away and loads the archive; it is the same image as before.
    fn load_again(&self, archive: &str, name: Option<&str>) -> anyhow::Result<()> {
        self.engine.docker(&["rmi", "-f", &self.id])?.success()?;
        let loaded = self.engine.docker(&["load", "-q", "-i", archive])?;
        let told = match name {
            Some(name) => format!("Loaded image: {name}"),
            None => format!("Loaded image ID: {}", self.id),
        };
        ensure!(loaded.success()? == told, "{loaded:?}");
        let run = self.engine.docker(&["run", "--rm", &self.id, "sh", "-c", LOOK])?;
        expect_content(run.success()?, "one")
    }
}

pub(crate) fn run<S: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = S>,
) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {error}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// crun runs nothing where both versions of cgroups are, not even without any.
const WITHOUT_HYBRID: &str =
    r#"! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified; exec "$0" "$@""#;

/// podman and buildah with a storage of the test's own.
pub(crate) struct Containers {
    directory: PathBuf,
}

impl Containers {
    pub(crate) fn new(scratch: &Path) -> anyhow::Result<Self> {
        let directory = scratch.join("containers");
        fs::create_dir(&directory)?;
        let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
        fs::write(directory.join("policy.json"), policy)?;
        Ok(Self { directory })
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let path = |name: &str| self.directory.join(name).display().to_string();
        let (root, run_root) = (path("root"), path("run"));
        let storage = ["--root", &root, "--runroot", &run_root, "--storage-driver", "vfs"];
        let script = ["--mount", "sh", "-ec", WITHOUT_HYBRID, program];
        run("unshare", script.iter().chain(&storage).chain(arguments))
    }

    /// What is seen in a container of podman's.
    fn look(&self, image: &str) -> anyhow::Result<String> {
        let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
        let alone = ["--cgroups", "disabled", "--network", "none"];
        let podman = ["--cgroup-manager", "cgroupfs", "run", "--rm"];
        let command = [image, "sh", "-c", LOOK];
        self.run("podman", &[&podman[..], &limits, &alone, &command].concat())
    }
}

/// Has umoci unpack the image of a layout.
fn expect_unpacked(image: &str, bundle: &str) -> anyhow::Result<()> {
    run("umoci", ["unpack", "--image", image, bundle])?;
    let root = Path::new(bundle).join("rootfs");
    ensure!(fs::read(root.join("lower"))? == b"lower");
    ensure!(fs::read(root.join("upper"))? == b"one" && !root.join("hidden").exists());
    let stat = run("stat", ["-c", "%u:%g %a", &root.join("data").display().to_string()])?;
    ensure!(stat == "33:7 2750", "{stat}");
    Ok(())
}

#[test]
fn podman_runs_and_umoci_unpacks_what_is_pushed() -> anyhow::Result<()> {
    let given = Given::start()?;
    let registry = Registry::start()?;
    let name = registry.reference("rich", "1");
    given.engine.docker(&["tag", "rich:1", &name])?.success()?;
    given.engine.docker(&["push", "-q", &name])?.success()?;

    let source = format!("docker://{name}");
    let format = ["inspect", "--tls-verify=false", "--format", "{{.Labels}} {{len .Layers}}"];
    let seen = run("skopeo", format.iter().copied().chain([source.as_str()]))?;
    ensure!(seen == "map[kept:yes] 2", "{seen}");
    let image = format!("{}:pushed", given.path("layout"));
    let target = format!("oci:{image}");
    let copy = ["copy", "--insecure-policy", "--src-tls-verify=false", "-q", &source, &target];
    run("skopeo", copy)?;
    expect_unpacked(&image, &given.path("bundle"))?;

    let containers = Containers::new(given.engine.scratch())?;
    containers.run("podman", &["pull", "-q", "--tls-verify=false", &name])?;
    expect_content(&containers.look(&name)?, "one")
}

#[test]
fn skopeo_and_umoci_take_what_is_saved() -> anyhow::Result<()> {
    let given = Given::start()?;
    let archive = given.archive.display();
    let format = ["inspect", "--format", "{{.Labels}} {{len .Layers}}"];
    for transport in ["docker-archive", "oci-archive"] {
        let place = format!("{transport}:{archive}");
        let seen = run("skopeo", format.iter().copied().chain([place.as_str()]))?;
        ensure!(seen == "map[kept:yes] 2", "{transport}: {seen}");
    }
    let layout = given.path("layout");
    for (number, transport) in ["docker-archive", "oci-archive"].into_iter().enumerate() {
        let tag = number.to_string();
        let source = format!("{transport}:{archive}");
        let target = format!("oci:{layout}:{tag}");
        run("skopeo", ["copy", "--insecure-policy", "-q", &source, &target])?;
        expect_unpacked(&format!("{layout}:{tag}"), &given.path(&format!("bundle{tag}")))?;
    }
    Ok(())
}

#[test]
fn what_skopeo_writes_is_loaded() -> anyhow::Result<()> {
    let given = Given::start()?;
    for (target, name) in
        [("docker-archive", Some("rich:2")), ("oci-archive", Some("rich:2")), ("oci-archive", None)]
    {
        let file = given.path(&format!("{target}-{}.tar", name.is_some()));
        let reference = match (target, name) {
            (_, None) => String::new(),
            ("docker-archive", Some(name)) => format!(":{name}"),
            (_, Some(name)) => format!(":docker.io/library/{name}"),
        };
        let place = format!("{target}:{file}{reference}");
        // From its own kind: skopeo writes the configuration anew when it changes the kind.
        let source = format!("{target}:{}", given.archive.display());
        run("skopeo", ["copy", "--insecure-policy", "-q", &source, &place])?;
        given.load_again(&file, name)?;
    }
    Ok(())
}

#[test]
fn what_umoci_writes_is_loaded() -> anyhow::Result<()> {
    let given = Given::start()?;
    let layout = given.path("layout");
    let image = format!("{layout}:new");
    let source = format!("oci-archive:{}", given.archive.display());
    run("skopeo", ["copy", "--insecure-policy", "-q", &source, &format!("oci:{image}")])?;
    let note = given.path("note");
    fs::write(&note, "from umoci")?;
    run("umoci", ["insert", "--image", &image, &note, "/note"])?;
    run("umoci", ["config", "--image", &image, "--config.cmd", "cat", "--config.cmd", "/note"])?;
    let archive = given.path("umoci.tar");
    run("tar", ["-C", &layout, "-cf", &archive, "."])?;
    let loaded = given.engine.docker(&["load", "-q", "-i", &archive])?;
    let id = loaded.success()?.strip_prefix("Loaded image ID: ").unwrap_or_default();
    let said = given.engine.docker(&["run", "--rm", id])?;
    ensure!(said.success()? == "from umoci", "{said:?}");
    Ok(())
}

#[test]
fn podman_and_buildah_give_and_take() -> anyhow::Result<()> {
    let given = Given::start()?;
    let containers = Containers::new(given.engine.scratch())?;
    let archive = given.archive.display().to_string();
    let loaded = containers.run("podman", &["load", "-i", &archive])?;
    ensure!(loaded.contains("docker.io/library/rich:1"), "{loaded}");
    let id = containers.run("podman", &["inspect", "--format", "{{.Id}}", "rich:1"])?;
    ensure!(given.id == format!("sha256:{id}"), "{id}");
    expect_content(&containers.look("rich:1")?, "one")?;
    for format in ["docker-archive", "oci-archive"] {
        let file = given.path(&format!("podman-{format}.tar"));
        containers.run("podman", &["save", "-q", "--format", format, "-o", &file, "rich:1"])?;
        given.load_again(&file, Some("rich:1"))?;
    }
    let container = containers.run("buildah", &["from", "--pull-never", "rich:1"])?;
    containers.run("buildah", &["config", "--cmd", "cat /lower", &container])?;
    let file = given.path("buildah.tar");
    let target = format!("oci-archive:{file}:docker.io/library/built:1");
    containers.run("buildah", &["commit", "-q", &container, &target])?;
    let loaded = given.engine.docker(&["load", "-q", "-i", &file])?;
    ensure!(loaded.success()? == "Loaded image: built:1", "{loaded:?}");
    let said = given.engine.docker(&["run", "--rm", "built:1"])?;
    ensure!(said.success()? == "lower", "{said:?}");
    Ok(())
}

#[test]
fn docker_itself_gives_and_takes() -> anyhow::Result<()> {
    let given = Given::start()?;
    let peer = Dockerd::start()?;
    let host = format!("unix://{}", peer.socket().display());
    let docker =
        |arguments: &[&str]| given.engine.docker(&[&["--host", host.as_str()], arguments].concat());
    let loaded = docker(&["load", "-q", "-i", "saved.tar"])?;
    ensure!(loaded.success()?.ends_with("Loaded image: rich:1"), "{loaded:?}");
    let id = docker(&["inspect", "--format", "{{.Id}}", "rich:1"])?;
    ensure!(id.success()? == given.id, "{id:?}");
    docker(&["save", "-o", "docker.tar", "rich:1"])?.success()?;
    given.load_again(&given.path("docker.tar"), Some("rich:1"))
}
