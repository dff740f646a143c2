//! What an instruction says, checked before anything is read or fetched.

use naru_dockerfile::{
    CopyStep, FileMode, Fingerprint, GitSource, Ignore, Keyword, Place, Problem, Transfer,
    clean_path,
};
use naru_image_store::{Digest, WebUrl};

use super::destination::Destination;
use super::error::CopyError;
use super::filter::Filter;
use super::find::Found;
use crate::glob::is_pattern;

/// A `COPY` or an `ADD`.
#[derive(Clone, Debug)]
pub(crate) struct CopyPlan {
    pub(super) keyword: Keyword,
    /// In the order in which they are copied.
    pub(super) sources: Vec<Source>,
    pub(super) destination: Destination,
    pub(super) mode: Option<FileMode>,
    mode_text: Option<String>,
    chown: Option<String>,
    pub(super) exclude: Ignore,
    is_linked: bool,
    /// `--unpack`, if it is there.
    unpack: Option<bool>,
}

/// Where files come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A path or pattern, from the root of the source's tree.
    Path {
        path: String,
        filter: Filter,
        /// What `--parents` picks must be there: this path.
        required: Option<String>,
        unpack: bool,
    },
    /// A file of the web.
    Web { url: WebUrl, name: String, checksum: Option<Digest>, unpack: bool },
    /// The files of a repository.
    Git { source: GitSource, filter: Filter },
    /// A file that is written in the Dockerfile.
    Document { name: String, content: String },
}

impl CopyPlan {
    /// Reads an instruction whose variables have been filled in.
    pub(crate) fn new(
        keyword: Keyword,
        transfer: &Transfer,
        working_directory: &str,
    ) -> Result<Self, CopyError> {
        let text = |word: &naru_dockerfile::Word| word.text.clone();
        let mode_text = transfer.chmod.as_ref().map(text);
        let mode = mode_text.as_deref().map(FileMode::parse).transpose()?;
        let exclude = Ignore::new(transfer.exclude.iter().map(|word| word.text.as_str()))?;
        let reader = Reader { keyword, transfer, exclude: &exclude };
        let mut sources: Vec<Source> = transfer
            .sources
            .iter()
            .map(|word| reader.source(&word.text))
            .collect::<Result<_, _>>()?;
        reader.check_checksum(&sources)?;
        sources.extend(transfer.documents.iter().map(|document| Source::Document {
            name: document.name.clone(),
            content: document.content.clone(),
        }));
        Ok(Self {
            keyword,
            sources,
            destination: Destination::new(working_directory, &transfer.destination.text),
            mode,
            mode_text,
            chown: transfer.chown.as_ref().map(text),
            exclude,
            is_linked: transfer.link,
            unpack: transfer.unpack,
        })
    }

    /// Whom the files are to belong to, if that is said; see [`owner`](super::owner).
    pub(crate) fn chown(&self) -> Option<&str> {
        self.chown.as_deref()
    }

    /// Whether it is done on an empty directory, whatever is below it.
    pub(crate) fn is_linked(&self) -> bool {
        self.is_linked
    }

    /// Whether files of the source's tree are copied, not only those of the web and of the
    /// Dockerfile.
    pub(crate) fn needs_tree(&self) -> bool {
        self.sources.iter().any(|source| matches!(source, Source::Path { .. }))
    }

    /// The key of what it makes of what was found, done on `on`.
    pub(crate) fn key(
        &self,
        found: &Found,
        on: Option<Fingerprint>,
        owner: Option<(u32, u32)>,
    ) -> Fingerprint {
        let names = found.names();
        let files: Vec<(&[u8], Fingerprint)> =
            names.iter().map(|(name, file)| (name.as_slice(), *file)).collect();
        let step = CopyStep {
            on,
            destination: &self.destination.text(),
            owner,
            mode: self.mode_text.as_deref(),
            is_add: self.keyword == Keyword::Add,
            unpack: self.unpack,
            files: &files,
        };
        step.key()
    }
}

/// Tells the sources apart.
struct Reader<'a> {
    keyword: Keyword,
    transfer: &'a Transfer,
    exclude: &'a Ignore,
}

impl Reader<'_> {
    fn source(&self, written: &str) -> Result<Source, CopyError> {
        let is_add = self.keyword == Keyword::Add;
        match Place::of(written)? {
            Place::Http if !is_add => Err(CopyError::RemoteCopy("URL")),
            Place::Git(_) if !is_add => Err(CopyError::RemoteCopy("git ref")),
            Place::Http => self.web(written),
            Place::Git(source) => self.git(source),
            Place::Path => self.path(written).map_err(CopyError::Problem),
        }
    }

    fn path(&self, written: &str) -> Result<Source, Problem> {
        let unpack = self.transfer.unpack.unwrap_or(self.keyword == Keyword::Add);
        if !self.transfer.parents {
            let filter = Filter::new(None, self.exclude.clone())?;
            return Ok(Source::Path { path: clean_path(written), filter, required: None, unpack });
        }
        // What is before the pivot is not made again.
        let (base, picked) = written.split_once("/./").unwrap_or(("", written));
        let picked = clean_path(picked);
        let picked = picked.trim_start_matches('/');
        let is_required = !is_pattern(base) && !is_pattern(picked);
        let required = is_required.then(|| clean_path(&format!("{base}/{picked}")));
        // The whole directory is no pattern.
        let include = Some(picked).filter(|picked| !picked.is_empty());
        let filter = Filter::new(include, self.exclude.clone())?;
        Ok(Source::Path { path: clean_path(base), filter, required, unpack })
    }

    /// What is said by flags must not be what is said by the address.
    fn git(&self, mut source: GitSource) -> Result<Source, CopyError> {
        if let Some(keep) = self.transfer.keep_git_dir
            && source.keep_git_dir.replace(keep).is_some_and(|said| said != keep)
        {
            return Err(CopyError::KeepGitDir);
        }
        if let Some(checksum) = &self.transfer.checksum {
            let expected = checksum.text.clone();
            match source.checksum.replace(expected.clone()) {
                Some(found) if found != expected => {
                    return Err(CopyError::Mismatch { found, expected });
                }
                _ => {}
            }
        }
        Ok(Source::Git { source, filter: Filter::new(None, self.exclude.clone())? })
    }

    fn web(&self, written: &str) -> Result<Source, CopyError> {
        let url: WebUrl = written.parse()?;
        let name = url.file_name().unwrap_or_else(|| UNNAMED.to_owned());
        let checksum = self.transfer.checksum.as_ref().map(|word| {
            let invalid = |source| CopyError::Checksum { text: word.text.clone(), source };
            word.text.parse().map_err(invalid)
        });
        let unpack = self.transfer.unpack.unwrap_or(false);
        Ok(Source::Web { url, name, checksum: checksum.transpose()?, unpack })
    }

    fn check_checksum(&self, sources: &[Source]) -> Result<(), CopyError> {
        if self.transfer.checksum.is_none() {
            return Ok(());
        }
        match sources {
            [Source::Web { .. } | Source::Git { .. }] => Ok(()),
            [_] => Err(CopyError::ChecksumUse("requires HTTP(S) or Git sources")),
            _ => Err(CopyError::ChecksumUse("can't be specified for multiple sources")),
        }
    }
}

/// What a file is called whose URL has no name for it.
const UNNAMED: &str = "__unnamed__";
