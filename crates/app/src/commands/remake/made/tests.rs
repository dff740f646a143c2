use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// As the engine says it of a container with everything.
fn made() -> Made {
    let container = r#"{
        "Id": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "Name": "/web", "Image": "sha256:1", "State": { "Status": "exited" },
        "Config": { "Image": "shop:1", "Hostname": "0123456789ab", "User": "app",
            "Env": ["PATH=/bin", "MODE=slow"], "Cmd": ["serve"], "Entrypoint": ["/entry"],
            "Labels": { "maker": "us", "com.docker.compose.project": "shop" },
            "ExposedPorts": { "80/tcp": {}, "9000/tcp": {}, "53/udp": {} },
            "Tty": false, "OpenStdin": true, "StopTimeout": 3 },
        "HostConfig": { "Memory": 64000000, "MemorySwap": 128000000, "CpuQuota": 50000,
            "NetworkMode": "shop_default", "CapAdd": ["NET_ADMIN"],
            "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 },
            "Binds": ["data:/data:ro", "/srv:/srv:rslave"],
            "Mounts": [{ "Type": "tmpfs", "Target": "/tmp" }, { "Type": "volume", "Target": "/cache" }],
            "PortBindings": { "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8080" }],
                "53/udp": [{ "HostIp": "", "HostPort": "53" }] } },
        "Mounts": [
            { "Type": "volume", "Name": "data", "Destination": "/data", "RW": false },
            { "Type": "bind", "Source": "/srv", "Destination": "/srv", "RW": true },
            { "Type": "tmpfs", "Destination": "/tmp", "RW": true },
            { "Type": "volume", "Name": "cafe", "Destination": "/cache", "RW": true } ],
        "NetworkSettings": { "Networks": {
            "shop_default": { "Aliases": ["web", "0123456789ab"], "IPAddress": "172.18.0.2" },
            "other": { "Aliases": null, "IPAMConfig": { "IPv4Address": "10.0.0.9" } } } }
    }"#;
    let image = r#"{ "Env": ["PATH=/bin"], "Cmd": ["serve"], "Entrypoint": ["/entry"],
        "Labels": { "maker": "us" }, "ExposedPorts": { "9000/tcp": {} }, "User": "" }"#;
    Made {
        container: serde_json::from_str(container).unwrap(),
        image: serde_json::from_str(image).unwrap(),
        image_moved: false,
    }
}

fn targets(host: &HostConfig) -> Vec<(String, String)> {
    let mounts = host.mounts.iter().flatten();
    let words = |said: &Option<String>| said.clone().unwrap_or_default();
    mounts.map(|mount| (words(&mount.source), words(&mount.target))).collect()
}

#[test]
fn the_form_has_what_is_the_containers_own() {
    let settings = made().settings();
    assert_eq!((settings.image.as_str(), settings.name.as_str()), ("shop:1", "web"));
    assert!(settings.command.is_empty(), "it is the image's");
    assert_eq!(settings.env, ["MODE=slow"]);
    assert_eq!(settings.restart, Restart::OnFailure);
    assert_eq!(settings.network, "shop_default");
    assert!(!settings.interactive, "it has no terminal");
    let ports: Vec<_> =
        settings.ports.iter().map(|port| (port.host_port, port.container_port)).collect();
    assert_eq!(ports, [(8080, 80)]);
    let mounts: Vec<_> = settings.mounts.iter().map(|mount| mount.target.as_str()).collect();
    assert_eq!(mounts, ["/data", "/srv", "/cache"]);
}

#[test]
fn what_is_not_changed_stays_as_it_was_asked_for() {
    let made = made();
    let settings = made.settings();
    let body = made.with(settings);
    let host = body.host_config.unwrap();
    assert_eq!(body.hostname, None);
    assert_eq!((body.user.as_deref(), body.stop_timeout), (Some("app"), Some(3)));
    assert_eq!((body.cmd, body.entrypoint), (None, None), "another image may have others");
    assert_eq!(body.env.unwrap(), ["MODE=slow"]);
    let labels = body.labels.unwrap();
    assert_eq!((labels.len(), labels["com.docker.compose.project"].as_str()), (1, "shop"));
    assert_eq!((body.tty, body.open_stdin), (Some(false), Some(true)));
    assert_eq!(body.exposed_ports.unwrap(), ["53/udp", "80/tcp"]);
    assert_eq!(host.binds.as_ref().unwrap(), &["data:/data:ro", "/srv:/srv:rslave"]);
    let kept = [("", "/tmp"), ("cafe", "/cache")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(targets(&host), kept, "the volume without a name is asked for by name");
    assert_eq!((host.memory, host.memory_swap), (Some(64_000_000), Some(128_000_000)));
    assert_eq!(host.cpu_quota, Some(50_000));
    assert_eq!(host.cap_add.unwrap(), ["NET_ADMIN"]);
    assert_eq!(host.restart_policy.unwrap().maximum_retry_count, Some(3));
    assert_eq!(host.port_bindings.unwrap().len(), 2);
    let endpoints = body.networking_config.unwrap().endpoints_config.unwrap();
    assert_eq!(endpoints["shop_default"].aliases.as_deref().unwrap(), ["web"]);
    assert!(endpoints["other"].ipam_config.is_some());
}

#[test]
fn what_is_changed_leaves_nothing_of_the_old_behind() {
    let made = made();
    let mut wanted = made.settings();
    wanted.env = vec!["MODE=fast".to_owned()];
    wanted.ports = vec![];
    wanted.mounts.retain(|mount| mount.target != "/data");
    wanted.mounts[0].read_only = true;
    wanted.memory = 128_000_000;
    wanted.nano_cpus = 5;
    wanted.network = String::new();
    wanted.restart = Restart::No;
    wanted.command = vec!["check".to_owned()];
    wanted.interactive = true;
    let body = made.with(wanted);
    let host = body.host_config.unwrap();
    assert_eq!(body.cmd.unwrap(), ["check"]);
    assert_eq!(body.env.unwrap(), ["MODE=fast"]);
    assert_eq!((body.tty, body.open_stdin), (Some(true), Some(true)));
    assert_eq!(body.exposed_ports.unwrap(), ["53/udp"], "what the image exposes comes with it");
    assert!(host.binds.as_ref().unwrap().is_empty());
    let left = [("", "/tmp"), ("/srv", "/srv"), ("cafe", "/cache")];
    assert_eq!(targets(&host), left.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!((host.memory, host.memory_swap), (Some(128_000_000), None));
    assert_eq!((host.nano_cpus, host.cpu_quota), (Some(5), None));
    assert_eq!((host.network_mode, host.restart_policy.unwrap().maximum_retry_count), (None, None));
    assert_eq!(host.port_bindings.unwrap().into_keys().collect::<Vec<_>>(), ["53/udp"]);
    let endpoints = body.networking_config.unwrap().endpoints_config.unwrap();
    assert_eq!(endpoints.into_keys().collect::<Vec<_>>(), ["other"]);
}

#[test]
fn one_that_lives_alone_asks_for_no_network() {
    let mut made = made();
    let host = made.container.host_config.as_mut().unwrap();
    host.network_mode = Some("container:0123".to_owned());
    let settings = made.settings();
    assert_eq!(settings.network, "container:0123");
    assert!(made.id().starts_with(ID));
    assert!(made.with(settings).networking_config.is_none());
}
