//! Paths in a container, as API clients and archives give them.

/// An absolute path without `.`, `..` and doubled slashes, except that a `/` or `/.` at its end
/// is kept: there it says that the directory is meant, not the link to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerPath(String);

impl ContainerPath {
    /// Reads `text`; what is not absolute counts from the root.
    pub(crate) fn new(text: &str) -> Self {
        let mut clean = String::from("/");
        clean.push_str(&clean_parts(text).join("/"));
        let last = text.rsplit('/').next().unwrap_or_default();
        if last == "." {
            if !clean.ends_with('/') {
                clean.push('/');
            }
            clean.push('.');
        } else if last.is_empty() && !text.is_empty() && !clean.ends_with('/') {
            clean.push('/');
        }
        Self(clean)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The last component, which is what an archive's top entry is called: `/` for the root,
    /// `.` where the path ends so.
    pub(crate) fn base(&self) -> &str {
        match self.0.trim_end_matches('/').rsplit('/').next() {
            None | Some("") => "/",
            Some(base) => base,
        }
    }
}

/// The components that are left when `..` has taken away the one before it.
pub(crate) fn clean_parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts
}

/// The components of a name in an archive; none when it climbs out or cannot be a name.
pub(crate) fn parts_below(name: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part if part.contains(&0) => return None,
            part => parts.push(part),
        }
    }
    Some(parts)
}

/// The directory of an absolute path, and the name in it.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let slash = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    let above = if slash == 0 { &b"/"[..] } else { &path[..slash] };
    (above, path.get(slash + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cleaned_as_docker_cleans_it() {
        for (text, path, base) in [
            ("etc", "/etc", "etc"),
            ("/etc/", "/etc/", "etc"),
            ("/etc/.", "/etc/.", "."),
            ("//a/./b//c", "/a/b/c", "c"),
            ("../../etc/../x", "/x", "x"),
            ("/", "/", "/"),
            ("/.", "/.", "."),
            (".", "/.", "."),
            ("/a/..", "/", "/"),
        ] {
            let clean = ContainerPath::new(text);
            assert_eq!((clean.0.as_str(), clean.base()), (path, base), "{text:?}");
        }
    }

    #[test]
    fn a_name_in_an_archive_does_not_climb_out() {
        let parts = |name: &str| {
            let parts = parts_below(name.as_bytes())?;
            Some(String::from_utf8(parts.join(&b' ')).unwrap())
        };
        assert_eq!(parts("./usr//bin/../x/"), Some("usr x".to_owned()));
        assert_eq!(parts("/"), Some(String::new()));
        for climbing in ["..", "a/../../b", "/../x", "a\0b"] {
            assert_eq!(parts(climbing), None, "{climbing:?}");
        }
        assert_eq!(split(b"/a/b"), (&b"/a"[..], &b"b"[..]));
        assert_eq!(split(b"/a"), (&b"/"[..], &b"a"[..]));
    }
}
