//! `.gitmodules`: where the other repositories are that are in one.

/// Paths, and what they are of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modules(Vec<(String, String)>);

impl Modules {
    /// Reads a `.gitmodules`. What makes no sense in it is passed over, as git does.
    pub fn parse(text: &str) -> Self {
        let mut modules = Vec::new();
        let (mut path, mut url) = (None, None);
        let mut finish = |path: &mut Option<String>, url: &mut Option<String>| {
            if let (Some(path), Some(url)) = (path.take(), url.take()) {
                modules.push((path, url));
            }
        };
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                finish(&mut path, &mut url);
            } else if let Some((name, value)) = line.split_once('=') {
                match name.trim().to_ascii_lowercase().as_str() {
                    "path" => path = Some(plain(value)),
                    "url" => url = Some(plain(value)),
                    _ => {}
                }
            }
        }
        finish(&mut path, &mut url);
        Self(modules)
    }

    /// Where the repository at `path` is, for who has this one from `remote`.
    pub fn url_of(&self, path: &str, remote: &str) -> Option<String> {
        let (_, url) = self.0.iter().find(|(known, _)| known.trim_matches('/') == path)?;
        if !url.starts_with("./") && !url.starts_with("../") {
            return Some(url.clone());
        }
        let (scheme, rest) = remote.split_once("://")?;
        let mut parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
        for part in url.split('/') {
            match part {
                "" | "." => {}
                // The host stays.
                ".." if parts.len() > 1 => drop(parts.pop()),
                ".." => return None,
                part => parts.push(part),
            }
        }
        Some(format!("{scheme}://{}", parts.join("/")))
    }
}

/// A value without quotes, and without what is behind it.
fn plain(value: &str) -> String {
    let value = value.trim();
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default().to_owned(),
        None => value.split([';', '#']).next().unwrap_or_default().trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_module_has_its_place() {
        let text = "# note\n[submodule \"one\"]\n\tpath = lib/one\n\turl = ../one.git ; here\n\
                    [submodule \"two\"]\n\turl = \"https://a.b/c d.git\"\n  Path = \"two\"\n\
                    [submodule \"three\"]\n\tpath = three\n[other]\n\turl = x\n";
        let modules = Modules::parse(text);
        let of = |path: &str, remote: &str| modules.url_of(path, remote);
        let (one, two) = ("https://host/team/one.git", "https://a.b/c d.git");
        assert_eq!(of("lib/one", "https://host/team/all.git").as_deref(), Some(one));
        assert_eq!(of("lib/one", "https://host/team/all.git/").as_deref(), Some(one));
        assert_eq!(of("two", "https://host/x").as_deref(), Some(two));
        assert_eq!(of("three", "https://host/x"), None);
        assert_eq!(of("lib/one", "https://host").as_deref(), None, "it leads out of the host");
    }
}
