//! Which image was made here of which.

use std::collections::HashMap;

use super::Index;
use crate::digest::Digest;
use crate::error::ImageError;

impl Index {
    /// Each image that was made of another one which is still there, with that one.
    pub(crate) fn parents(&self) -> Result<HashMap<Digest, Digest>, ImageError> {
        self.read("list parents", |connection| {
            connection
                .prepare_cached("SELECT id, parent FROM image WHERE parent IS NOT NULL")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// Remembers what an image was made of, if nothing is known of that yet.
    pub(crate) fn set_parent(&self, id: &Digest, parent: &Digest) -> Result<(), ImageError> {
        self.write("remember a parent", |transaction| {
            transaction
                .execute(
                    "UPDATE image SET parent = ?2 WHERE id = ?1 AND parent IS NULL AND NOT hidden
                     AND EXISTS (SELECT 1 FROM image WHERE id = ?2 AND NOT hidden)",
                    [id, parent],
                )
                .map(drop)
        })
    }

    /// Whether another image that is still there was made of this one.
    pub(crate) fn has_children(&self, id: &Digest) -> Result<bool, ImageError> {
        self.read("look for an image's children", |connection| {
            connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM image WHERE parent = ?1)")?
                .query_row([id], |row| row.get(0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::NewImage;

    fn put(index: &Index, name: &str, parent: Option<&Digest>) -> Digest {
        let id = Digest::of(name.as_bytes());
        let image = NewImage {
            id: id.clone(),
            config: name.as_bytes().to_vec(),
            manifest: None,
            layers: Vec::new(),
            tag: None,
            repo_digest: None,
            parent: parent.cloned(),
        };
        index.put_image(&image, 0).unwrap();
        id
    }

    fn parent(index: &Index, id: &Digest) -> Option<Digest> {
        index.image(id).unwrap().unwrap().parent
    }

    #[test]
    fn a_parent_is_remembered_until_one_of_the_two_is_hidden() {
        let directory = tempfile::tempdir().unwrap();
        let index = Index::open(&directory.path().join("index.db")).unwrap();
        let base = put(&index, "base", None);
        let middle = put(&index, "middle", Some(&base));
        let top = put(&index, "top", Some(&middle));
        // It comes again from elsewhere, where nothing is known of its parent.
        put(&index, "top", None);
        assert_eq!(parent(&index, &top), Some(middle.clone()));
        assert!(index.has_children(&base).unwrap() && !index.has_children(&top).unwrap());
        let all = HashMap::from([(middle.clone(), base.clone()), (top.clone(), middle.clone())]);
        assert_eq!(index.parents().unwrap(), all);

        index.hide_image(&middle).unwrap();
        assert_eq!(index.parents().unwrap(), HashMap::new());
        // What is going away is nobody's parent any more.
        let late = put(&index, "late", Some(&middle));
        assert_eq!(parent(&index, &late), None);
    }
}
