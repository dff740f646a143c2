//! Whom files are to belong to: `--chown`, by the destination's own lists of users and groups.

use std::io::{self, Read as _};

use naru_dockerfile::nearest;

use super::error::{CopyError, Tried as _};
use crate::files::Tree;
use crate::spec::{named_group, named_user, names_in};

/// More than any sane list.
const LIST_MAX: u64 = 10 << 20;

/// Resolves `user`, `user:group` and their numbers in the root `tree`. A user by name has its
/// own group where none is said, one by number the group of that number.
pub(crate) fn owner(text: &str, tree: &Tree) -> Result<(u32, u32), CopyError> {
    let (user, group) = match text.split_once(':') {
        Some((_, group)) if group.contains(':') => {
            return Err(CopyError::Chown(text.to_owned()));
        }
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (text, None),
    };
    let (uid, own_group) = match number(user) {
        Some(uid) => (uid, uid),
        None if user.is_empty() => (0, 0),
        None => {
            let list = list(tree, b"/etc/passwd")?;
            named_user(&list, user).ok_or_else(|| no_such("user", user, &list))?
        }
    };
    let Some(group) = group else { return Ok((uid, own_group)) };
    if let Some(gid) = number(group) {
        return Ok((uid, gid));
    }
    let list = list(tree, b"/etc/group")?;
    let gid = named_group(&list, group).ok_or_else(|| no_such("group", group, &list))?;
    Ok((uid, gid))
}

fn number(text: &str) -> Option<u32> {
    // As Docker, which counts with a sign.
    text.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok())
}

fn no_such(kind: &'static str, name: &str, list: &str) -> CopyError {
    let nearest = nearest(name, names_in(list)).map(str::to_owned);
    CopyError::Owner { kind, name: name.to_owned(), nearest }
}

/// A list of the root's; empty if there is none.
fn list(tree: &Tree, path: &[u8]) -> Result<String, CopyError> {
    let found = tree.follow(path).and_then(|real| tree.look(&real)?.open_file());
    let file = match found {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(String::new());
        }
        found => found.tried("open", path)?,
    };
    let mut bytes = Vec::new();
    file.take(LIST_MAX).read_to_end(&mut bytes).tried("read", path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names_are_those_of_the_destination() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        let tree = Tree::at(&root).unwrap();
        assert_eq!(owner("1:2", &tree).unwrap(), (1, 2), "and needs no lists");
        assert_eq!(owner("7", &tree).unwrap(), (7, 7));
        assert_eq!(owner("7:", &tree).unwrap(), (7, 7));
        assert_eq!(owner(":7", &tree).unwrap(), (0, 7));
        owner("root", &tree).expect_err("there is no list");

        fs::write(root.join("passwd"), "root:x:0:0::/:\napp:x:10:20::/:\n99:x:5:5::/:\n").unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\nstaff:x:50:app\n").unwrap();
        symlink("/passwd", root.join("etc/passwd")).unwrap();
        for (text, expected) in
            [("app", (10, 20)), ("app:staff", (10, 50)), ("99", (99, 99)), ("3:staff", (3, 50))]
        {
            assert_eq!(owner(text, &tree).unwrap(), expected, "{text}");
        }
        for (text, message) in [
            ("ap", "can't find user ap: no such user (did you mean app?)"),
            ("app:stafff", "can't find group stafff: no such group (did you mean staff?)"),
            ("a:b:c", "invalid chown string format: a:b:c"),
            ("-1", "can't find user -1: no such user (did you mean 99?)"),
        ] {
            assert_eq!(owner(text, &tree).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_list_is_never_one_of_the_host() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(directory.path().join("secret"), "app:x:1:1::/:\n").unwrap();
        symlink("../../../secret", root.join("etc/passwd")).unwrap();
        owner("app", &Tree::at(&root).unwrap()).expect_err("it is outside");
    }
}
