//! Writing images out as one archive: `docker save`.
//!
//! ```text
//! oci-layout, index.json        an OCI layout
//! manifest.json, repositories   what Docker's clients read, of any age
//! blobs/sha256/<digest>         configurations, manifests, and each layer once, uncompressed
//! ```
//!
//! Layers are read from where they are unpacked, when their turn comes; nothing is put together
//! on disk or in memory before. The same images make the same archive.

mod documents;

use std::collections::{HashMap, HashSet};
use std::io::{self, BufReader, Read, Write};

use tar::{Builder, EntryType, Header};

use crate::attestation::{Attestation, Outgoing};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::Image;
use crate::layers::Pin;
use crate::platform::Platform;
use crate::reference::ImageReference;
use crate::store::ImageStore;

use self::documents::Documents;

const BUFFER: usize = 128 << 10;

/// An image that goes into an archive, under these names.
#[derive(Debug)]
struct Chosen {
    image: Image,
    /// The images that the names stand for on other platforms.
    others: Vec<Image>,
    names: Vec<ImageReference>,
    /// What is said of it.
    attestation: Option<Attestation>,
}

/// All that a name stands for, and the tag that it is, if it is one.
type Named = (Vec<Image>, Option<ImageReference>);

impl Chosen {
    fn images(&self) -> impl Iterator<Item = &Image> {
        std::iter::once(&self.image).chain(&self.others)
    }
}

/// Images about to be written out. Their layers stay while this lives.
#[derive(Debug)]
pub struct SavedImages {
    store: ImageStore,
    images: Vec<Digest>,
    documents: Documents,
    layers: Vec<(Digest, u64)>,
    _pins: Vec<Pin>,
}

impl ImageStore {
    /// Chooses images to be written out: by id, by reference, or all of a repository by its bare
    /// name. Of each goes out what is for one of the `platforms`, if there are any, which must not
    /// be nothing.
    pub async fn save(
        &self,
        names: Vec<String>,
        platforms: Vec<Platform>,
    ) -> Result<SavedImages, ImageError> {
        let store = self.clone();
        self.door().run("choosing images", move || store.saved(&names, &platforms)).await
    }

    fn saved(&self, names: &[String], platforms: &[Platform]) -> Result<SavedImages, ImageError> {
        let mut chosen: Vec<Chosen> = Vec::new();
        for name in names {
            for (members, tag) in self.named_for_save(name)? {
                let (image, others) = for_platforms(members, name, platforms)?;
                let wanted: Vec<&Digest> =
                    std::iter::once(&image).chain(&others).map(|image| &image.id).collect();
                let is_known = |known: &Chosen| {
                    known.images().map(|image| &image.id).eq(wanted.iter().copied())
                };
                let position = chosen.iter().position(is_known);
                let position = position.unwrap_or_else(|| {
                    chosen.push(Chosen { image, others, names: Vec::new(), attestation: None });
                    chosen.len() - 1
                });
                let names = &mut chosen[position].names;
                names.extend(tag.filter(|tag| !names.contains(tag)));
            }
        }
        self.written(&chosen, Documents::of)
    }

    /// Images that were made here: one by itself, several as those of different platforms behind
    /// one index, which is OCI's alone, and is also where what is said of them stands. Their
    /// layers must be held until this has given what holds them then.
    pub async fn save_made(
        &self,
        images: Vec<Outgoing>,
        names: Vec<ImageReference>,
    ) -> Result<SavedImages, ImageError> {
        let store = self.clone();
        let chosen = move || {
            let chosen = images.into_iter().map(|Outgoing { config, attestation }| {
                let image = store.described(config)?;
                Ok(Chosen { image, others: Vec::new(), names: names.clone(), attestation })
            });
            let chosen: Vec<Chosen> = chosen.collect::<Result<_, ImageError>>()?;
            match chosen.as_slice() {
                [Chosen { attestation: None, .. }] => store.written(&chosen, Documents::of),
                _ => store.written(&chosen, Documents::of_platforms),
            }
        };
        self.door().run("choosing images", chosen).await
    }

