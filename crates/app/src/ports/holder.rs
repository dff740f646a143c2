//! Who listens on a port already, where the system tells.

#[cfg(not(target_os = "linux"))]
use naru_protocol::ports::PortProtocol;

/// The program that has the port, such as `nginx (pid 812)`.
///
/// None when the system does not say, as for other users' programs. Blocking.
#[cfg(not(target_os = "linux"))]
pub(super) fn of_port(_protocol: PortProtocol, _port: u16) -> Option<String> {
    None
}

#[cfg(target_os = "linux")]
pub(super) use linux::of_port;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::path::Path;

    use naru_protocol::ports::PortProtocol;

    /// `TCP_LISTEN` as `/proc/net/tcp` writes it.
    const LISTENING: &str = "0A";
    /// `TCP_CLOSE`, which in `/proc/net/udp` is a socket that is not connected.
    const UNCONNECTED: &str = "07";

    /// See above: from the sockets' table to the inode, from the inode to its holder.
    pub(in super::super) fn of_port(protocol: PortProtocol, port: u16) -> Option<String> {
        let (tables, state) = match protocol {
            PortProtocol::Tcp => (["/proc/net/tcp", "/proc/net/tcp6"], LISTENING),
            PortProtocol::Udp => (["/proc/net/udp", "/proc/net/udp6"], UNCONNECTED),
        };
        let inode = tables
            .into_iter()
            .find_map(|table| inode(&fs::read_to_string(table).ok()?, port, state))?;
        let link = format!("socket:[{inode}]");
        let mut processes = fs::read_dir("/proc").ok()?.flatten();
        let (pid, process) = processes.find_map(|entry| {
            // Others are no processes, or `self` and the like.
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            holds(&entry.path(), &link).then(|| (pid, entry.path()))
        })?;
        let name = fs::read_to_string(process.join("comm")).ok()?;
        Some(format!("{} (pid {pid})", name.trim_end()))
    }

    /// The inode of the socket in `state` that has `port`. Columns: `proc_pid_net(5)`.
    fn inode(table: &str, port: u16, state: &str) -> Option<u64> {
        let suffix = format!(":{port:04X}");
        table.lines().skip(1).find_map(|line| {
            let mut columns = line.split_whitespace();
            let local = columns.nth(1)?;
            let found = columns.nth(1)?;
            let inode = columns.nth(5)?;
            (local.ends_with(&suffix) && found == state).then(|| inode.parse().ok())?
        })
    }

    fn holds(process: &Path, link: &str) -> bool {
        let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
        descriptors.flatten().any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|target| target.as_os_str() == link)
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_a_listening_socket_of_the_port_counts() {
            let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                   0: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 11 1 0 20 4 30 10 -1\n\
                   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0\n";
            assert_eq!(inode(table, 8080, LISTENING), Some(4242));
            assert_eq!(inode(table, 8081, LISTENING), None);
        }

        #[test]
        fn the_holder_of_a_port_is_named_with_its_pid() {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let ports = [
                (PortProtocol::Tcp, listener.local_addr().unwrap().port()),
                (PortProtocol::Udp, socket.local_addr().unwrap().port()),
            ];
            for (protocol, port) in ports {
                let holder = of_port(protocol, port).unwrap();
                assert!(holder.ends_with(&format!("(pid {})", std::process::id())), "{holder}");
            }
        }
    }
}
