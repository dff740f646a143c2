//! Files of a git repository.

use std::io;
use std::path::{Path, PathBuf};

use futures::TryStreamExt as _;
use hyper::header::HeaderValue;
use naru_dockerfile::GitSource;
use naru_git::{
    Capabilities, Checkout, Found, GitError, Modules, ObjectId, Pack, PackReader, Refs, Submodule,
};
use naru_image_store::{ImageStore, WebFile, WebRequest, WebUrl};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::access::GitAccess;
use super::directory::{Context, read_text};
use super::error::ContextError;
use super::stream::StreamReader;
use crate::files::{Room, Tree};

const INFO: &str = "/info/refs";
const UPLOAD: &str = "/git-upload-pack";
/// More than the names of any repository.
const NAMES_MAX: usize = 64 << 20;
/// Repositories in one; what is more is likely to be in itself.
const REPOSITORIES_MAX: usize = 200;

/// A repository that is to be fetched.
#[derive(Debug)]
struct Wanted {
    remote: String,
    /// Where its files go, below the whole.
    path: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Reference(Option<String>),
    Commit(ObjectId),
}

impl Context {
    /// Fetches what is meant of a repository into a new directory in `contexts`. Dropping this
    /// ends it.
    pub(crate) async fn fetch_git(
        images: &ImageStore,
        source: &GitSource,
        access: &GitAccess,
        contexts: &Path,
    ) -> Result<Self, ContextError> {
        let mut context = Self::new(contexts)?;
        clone_git(images, source, access, context.path(), contexts).await?;
        if let Some(directory) = &source.directory {
            context.narrow(directory)?;
        }
        Ok(context)
    }
}

/// Fetches a repository with those in it into the empty directory `into`; the directory that is
/// meant of it is the caller's to choose.
pub(crate) async fn clone_git(
    images: &ImageStore,
    source: &GitSource,
    access: &GitAccess,
    into: &Path,
    contexts: &Path,
) -> Result<(), ContextError> {
    let reference = What::Reference(source.reference.clone());
    let mut todo =
        vec![Wanted { remote: source.remote.clone(), path: String::new(), what: reference }];
    let mut count = 0;
    while let Some(wanted) = todo.pop() {
        count += 1;
        if count > REPOSITORIES_MAX {
            return Err(ContextError::Git(GitError::Broken("it has too many submodules")));
        }
        let server = Server::find(images, &wanted.remote, access).await?;
        let found = match &wanted.what {
            What::Commit(commit) => Found { name: None, commit: *commit, object: *commit },
            What::Reference(reference) => {
                let found = server.resolve(reference.as_deref()).await?;
                check(found.commit, source.checksum.as_deref())?;
                found
            }
        };
        // As with BuildKit: of a part there is none.
        let is_kept = source.keep_git_dir == Some(true)
            && source.directory.is_none()
            && matches!(wanted.what, What::Reference(_));
        let place = Place { whole: into.to_owned(), path: wanted.path.clone(), is_kept };
        let checkout = server.fetch(found, place, contexts).await?;
        if source.submodules != Some(false) {
            todo.extend(submodules(&checkout, into, &wanted)?);
        }
    }
    Ok(())
}

/// What is expected may be the beginning of the commit.
fn check(commit: ObjectId, expected: Option<&str>) -> Result<(), ContextError> {
    let found = commit.to_string();
    match expected {
        Some(expected) if !found.starts_with(&expected.to_ascii_lowercase()) => {
            Err(ContextError::Mismatch { found, expected: expected.to_owned() })
        }
        _ => Ok(()),
    }
}

fn submodules(
    checkout: &Checkout,
    into: &Path,
    parent: &Wanted,
) -> Result<Vec<Wanted>, ContextError> {
    if checkout.submodules.is_empty() {
        return Ok(Vec::new());
    }
    let tree = Tree::at(into).map_err(ContextError::directory("opening", into))?;
    let below = |path: &str| format!("{}/{path}", parent.path);
    let modules = Modules::parse(&read_text(&tree, &below(".gitmodules"))?.unwrap_or_default());
    let wanted = |submodule: &Submodule| {
        let missing = || GitError::Missing(format!("for the submodule {}", submodule.path));
        let remote = modules.url_of(&submodule.path, &parent.remote).ok_or_else(missing)?;
        Ok(Wanted { remote, path: below(&submodule.path), what: What::Commit(submodule.commit) })
    };
    checkout.submodules.iter().map(wanted).collect()
}

