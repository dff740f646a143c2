//! Interfaces that share one of the host's: macvlan and ipvlan.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, ensure};
use naru_error::ErrorKind;
use naru_network::{
    Attachment, Interface, InterfaceAddress, IpvlanMode, MacAddress, MacvlanMode, NetworkError,
    Networks, NetworksConfig,
};

use crate::lab::{LAN, LAN6, Lab, Namespace};

fn macvlan(mode: MacvlanMode) -> Attachment {
    Attachment::Macvlan { parent: "uplink".to_owned(), mode }
}

/// Addresses of the LAN's own networks that end in this number.
fn addresses(number: u8) -> [IpAddr; 2] {
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into());
    [Ipv4Addr::new(192, 0, 2, number).into(), v6.into()]
}

/// A namespace whose `eth0` is made so, or why it is not.
fn connect(
    lab: &Lab,
    networks: &Networks,
    attachment: &Attachment,
    number: u8,
) -> Result<(Namespace, Result<String, NetworkError>)> {
    let [v4, v6] = addresses(number);
    let interface = Interface {
        name: "eth0".to_owned(),
        addresses: vec![
            InterfaceAddress { address: v4, prefix_len: 24 },
            InterfaceAddress { address: v6, prefix_len: 64 },
        ],
        mac: MacAddress::for_address(v4),
        mtu: 1500,
        default_routes: vec![LAN.into()],
    };
    let path = lab.directory.path().join(number.to_string());
    let connected = lab.on_host(async {
        networks.create_namespace(&path).await?;
        Ok(networks.connect(&path, attachment, &interface).await)
    })?;
    Ok((Namespace::at(&path)?, connected))
}

#[test]
fn macvlan_is_a_station_of_the_parents_network() -> Result<()> {
    let lab = Lab::new()?;
    let networks = Networks::open(NetworksConfig::default());
    let mode = macvlan(MacvlanMode::Bridge);
    let (one, connected) = connect(&lab, &networks, &mode, 50)?;
    ensure!(connected?.is_empty(), "it has no end on the host");
    let (two, connected) = connect(&lab, &networks, &mode, 51)?;
    connected?;
    let link = one.command("ip -o link show eth0")?;
    ensure!(link.contains("02:42:c0:00:02:32"), "{link}");
    let route = one.command("ip route show default")?;
    ensure!(route.contains(&format!("via {LAN} dev eth0")), "{route}");
    let (_v4, _v6) = (lab.lan.serve(LAN, 8000)?, lab.lan.serve(LAN6, 8000)?);
    let _server = two.serve(Ipv6Addr::UNSPECIFIED, 80)?;
    for (of_lan, (own, neighbour)) in [IpAddr::from(LAN), LAN6.into()]
        .into_iter()
        .zip(addresses(50).into_iter().zip(addresses(51)))
    {
        ensure!(one.ask(of_lan, 8000)? == own.to_string(), "the LAN sees another");
        one.ask(neighbour, 80).context("one to two")?;
        lab.lan.ask(neighbour, 80).context("the LAN to two")?;
    }
    Ok(())
}

#[test]
fn private_macvlan_reaches_the_lan_and_no_other() -> Result<()> {
    let lab = Lab::new()?;
    let networks = Networks::open(NetworksConfig::default());
    let mode = macvlan(MacvlanMode::Private);
    let (one, connected) = connect(&lab, &networks, &mode, 50)?;
    connected?;
    let (two, connected) = connect(&lab, &networks, &mode, 51)?;
    connected?;
    let [address, _] = addresses(51);
    let ear = two.listen()?;
    one.say(address, "hello")?;
    let words = ear.heard(&lab.lan, address)?;
    ensure!(words.is_empty(), "{words:?}");
    Ok(())
}

#[test]
fn macvlan_is_removed_from_inside_and_what_cannot_be_made_leaves_nothing() -> Result<()> {
    let lab = Lab::new()?;
    let networks = Networks::open(NetworksConfig::default());
    let nowhere = Attachment::Macvlan { parent: "eth77".to_owned(), mode: MacvlanMode::Bridge };
    let (namespace, connected) = connect(&lab, &networks, &nowhere, 50)?;
    let error = connected.err().context("it has a parent that is not there")?;
    ensure!(error.to_string() == "cannot find the interface (eth77)", "{error}");
    ensure!(namespace.interfaces()? == ["lo"]);
    let (namespace, connected) = connect(&lab, &networks, &macvlan(MacvlanMode::Bridge), 51)?;
    connected?;
    let path = lab.directory.path().join("51");
    lab.on_host(async { Ok(networks.remove_interface(&path, "eth0").await?) })?;
    ensure!(namespace.interfaces()? == ["lo"]);
    Ok(())
}

#[test]
fn ipvlan_is_a_station_under_the_parents_address_or_refused_by_its_kernel() -> Result<()> {
    let lab = Lab::new()?;
    let networks = Networks::open(NetworksConfig::default());
    let mode = Attachment::Ipvlan { parent: "uplink".to_owned(), mode: IpvlanMode::L2 };
    let (namespace, connected) = connect(&lab, &networks, &mode, 50)?;
    match connected {
        Ok(host_interface) => {
            ensure!(host_interface.is_empty(), "it has no end on the host");
            let _server = lab.lan.serve(LAN, 8000)?;
            ensure!(namespace.ask(LAN, 8000)? == "192.0.2.50");
        }
        Err(error) => {
            ensure!(error.kind() == ErrorKind::Unsupported, "{error:?}");
            ensure!(namespace.interfaces()? == ["lo"]);
        }
    }
    Ok(())
}
