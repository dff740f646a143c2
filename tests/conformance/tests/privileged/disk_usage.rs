//! Sizes: `ps -s`, `inspect -s`, `system df`.

use naru_test_framework::Engine;
use serde_json::Value;

use crate::raw::ask;

#[test]
fn sizes_are_exact_and_shown_when_asked_for() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "head -c 1234 /dev/zero > /file; ln /file /again; rm /bin/vi";
    engine.docker(&["run", "--name", "box", "busybox", "sh", "-c", shell])?.success()?;
    let image: u64 =
        engine.docker(&["image", "inspect", "-f", "{{.Size}}", "busybox"])?.success()?.parse()?;
    let inspect = ["inspect", "-s", "-f", "{{.SizeRw}} {{.SizeRootFs}}", "box"];
    assert_eq!(engine.docker(&inspect)?.success()?, format!("1234 {}", image + 1234));

    let listed = ask(&engine, "GET", "/v1.45/containers/json?all=1&size=1")?.json()?;
    assert_eq!(
        (&listed[0]["SizeRw"], &listed[0]["SizeRootFs"]),
        (&1234.into(), &(image + 1234).into())
    );
    let plain = ask(&engine, "GET", "/v1.45/containers/json?all=1")?.json()?;
    assert_eq!(plain[0]["SizeRw"], Value::Null);
    let ps = engine.docker(&["ps", "-as", "--format", "{{.Size}}"])?;
    assert!(ps.success()?.starts_with("1.23kB (virtual "), "{ps:?}");
    Ok(())
}

#[test]
fn disk_usage_counts_a_layer_once() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let empty = ask(&engine, "GET", "/v1.45/system/df")?.json()?;
    for field in ["Containers", "Volumes", "BuildCache"] {
        assert_eq!(empty[field].as_array().map(Vec::len), Some(0), "{field}");
    }
    engine
        .docker(&["run", "--name", "box", "busybox", "sh", "-c", "echo 12345 > /f"])?
        .success()?;
    engine.docker(&["tag", "busybox", "other"])?.success()?;
    let usage = ask(&engine, "GET", "/v1.45/system/df")?.json()?;
    let size = usage["Images"][0]["Size"].clone();
    assert_eq!(usage["LayersSize"], size);
    assert_eq!(usage["Images"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&usage["Images"][0]["Containers"], &usage["Images"][0]["SharedSize"]),
        (&1.into(), &0.into())
    );
    assert_eq!(usage["Containers"][0]["SizeRw"], 6);

    let some = ask(&engine, "GET", "/v1.45/system/df?type=container&type=volume")?.json()?;
    assert_eq!((&some["Images"], &some["BuildCache"]), (&Value::Null, &Value::Null));
    assert_eq!(some["Containers"].as_array().map(Vec::len), Some(1));
    let mut refused = ask(&engine, "GET", "/v1.45/system/df?type=planet")?;
    assert_eq!((refused.status, refused.message()?.as_str()), (400, "unknown object type: planet"));

    let shown =
        engine.docker(&["system", "df", "--format", "{{.Type}}|{{.TotalCount}}|{{.Active}}"])?;
    assert_eq!(shown.success()?, "Images|1|1\nContainers|1|0\nLocal Volumes|0|0\nBuild Cache|0|0");
    let verbose = engine.docker(&["system", "df", "-v"])?;
    let verbose = verbose.success()?;
    assert!(verbose.contains("box") && verbose.contains("6B"), "{verbose}");
    Ok(())
}

#[test]
fn a_list_of_images_tells_what_they_share_if_it_is_asked_for() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let size = ["image", "inspect", "-f", "{{.Size}}", "busybox"];
    let shared: i64 = engine.docker(&size)?.success()?.parse()?;
    engine
        .docker(&["run", "--name", "box", "busybox", "sh", "-c", "echo 12345 > /f"])?
        .success()?;
    engine.docker(&["commit", "box", "made:1"])?.success()?;
    for (path, expected) in [
        ("/v1.42/images/json?shared-size=1", shared),
        ("/v1.42/images/json", -1),
        // It was not known then.
        ("/v1.41/images/json?shared-size=1", -1),
    ] {
        let listed = ask(&engine, "GET", path)?.json()?;
        let told: Vec<_> = listed.as_array().into_iter().flatten().collect();
        assert_eq!(told.len(), 2, "{path}");
        assert!(told.iter().all(|image| image["SharedSize"] == expected), "{path}: {listed}");
    }
    let one = "/v1.42/images/json?shared-size=1&filters=%7B%22reference%22:%5B%22made%22%5D%7D";
    let one = ask(&engine, "GET", one)?.json()?;
    assert_eq!(one[0]["SharedSize"], shared, "with what is not listed, too");
    Ok(())
}
