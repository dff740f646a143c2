//! Networks with IPv6, and ports published on it.

use naru_test_framework::{Engine, NativeEngine};

use crate::networks::network;
use crate::networks_connect::serve;

#[test]
fn a_network_with_ipv6_has_both_families() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let create = ["network", "create", "--ipv6", "--subnet", "fd00:6e:61::/64", "six"];
    engine.docker(&create)?.success()?;
    assert_eq!(network(&engine, "six", "{{.EnableIPv6}} {{len .IPAM.Config}}")?, "true 2");
    let options = ["--network", "six", "--ip6", "fd00:6e:61::77"];
    serve(&engine, "web", &options)?;
    let address = "{{.NetworkSettings.Networks.six.GlobalIPv6Address}} \
                   {{.NetworkSettings.Networks.six.GlobalIPv6PrefixLen}}";
    let shown = engine.docker(&["inspect", "-f", address, "web"])?;
    assert_eq!(shown.success()?, "fd00:6e:61::77 64");
    let run = ["run", "--rm", "--network", "six", "busybox", "wget", "-qO-"];
    for url in ["http://[fd00:6e:61::77]/", "http://web/"] {
        // The program knows no names but those that stand in its files.
        let host = ["--add-host", "web:fd00:6e:61::77"];
        let words = [&run[..4], &host[..], &run[4..], &[url]].concat();
        let output = engine.docker(&words)?;
        assert!(output.success()?.contains("Served from a container"), "{url}: {output:?}");
    }
    let run = ["run", "--rm", "--network", "six", "--ip6", "fd00:6e:62::1", "busybox", "true"];
    let output = engine.docker(&run)?;
    assert!(output.failure(125)?.contains("subnet"), "{output:?}");
    Ok(())
}

#[test]
fn a_port_is_published_on_both_families() -> anyhow::Result<()> {
    // Docker 20.10 chooses two ports.
    let engine = Engine::Own(NativeEngine::with_busybox()?);
    let create = ["network", "create", "--ipv6", "--subnet", "fd00:6e:63::/64", "six"];
    engine.docker(&create)?.success()?;
    serve(&engine, "web", &["--network", "six", "-p", "80"])?;
    let ports = engine.docker(&["port", "web", "80"])?;
    let ports: Vec<&str> = ports.success()?.lines().collect();
    let number = |address: &str| address.rsplit(':').next().unwrap_or_default().to_owned();
    assert_eq!(ports.len(), 2, "{ports:?}");
    assert_eq!(number(ports[0]), number(ports[1]), "{ports:?}");
    let run = ["run", "--rm", "--network", "host", "busybox", "wget", "-qO-"];
    let gateway = format!("http://[fd00:6e:63::1]:{}/", number(ports[0]));
    let output = engine.docker(&[&run[..], &[&gateway]].concat())?;
    assert!(output.success()?.contains("Served from a container"), "{output:?}");
    Ok(())
}
