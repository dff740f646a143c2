//! The rows of the command table that the engine answers, one file per resource.
//!
//! A row with a stream returns as soon as the stream is open, except those of images, which
//! return when what they do is over. A stream's `sink` gives false when its
//! receiver is gone; the stream then ends.

mod action;
mod container;
mod details;
mod files;
mod find;
mod image;
mod image_build;
mod image_move;
mod image_prune;
mod image_view;
mod logs;
mod machine;
mod network;
mod project;
mod remake;
mod stats;
mod terminal;
mod volume;
mod volume_files;

pub(crate) use container::published;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use naru_ipc::Inspection;
use serde::Serialize;

use crate::AppError;

/// Refuses what could leave its place in a request's path.
///
/// Names and ids of containers, volumes and networks are made of these characters; the
/// engine says whether there is such a thing.
fn check_name(what: &'static str, id: &str) -> Result<(), AppError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if !id.is_empty() && id.chars().all(fits) && !id.starts_with('.') {
        return Ok(());
    }
    Err(AppError::InvalidName { what, name: id.to_owned() })
}

fn check_container(id: &str) -> Result<(), AppError> {
    check_name("container name", id)
}

/// The same for an image's name or id.
fn check_image(name: &str) -> Result<(), AppError> {
    let fits = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ':' | '@' | '[' | ']')
    };
    let walks = name.split('/').any(|part| part.is_empty() || part == "." || part == "..");
    if name.chars().all(fits) && !walks {
        return Ok(());
    }
    Err(AppError::InvalidName { what: "image name", name: name.to_owned() })
}

/// The container's first name, without the slash that the list puts before it.
pub(crate) fn container_name(container: &ContainerSummary) -> String {
    let name = container.names.iter().flatten().next().map(String::as_str).unwrap_or_default();
    name.trim_start_matches('/').to_owned()
}

fn runs(container: &ContainerSummary) -> bool {
    matches!(
        container.state,
        Some(
            ContainerSummaryStateEnum::RUNNING
                | ContainerSummaryStateEnum::PAUSED
                | ContainerSummaryStateEnum::RESTARTING
        )
    )
}

/// What the engine says of a thing, to be read by a person.
fn inspection(thing: &impl Serialize) -> Result<Inspection, AppError> {
    let json = serde_json::to_string_pretty(thing)
        .map_err(|source| AppError::Garbled { what: "the engine's description", source })?;
    Ok(Inspection { json })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_walk_out_of_the_path_are_refused() {
        for bad in ["", "a/b", "..", "a?b", "a b", "a%2f", "a#b", "a\r\nX: y"] {
            assert!(check_container(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "/a", "a//b", "../a", "a/../b", "a?b", "a b", "a#b"] {
            assert!(check_image(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn usual_names_pass() {
        for good in ["web-1", "0123abcdef", "my_app.db"] {
            check_container(good).unwrap();
        }
        for good in ["busybox", "ghcr.io/x/y:tag", "localhost:5000/a@sha256:00", "[::1]:5000/a"] {
            check_image(good).unwrap();
        }
    }
}
