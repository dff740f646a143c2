//! What is in a volume at its first use.

use naru_test_framework::oci::{Compression, LayerWriter};
use naru_test_framework::{DockerHost, Engine, images};

use crate::raw::ask;

/// `CAP_NET_RAW`, permitted and effective.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// An engine with busybox, and the image `filled` that has something to copy. Its programs come
/// from a volume, so that the image is small.
fn with_images() -> anyhow::Result<Engine> {
    let engine = Engine::with_busybox()?;
    let mut layer = LayerWriter::new();
    layer.file("bin/busybox", 0o755, &std::fs::read(images::BUSYBOX)?)?;
    layer.symlink("bin/sh", "busybox")?;
    layer.owner(12, 13);
    layer.directory("data", 0o2770)?;
    layer.file("data/file", 0o640, b"text")?;
    layer.hard_link("data/again", "data/file")?;
    layer.owner(33, 44);
    layer.directory("data/sub", 0o1755)?;
    layer.attribute("security.capability", &CAPABILITY);
    layer.file("data/sub/program", 0o4751, b"#!")?;
    layer.symlink("data/sub/link", "/etc/passwd")?;
    layer.owner(0, 0);
    layer.directory("empty", 0o700)?;
    layer.symlink("way", "/data")?;
    layer.symlink("out", "../../../../../../etc")?;
    layer.file("plain", 0o644, b"x")?;
    let image = images::of_layers(vec![layer.finish(Compression::Gzip)?])?;
    engine.load(&image, "filled:latest")?;
    Ok(engine)
}

/// What a shell in a container of `image` says.
fn said(
    engine: &DockerHost,
    options: &[&str],
    image: &str,
    script: &str,
) -> anyhow::Result<String> {
    let run = [&["run", "--rm"], options, &[image, "/bin/busybox", "sh", "-c", script]].concat();
    Ok(engine.docker(&run)?.success()?.to_owned())
}

/// Docker does not keep the times of directories.
const LOOK: &str = "cd /data && for f in . sub file again sub/program; do \
                    busybox stat -c '%n %u:%g %a' $f; done; \
                    busybox stat -c '%n %Y' file sub/program; \
                    busybox readlink sub/link; busybox stat -c '%u:%g' sub/link; busybox cat again; \
                    busybox test file -ef again && echo same";

#[test]
fn an_empty_volume_gets_what_the_image_has_there() -> anyhow::Result<()> {
    let engine = with_images()?;
    let path = ["-e", "PATH=/bin", "-v", "data:/data"];
    let whole = said(&engine, &["-e", "PATH=/bin"], "filled", LOOK)?;
    assert_eq!(said(&engine, &path, "filled", LOOK)?, whole);
    let lines: Vec<&str> = whole.lines().collect();
    assert_eq!((lines[0], lines[1]), (". 12:13 2770", "sub 33:44 1755"));
    assert_eq!((lines[4], lines[5]), ("sub/program 33:44 4751", "file 1704067200"));
    assert_eq!(lines[7..], ["/etc/passwd", "33:44", "textsame"]);
    // It is the volume's by now, whoever looks.
    assert_eq!(said(&engine, &path, "busybox", LOOK)?, whole);
    Ok(())
}

#[test]
fn capabilities_of_files_are_copied() -> anyhow::Result<()> {
    let engine = with_images()?;
    let create =
        ["create", "--name", "holds", "-v", "data:/vol", "-v", "data2:/data", "filled", "x"];
    engine.docker(&create)?.success()?;
    let archive = "/v1.41/containers/holds/archive?path=/data/sub/program";
    let archive = ask(&engine, "GET", archive)?.body()?;
    let record = [b"SCHILY.xattr.security.capability=".as_slice(), &CAPABILITY].concat();
    assert!(archive.windows(record.len()).any(|window| window == record));
    Ok(())
}

#[test]
fn only_an_empty_volume_is_filled() -> anyhow::Result<()> {
    let engine = with_images()?;
    said(&engine, &["-v", "data:/data"], "busybox", "echo own > /data/own")?;
    assert_eq!(said(&engine, &["-v", "data:/data"], "filled", "cd /data; busybox ls")?, "own");
    said(&engine, &["-v", "data:/data"], "busybox", "rm /data/own")?;
    let filled = said(&engine, &["-v", "data:/data"], "filled", "cd /data; busybox ls")?;
    assert_eq!(filled, "again\nfile\nsub", "it was empty again");
    Ok(())
}

#[test]
fn a_volume_can_be_told_to_stay_empty() -> anyhow::Result<()> {
    let engine = with_images()?;
    for option in
        [["-v", "short:/data:nocopy"], ["--mount", "type=volume,src=long,dst=/data,volume-nocopy"]]
    {
        assert_eq!(said(&engine, &option, "filled", "busybox ls /data")?, "", "{option:?}");
    }
    Ok(())
}

#[test]
fn who_names_no_volume_gets_the_content_too() -> anyhow::Result<()> {
    let engine = with_images()?;
    for option in [["-v", "/data"], ["--mount", "type=volume,dst=/data"]] {
        let listed = said(&engine, &option, "filled", "busybox ls /data")?;
        assert_eq!(listed, "again\nfile\nsub", "{option:?}");
    }
    Ok(())
}

#[test]
fn links_of_the_image_lead_nowhere_but_into_it() -> anyhow::Result<()> {
    let engine = with_images()?;
    let listed = said(&engine, &["-v", "way:/way"], "filled", "busybox ls /way/")?;
    assert_eq!(listed, "again\nfile\nsub", "the link is the container's");
    // The image has no /etc of its own before its first start: nothing of the host is copied.
    let listed =
        said(&engine, &["-v", "out:/out"], "filled", "busybox ls /out/ | busybox grep -c group")
            .unwrap_or_else(|_| "0".to_owned());
    assert_eq!(listed, "0");
    Ok(())
}

#[test]
fn an_empty_directory_lends_its_owner_and_mode() -> anyhow::Result<()> {
    let engine = with_images()?;
    let stat = "busybox stat -c %a /empty";
    assert_eq!(said(&engine, &["-v", "data:/empty"], "filled", stat)?, "700");
    Ok(())
}

#[test]
fn two_containers_see_each_others_files() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let wait = "until test -e /data/there; do sleep 0.05; done; cat /data/there";
    let reader =
        ["run", "-d", "--name", "reads", "-v", "data:/data:ro", "busybox", "sh", "-c", wait];
    engine.docker(&reader)?.success()?;
    said(&engine, &["-v", "data:/in"], "busybox", "echo word > /in/new; mv /in/new /in/there")?;
    assert_eq!(engine.docker(&["wait", "reads"])?.success()?, "0");
    assert_eq!(engine.docker(&["logs", "reads"])?.success()?, "word");
    Ok(())
}
