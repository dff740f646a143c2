//! `network create`, `ls`, `inspect`, `rm`, `prune`.

use naru_test_framework::Engine;
use serde_json::{Value, json};

use crate::raw::post;

/// What `network inspect` says of a network, by a template.
pub(crate) fn network(engine: &Engine, name: &str, template: &str) -> anyhow::Result<String> {
    Ok(engine.docker(&["network", "inspect", "-f", template, name])?.success()?.to_owned())
}

#[test]
fn a_network_is_made_shown_and_removed() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let create = [
        "network",
        "create",
        "--subnet",
        "10.231.0.0/24",
        "--ip-range",
        "10.231.0.128/25",
        "--gateway",
        "10.231.0.9",
        "--aux-address",
        "printer=10.231.0.130",
        "--label",
        "tier=front",
        "--attachable",
        "-o",
        "com.docker.network.driver.mtu=1400",
        "web",
    ];
    let made = engine.docker(&create)?;
    let id = made.success()?;
    assert_eq!(id.len(), 64, "{id}");
    let shown = engine.docker(&["network", "inspect", "web"])?;
    let shown: Value = serde_json::from_str(shown.success()?)?;
    let shown = &shown[0];
    for (field, expected) in [
        ("Name", json!("web")),
        ("Id", json!(id)),
        ("Driver", json!("bridge")),
        ("Scope", json!("local")),
        ("Internal", json!(false)),
        ("Attachable", json!(true)),
        ("Containers", json!({})),
        ("Labels", json!({ "tier": "front" })),
        ("Options", json!({ "com.docker.network.driver.mtu": "1400" })),
    ] {
        assert_eq!(shown[field], expected, "{field}");
    }
    let config = json!([{
        "Subnet": "10.231.0.0/24", "IPRange": "10.231.0.128/25", "Gateway": "10.231.0.9",
        "AuxiliaryAddresses": { "printer": "10.231.0.130" },
    }]);
    assert_eq!(shown["IPAM"]["Config"], config);
    assert_eq!(network(&engine, &id[..9], "{{.Name}}")?, "web", "a beginning of the id will do");

    assert_eq!(engine.docker(&["network", "rm", "web"])?.success()?, "web");
    let gone = engine.docker(&["network", "inspect", "web"])?;
    assert!(gone.failure(1)?.contains("network web not found"), "{gone:?}");
    Ok(())
}

#[test]
fn there_are_always_three_networks() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let list = engine.docker(&["network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"])?;
    assert_eq!(list.success()?, "bridge bridge local\nhost host local\nnone null local");
    for name in ["bridge", "host", "none"] {
        let removed = engine.docker(&["network", "rm", name])?;
        let said = format!("{name} is a pre-defined network and cannot be removed");
        assert!(removed.failure(1)?.contains(&said), "{removed:?}");
        let made = engine.docker(&["network", "create", name])?;
        assert!(made.failure(1)?.contains("operation is not permitted on predefined"), "{made:?}");
    }
    assert_eq!(list.success()?.lines().count(), 3);
    Ok(())
}

#[test]
fn what_cannot_be_a_network_is_refused_and_leaves_nothing() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    engine.docker(&["network", "create", "--subnet", "10.232.0.0/24", "taken"])?.success()?;
    for (body, status, said) in [
        (
            json!({ "Name": "taken", "CheckDuplicate": true }),
            409,
            "network with name taken already exists",
        ),
        (
            json!({ "Name": "n", "IPAM": { "Config": [{ "Subnet": "10.232.0.0/16" }] } }),
            403,
            "Pool overlaps with other one on this address space",
        ),
        (json!({ "Name": "n", "Driver": "nosuch" }), 404, "nosuch"),
        (json!({ "Name": "n", "Driver": "host" }), 403, "only one instance of \"host\""),
    ] {
        let mut answer = post(&engine, "/networks/create", &body.to_string())?;
        let message = answer.message()?;
        assert_eq!(answer.status, status, "{body}: {message}");
        assert!(message.contains(said), "{body}: {message}");
    }
    let list = engine.docker(&["network", "ls", "-q", "--filter", "type=custom"])?;
    assert_eq!(list.success()?.lines().count(), 1);
    Ok(())
}