    fn written(
        &self,
        chosen: &[Chosen],
        documents: impl FnOnce(&[Chosen], &HashMap<Digest, u64>) -> Documents,
    ) -> Result<SavedImages, ImageError> {
        let mut known = HashSet::new();
        let (mut layers, mut pins) = (Vec::new(), Vec::new());
        let images = chosen.iter().flat_map(Chosen::images);
        for layer in images.flat_map(|image| &image.layers) {
            if known.insert(layer.diff_id.clone()) {
                pins.push(self.layer_store().pin(&layer.diff_id));
                // What cannot be written out is told now, not in the middle.
                layers.push((layer.diff_id.clone(), self.layer_archive(&layer.diff_id)?.size()));
            }
        }
        Ok(SavedImages {
            store: self.clone(),
            documents: documents(chosen, &layers.iter().cloned().collect()),
            images: chosen.iter().map(|chosen| chosen.image.id.clone()).collect(),
            layers,
            _pins: pins,
        })
    }

    /// As Docker understands it: a bare name means every tag of the repository. Each comes with all
    /// that it stands for.
    fn named_for_save(&self, name: &str) -> Result<Vec<Named>, ImageError> {
        let last = name.rsplit('/').next().unwrap_or(name);
        if !last.contains([':', '@'])
            && let Ok(reference) = name.parse::<ImageReference>()
        {
            let repository = reference.name();
            let mut tagged = Vec::new();
            for (tag, _) in self.index().tags_of(&repository)? {
                tagged.push((self.members_of(&tag)?, Some(tag)));
            }
            if !tagged.is_empty() {
                return Ok(tagged);
            }
        }
        let members = self.members(name)?;
        let reference = name.parse::<ImageReference>().ok();
        let tags = members.first().map(|image| image.tags.as_slice()).unwrap_or_default();
        let tag = reference.filter(|reference| tags.contains(reference));
        Ok(vec![(members, tag)])
    }
}

/// What is for one of the platforms, or all; the first of it apart.
fn for_platforms(
    mut members: Vec<Image>,
    name: &str,
    platforms: &[Platform],
) -> Result<(Image, Vec<Image>), ImageError> {
    let found = members.first().map(|image| image.platform().to_string()).unwrap_or_default();
    if !platforms.is_empty() {
        members.retain(|image| {
            platforms.iter().any(|wanted| wanted.rank(&image.platform()).is_some())
        });
    }
    let mut members = members.into_iter();
    match (members.next(), platforms.first()) {
        (Some(image), _) => Ok((image, members.collect())),
        (None, Some(wanted)) => Err(ImageError::Platform {
            reference: name.to_owned(),
            found,
            wanted: wanted.to_string(),
        }),
        // It was removed meanwhile.
        (None, None) => Err(ImageError::NotFound { name: name.to_owned() }),
    }
}

impl SavedImages {
    /// The ids of the images, in the order in which they were chosen.
    pub fn images(&self) -> &[Digest] {
        &self.images
    }

    /// Writes the archive. Blocks. A layer that is not what it was ends it with an error.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut tar = Builder::new(out);
        for (name, content) in &self.documents.files {
            append(&mut tar, name, content.len() as u64, content.as_slice())?;
        }
        for name in ["blobs/", "blobs/sha256/"] {
            let mut header = header(EntryType::Directory, 0o755, 0);
            tar.append_data(&mut header, name, io::empty())?;
        }
        for (digest, content) in &self.documents.blobs {
            append(&mut tar, &blob_name(digest), content.len() as u64, content.as_slice())?;
        }
        for (diff_id, size) in &self.layers {
            let archive = self.store.layer_archive(diff_id).map_err(io::Error::other)?;
            let archive = BufReader::with_capacity(BUFFER, archive);
            append(&mut tar, &blob_name(diff_id), *size, archive)?;
        }
        tar.into_inner()?.flush()
    }
}

fn append<W: Write>(
    tar: &mut Builder<W>,
    name: &str,
    size: u64,
    content: impl Read,
) -> io::Result<()> {
    tar.append_data(&mut header(EntryType::Regular, 0o644, size), name, content)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
