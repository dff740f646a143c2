//! What instructions mean by ports and directories.

use crate::error::Problem;

const PORT_MAX: u32 = 65_535;

/// The ports of a word of `EXPOSE`: `80`, `80/udp`, `8000-8010`. A host's address and port before
/// it are read and forgotten, as in Docker.
pub fn exposed_ports(text: &str) -> Result<Vec<String>, Problem> {
    let wrong = |message: String| Problem::Port(message);
    let mut parts = text.rsplitn(3, ':');
    let container = parts.next().unwrap_or_default();
    let host = parts.next().unwrap_or_default();
    let address = parts.next().unwrap_or_default();
    let (ports, protocol) = container.split_once('/').unwrap_or((container, ""));
    if ports.is_empty() {
        return Err(wrong(format!("No port specified: {text}<empty>")));
    }
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "" | "tcp" => "tcp",
        "udp" => "udp",
        "sctp" => "sctp",
        _ => return Err(wrong(format!("Invalid proto: {protocol}"))),
    };
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if !address.is_empty() && bare.unwrap_or(address).parse::<std::net::IpAddr>().is_err() {
        return Err(wrong(format!("Invalid ip address: {address}")));
    }
    let (first, last) =
        range(ports).ok_or_else(|| wrong(format!("Invalid containerPort: {ports}")))?;
    if !host.is_empty() {
        let (host_first, host_last) =
            range(host).ok_or_else(|| wrong(format!("Invalid hostPort: {host}")))?;
        if last - first != host_last - host_first && last != first {
            return Err(wrong(format!(
                "Invalid ranges specified for container and host Ports: {ports} and {host}"
            )));
        }
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

fn range(text: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse().ok().filter(|number: &u32| *number <= PORT_MAX);
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

/// The working directory after `WORKDIR wanted`, where `current` was it. One that is not absolute
/// counts from that.
pub fn working_directory(current: &str, wanted: &str) -> String {
    if wanted.starts_with('/') {
        return wanted.to_owned();
    }
    if wanted.is_empty() && !current.is_empty() {
        return current.to_owned();
    }
    clean_path(&format!("{current}/{wanted}"))
}

/// The path from the root, without what changes nothing in it, and never out of the root.
pub fn clean_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_have_a_protocol_and_may_be_several() {
        for (text, expected) in [
            ("80", &["80/tcp"][..]),
            ("8000-8001/UDP", &["8000/udp", "8001/udp"]),
            ("127.0.0.1:90:80/sctp", &["80/sctp"]),
            ("[::1]::80", &["80/tcp"]),
            ("90-99:80", &["80/tcp"]),
        ] {
            assert_eq!(exposed_ports(text).unwrap(), expected, "{text}");
        }
        for (text, message) in [
            ("x", "Invalid containerPort: x"),
            ("70000", "Invalid containerPort: 70000"),
            ("9-8", "Invalid containerPort: 9-8"),
            ("80/ip", "Invalid proto: ip"),
            ("/tcp", "No port specified: /tcp<empty>"),
            ("x:80", "Invalid hostPort: x"),
            ("x:1:80", "Invalid ip address: x"),
            ("1-3:80-81", "Invalid ranges specified for container and host Ports: 80-81 and 1-3"),
        ] {
            assert_eq!(exposed_ports(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn directories_count_from_the_one_before() {
        for (current, wanted, expected) in [
            ("/srv", "../app", "/app"),
            ("", "a/./b/", "/a/b"),
            ("/srv", "/a/../b", "/a/../b"),
            ("/srv", "", "/srv"),
            ("", "", "/"),
            ("/", "../..", "/"),
        ] {
            assert_eq!(working_directory(current, wanted), expected, "{current} {wanted}");
        }
    }
}
