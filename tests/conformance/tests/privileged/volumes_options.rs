//! Volumes with options: what is mounted for them.

use naru_test_framework::{DockerHost, Engine, NativeEngine};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How long the engine may take to unmount.
const UNMOUNT: Duration = Duration::from_mins(1);
/// Makes the volume `data` of these options.
fn create(engine: &DockerHost, kind: &str, options: &str, device: &str) -> anyhow::Result<()> {
    let all = [format!("type={kind}"), format!("o={options}"), format!("device={device}")];
    let words = all.iter().flat_map(|option| ["--opt", option.as_str()]);
    let words: Vec<&str> = ["volume", "create"].into_iter().chain(words).chain(["data"]).collect();
    engine.docker(&words)?.success()?;
    Ok(())
}

fn run(engine: &DockerHost, script: &str) -> anyhow::Result<(i32, String)> {
    let run = ["run", "--rm", "-v", "data:/data", "busybox", "sh", "-c", script];
    let ran = engine.docker(&run)?;
    Ok((ran.code, format!("{}{}", ran.stdout, ran.stderr)))
}

#[test]
fn a_file_system_in_memory_has_its_options() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    create(&engine, "tmpfs", "size=1m,uid=7,mode=750", "tmpfs")?;
    let script = "stat -c '%u %a' /data; df -k /data | awk 'END{print $1, $2}'; touch /data/x";
    assert_eq!(run(&engine, script)?, (0, "7 750\ntmpfs 1024\n".to_owned()));
    let (_, listed) = run(&engine, "ls /data")?;
    assert_eq!(listed, "", "it is another one each time");
    Ok(())
}

#[test]
fn a_directory_can_be_a_volume_and_is_filled_as_one() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let place = engine.scratch().join("place");
    fs::create_dir(&place)?;
    create(&engine, "none", "bind", place.to_str().unwrap_or_default())?;
    let run = ["run", "--rm", "-v", "data:/www", "busybox", "sh", "-c", "echo x > /www/more"];
    engine.docker(&run)?.success()?;
    assert!(fs::read_to_string(place.join("index.html"))?.contains("Naru"), "from the image");
    assert_eq!(fs::read_to_string(place.join("more"))?, "x\n");
    engine.docker(&["volume", "rm", "data"])?.success()?;
    assert!(place.join("more").exists(), "it is not the volume's to remove");
    Ok(())
}

#[test]
fn what_cannot_be_mounted_is_told_in_dockers_words() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for (kind, options, device, said) in [
        ("none", "bind", "/nosuch", ": no such file or directory"),
        ("nosuchfs", "ro", "x", ", flags: 0x1: no such device"),
    ] {
        create(&engine, kind, options, device)?;
        let (code, output) = run(&engine, "true")?;
        assert_ne!(code, 0, "{output}");
        let beginning = "error while mounting volume '";
        let mount = format!("': failed to mount local volume: mount {device}:");
        assert!(output.contains(beginning) && output.contains(&mount), "{output}");
        assert!(output.contains(said), "{output}");
        assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "", "nothing is left of it");
        engine.docker(&["volume", "rm", "data"])?.success()?;
    }
    Ok(())
}

#[test]
fn a_copy_from_outside_sees_what_is_mounted_for_a_volume() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let place = engine.scratch().join("place");
    fs::create_dir(&place)?;
    fs::write(place.join("file"), "in there\n")?;
    create(&engine, "none", "bind", place.to_str().unwrap_or_default())?;
    engine.docker(&["create", "--name", "made", "-v", "data:/data", "busybox"])?.success()?;
    let read = engine.docker(&["cp", "made:/data/file", "-"])?;
    assert!(read.success()?.contains("in there\n"));
    let volumes = engine.root().join("volumes").display().to_string();
    // The client may have all before the engine is done.
    let until = Instant::now() + UNMOUNT;
    while fs::read_to_string("/proc/self/mountinfo")?.contains(&volumes) {
        assert!(Instant::now() < until, "it is mounted for more than the copy");
        thread::yield_now();
    }
    Ok(())
}
