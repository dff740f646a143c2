//! `ipam`, `ipv4_address`, `ipv6_address`, `mac_address`.

use super::Project;

#[test]
fn addresses_are_those_of_the_file_or_of_its_range() -> anyhow::Result<()> {
    let project = Project::new("addresses")?;
    project.said(&["up", "-d", "--wait"])?;
    let addresses = "ip -o addr show eth0 | awk '{ print $4 }'";
    let fixed = project.shell("fixed", addresses)?;
    let fixed: Vec<&str> = fixed.lines().collect();
    assert_eq!(fixed[0], "10.213.7.10/24");
    assert!(fixed.contains(&"fd3a:5e1f:7::10/64"), "{fixed:?}");
    let mac = project.shell("fixed", "cat /sys/class/net/eth0/address")?;
    assert_eq!(mac, "02:42:0a:d5:07:0a");
    let gateway = "ip route | awk '/^default/ { print $3 }'";
    assert_eq!(project.shell("fixed", gateway)?, "10.213.7.254");
    let gateway = "ip -6 route | awk '/^default/ { print $3 }'";
    assert_eq!(project.shell("fixed", gateway)?, "fd3a:5e1f:7::1");

    let free = project.shell("free", addresses)?;
    let free = free.lines().next().unwrap_or_default().to_owned();
    assert!(["10.213.7.128/24", "10.213.7.130/24"].contains(&free.as_str()), "{free}");
    for address in ["10.213.7.10", "[fd3a:5e1f:7::10]", "fixed"] {
        let said = project.shell("free", &format!("timeout 60 wget -q -O - http://{address}/"))?;
        assert_eq!(said, "fixed-host", "{address}");
    }
    let names = "nslookup fixed 127.0.0.11 | awk '/^Address/ { print $2 }' | sort";
    let found = project.shell("free", names)?;
    for address in ["10.213.7.10", "fd3a:5e1f:7::10"] {
        assert!(found.lines().any(|line| line == address), "{found}");
    }
    let format = "{{range .IPAM.Config}}{{.Subnet}} {{.IPRange}} {{.Gateway}};{{end}}";
    let shown = project.docker(&["network", "inspect", "-f", format, "addresses_plan"])?;
    let expected = "10.213.7.0/24 10.213.7.128/30 10.213.7.254;\
                    fd3a:5e1f:7::/64  fd3a:5e1f:7::1;";
    assert_eq!(shown, expected);
    Ok(())
}

#[test]
fn an_address_is_kept_over_a_restart_and_given_back_at_the_end() -> anyhow::Result<()> {
    let project = Project::new("addresses")?;
    project.said(&["up", "-d"])?;
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}";
    for _ in 0..2 {
        let shown = project.inspect("addresses-fixed-1", format)?;
        assert_eq!(shown, "10.213.7.10 fd3a:5e1f:7::10");
        project.said(&["restart", "-t", "0"])?;
    }
    // Whoever else asks for it is told that it is taken, and gets it when it is free.
    let run = ["run", "--rm", "--network", "addresses_plan", "--ip", "10.213.7.10"];
    let run = [&run[..], &["busybox", "true"]].concat();
    let output = project.engine().docker(&run)?;
    assert!(output.failure(125)?.contains("Address already in use"), "{output:?}");
    project.said(&["rm", "-sf", "fixed"])?;
    project.docker(&run)?;
    Ok(())
}
