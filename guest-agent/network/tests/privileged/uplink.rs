//! PID 1's own network.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use naru_network::uplink::{configure_uplink, loopback_up};

use crate::lab::Namespace;

#[test]
fn uplink_and_loopback_come_up_and_can_be_configured_again() -> Result<()> {
    let machine = Namespace::new()?;
    machine.command("ip link add eth0 type bridge")?;
    let (address, gateway) = (Ipv4Addr::new(10, 0, 2, 15), Ipv4Addr::new(10, 0, 2, 2));
    for _ in 0..2 {
        machine.run(|| Ok(loopback_up()?))?;
        machine.run(|| Ok(configure_uplink("eth0", address, 24, gateway)?))?;
    }
    let addresses = machine.command("ip -o -4 address")?;
    ensure!(addresses.contains("lo    inet 127.0.0.1/8"), "{addresses}");
    ensure!(addresses.contains("eth0    inet 10.0.2.15/24 brd 10.0.2.255"), "{addresses}");
    let routes = machine.command("ip route")?;
    ensure!(routes.matches("default via 10.0.2.2 dev eth0").count() == 1, "{routes}");
    Ok(())
}

#[test]
fn uplink_that_is_not_there_is_named() -> Result<()> {
    let machine = Namespace::new()?;
    let error = machine.run(|| {
        Ok(configure_uplink("eth7", Ipv4Addr::new(10, 0, 2, 15), 24, Ipv4Addr::new(10, 0, 2, 2))
            .err())
    })?;
    let text = error.map(|error| error.to_string()).unwrap_or_default();
    ensure!(text == "cannot find the interface (eth7)", "{text}");
    Ok(())
}