/// Where files go. The way from the whole to them was made by a checkout, and has no links.
#[derive(Debug)]
struct Place {
    whole: PathBuf,
    path: String,
    /// Whether the directory `.git` goes there, too.
    is_kept: bool,
}

/// A server that has a repository.
#[derive(Debug)]
struct Server<'a> {
    images: &'a ImageStore,
    url: WebUrl,
    authorization: Option<HeaderValue>,
}

impl<'a> Server<'a> {
    /// Asks it whether it speaks the protocol. It may lead elsewhere.
    async fn find(
        images: &'a ImageStore,
        remote: &str,
        access: &GitAccess,
    ) -> Result<Self, ContextError> {
        if !remote.starts_with("http://") && !remote.starts_with("https://") {
            let kind = "a git repository that is reached otherwise than by http";
            return Err(ContextError::Git(GitError::Unsupported(kind)));
        }
        let url: WebUrl = remote.parse()?;
        let authorization = access.to(remote).cloned();
        let request = WebRequest {
            headers: &[("Git-Protocol", "version=2")],
            authorization: authorization.clone(),
            body: None,
        };
        let info = url.below(INFO, Some("service=git-upload-pack"));
        let answer = images.ask_web(&info, &request).await?;
        let found = answer.url();
        Capabilities::parse(body(answer).await?.as_slice())?;
        // Where it was led, it need not say again who it is.
        let is_same = found.to_string() == info.to_string();
        let url = if is_same { url } else { found.above(INFO).unwrap_or(url) };
        // Who we are is for where we came with it.
        let authorization = authorization.filter(|_| url.is_at(&info));
        Ok(Self { images, url, authorization })
    }

    async fn ask(&self, request: Vec<u8>) -> Result<WebFile, ContextError> {
        const HEADERS: &[(&str, &str)] = &[
            ("Git-Protocol", "version=2"),
            ("Content-Type", "application/x-git-upload-pack-request"),
            ("Accept", "application/x-git-upload-pack-result"),
        ];
        let authorization = self.authorization.clone();
        let request = WebRequest { headers: HEADERS, authorization, body: Some(request.into()) };
        Ok(self.images.ask_web(&self.url.below(UPLOAD, None), &request).await?)
    }

    async fn resolve(&self, reference: Option<&str>) -> Result<Found, ContextError> {
        let answer = self.ask(naru_git::refs_request(reference)).await?;
        Ok(Refs::parse(body(answer).await?.as_slice())?.find(reference)?)
    }

    async fn fetch(
        &self,
        found: Found,
        place: Place,
        contexts: &Path,
    ) -> Result<Checkout, ContextError> {
        let wanted = if place.is_kept { found.object } else { found.commit };
        let answer = self.ask(naru_git::fetch_request(&[wanted])).await?;
        // It shows no password.
        let remote = self.url.to_string();
        let given_up = CancellationToken::new();
        let _guard = given_up.clone().drop_guard();
        let reader = StreamReader::new(answer.into_stream(), given_up.clone());
        let spool = Context::new(contexts)?;
        let unpacked = spawn_blocking(move || {
            let whole = &place.whole;
            let tree = Tree::at(whole).map_err(ContextError::directory("opening", whole))?;
            let room = Room::of(&tree).map_err(io::Error::from);
            let room = room.map_err(ContextError::directory("looking at", whole))?;
            let mut room = naru_git::Room { bytes: room.bytes, files: room.files };
            let pack = Pack::receive(PackReader::new(reader)?, spool.path(), &mut room)?;
            let directory = whole.join(place.path.trim_start_matches('/'));
            let is_given_up = || given_up.is_cancelled();
            let checkout =
                naru_git::checkout(&pack, found.commit, &directory, &mut room, &is_given_up)?;
            if place.is_kept {
                naru_git::keep(&pack, &found, &remote, &directory, &mut room)?;
            }
            Ok(checkout)
        });
        unpacked.await.map_err(|_| ContextError::Panicked)?
    }
}

/// An answer that is not a pack.
async fn body(answer: WebFile) -> Result<Vec<u8>, ContextError> {
    let mut stream = answer.into_stream();
    let mut body = Vec::new();
    while let Some(chunk) = stream.try_next().await.map_err(GitError::Read)? {
        if body.len() + chunk.len() > NAMES_MAX {
            return Err(ContextError::Git(GitError::Broken("it has too many references")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