#[test]
fn filters_find_networks() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for (name, label) in [("shop_front", "tier=front"), ("shop_back", "tier=back")] {
        engine.docker(&["network", "create", "--label", label, name])?.success()?;
    }
    let run = ["run", "-d", "--name", "web", "--network", "shop_front", "busybox", "sleep", "1000"];
    engine.docker(&run)?.success()?;
    let id = network(&engine, "shop_back", "{{.Id}}")?;
    for (filters, expected) in [
        (&["name=shop"] as &[&str], "shop_back shop_front"),
        (&["name=^shop_back$"], "shop_back"),
        (&[&format!("id={}", &id[..20])], "shop_back"),
        (&["label=tier"], "shop_back shop_front"),
        (&["label=tier=front"], "shop_front"),
        (&["driver=host"], "host"),
        (&["type=builtin"], "bridge host none"),
        (&["type=custom", "label=tier=back"], "shop_back"),
        (&["scope=swarm"], ""),
    ] {
        let mut words = vec!["network", "ls", "--format", "{{.Name}}"];
        words.extend(filters.iter().flat_map(|filter| ["--filter", filter]));
        let list = engine.docker(&words)?;
        let mut found: Vec<&str> = list.success()?.lines().collect();
        found.sort_unstable();
        assert_eq!(found.join(" "), expected, "{filters:?}");
    }
    if matches!(engine, Engine::Own(_)) {
        // Docker 20.10 does not see who is in them.
        let filter = ["network", "ls", "--format", "{{.Name}}", "--filter", "dangling=true"];
        assert_eq!(engine.docker(&filter)?.success()?, "shop_back");
    }
    for filter in ["colour=red", "dangling=odd", "type=odd"] {
        let list = engine.docker(&["network", "ls", "--filter", filter])?;
        assert!(list.failure(1)?.contains("filter"), "{list:?}");
    }
    Ok(())
}

#[test]
fn a_prune_removes_what_nobody_is_in() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for (name, label) in [("used", "keep=no"), ("kept", "keep=yes"), ("idle", "keep=no")] {
        engine.docker(&["network", "create", "--label", label, name])?.success()?;
    }
    let run = ["run", "-d", "--name", "web", "--network", "used", "busybox", "sleep", "1000"];
    engine.docker(&run)?.success()?;
    let removed = engine.docker(&["network", "rm", "used"])?;
    assert!(removed.failure(1)?.contains("has active endpoints"), "{removed:?}");

    let prune = |filter: &str| engine.docker(&["network", "prune", "-f", "--filter", filter]);
    assert_eq!(prune("until=1h")?.success()?, "");
    assert_eq!(prune("label!=keep=yes")?.success()?, "Deleted Networks:\nidle");
    let list =
        engine.docker(&["network", "ls", "--filter", "type=custom", "--format", "{{.Name}}"])?;
    let mut left: Vec<&str> = list.success()?.lines().collect();
    left.sort_unstable();
    assert_eq!(left, ["kept", "used"]);

    // Its container being gone, nobody is in it any more.
    engine.docker(&["rm", "-f", "web"])?.success()?;
    assert_eq!(engine.docker(&["network", "rm", "used"])?.success()?, "used");
    Ok(())
}

#[test]
fn networks_are_told_of() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["network", "create", "web"])?.success()?;
    let run = ["run", "--rm", "--network", "web", "--name", "brief", "busybox", "true"];
    engine.docker(&run)?.success()?;
    engine.docker(&["network", "rm", "web"])?.success()?;
    let format = "{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}}";
    let events =
        ["events", "--since", engine.since(), "--filter", "type=network", "--format", format];
    let mut events = engine.spawn(&events)?;
    for action in ["create", "connect", "disconnect", "destroy"] {
        assert_eq!(events.line()?, format!("{action} web bridge"));
    }
    Ok(())
}
