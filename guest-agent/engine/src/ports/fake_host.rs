//! A host in memory, for tests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use naru_network::{PortMapping, Protocol};
use naru_protocol::ports::{PortReply, PortRequest};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
    duplex, split,
};
use tokio::task::JoinSet;

use super::PortHost;

pub(super) fn mapping(host_port: u16) -> PortMapping {
    PortMapping {
        host_ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        host_port,
        container_address: Ipv4Addr::new(172, 17, 0, 2).into(),
        container_port: 80,
        protocol: Protocol::Tcp,
    }
}

pub(super) fn in_ipv6(host_port: u16) -> PortMapping {
    PortMapping { host_ip: IpAddr::V6(Ipv6Addr::UNSPECIFIED), ..mapping(host_port) }
}

pub(super) struct FakeHost {
    pub(super) requests: Lines<BufReader<ReadHalf<DuplexStream>>>,
    replies: WriteHalf<DuplexStream>,
}

impl FakeHost {
    pub(super) fn connect(ports: &PortHost, tasks: &mut JoinSet<()>) -> Self {
        let (ours, theirs) = duplex(4096);
        let ports = ports.clone();
        tasks.spawn(async move { ports.serve(theirs).await });
        let (read, replies) = split(ours);
        Self { requests: BufReader::new(read).lines(), replies }
    }

    pub(super) async fn request(&mut self) -> PortRequest {
        serde_json::from_str(&self.requests.next_line().await.unwrap().unwrap()).unwrap()
    }

    /// Takes a request, grants it `port`, and tells which it asked for.
    pub(super) async fn bound(&mut self, port: u16) -> u16 {
        let PortRequest::Bind { id, host_port, .. } = self.request().await else {
            panic!("expected a bind");
        };
        self.reply(PortReply::Bound { id, host_port: port }).await;
        host_port
    }

    pub(super) async fn refuse(&mut self, id: u64, message: &str) {
        self.reply(PortReply::Refused { id, message: message.to_owned() }).await;
    }

    pub(super) async fn reply(&mut self, reply: PortReply) {
        let line = serde_json::to_string(&reply).unwrap() + "\n";
        self.replies.write_all(line.as_bytes()).await.unwrap();
    }
}
