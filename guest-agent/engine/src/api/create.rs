//! `POST /containers/create`.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use bollard_stubs::models::{ContainerCreateBody, EndpointSettings, MountType, NetworkingConfig};
use hyper::StatusCode;
use naru_image_store::PlatformError;
use naru_protocol::version::ApiVersion;
use serde::Deserialize;
use serde_json::json;

use super::error::ApiError;
use super::networks::HAS_ENABLE_IPV4;
use super::query::Query;
use super::{read_json, whole_body};
use crate::container::{CreateRequest, Recursion};
use crate::engine::Engine;

pub(super) fn routes() -> Router<Engine> {
    Router::new().route("/containers/create", post(create))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CreateQuery {
    name: Option<String>,
    platform: String,
}

/// What had its place elsewhere before version 1.44.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct OldFields {
    mac_address: Option<String>,
}

async fn create(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Query(query): Query<CreateQuery>,
    body: Body,
) -> Result<Response, ApiError> {
    let bytes = whole_body(body).await?;
    let mut body = read(&bytes)?;
    let OldFields { mac_address } = read_json(&bytes)?;
    forget_what_came_later(&mut body, version);
    forget_later_mounts(&mut body, version)?;
    let endpoints = endpoints(body.networking_config.take(), version)?;
    let host_config = body.host_config.clone().unwrap_or_default();
    let config = serde_json::to_value(&body)
        .and_then(serde_json::from_value)
        .map_err(|error| ApiError::invalid(format!("invalid container config: {error}")))?;
    let name = query.name.filter(|name| !name.is_empty());
    let name = name.map(|name| name.strip_prefix('/').map_or_else(|| name.clone(), str::to_owned));
    let platform = match query.platform.as_str() {
        _ if version < HAS_PLATFORM => None,
        "" => None,
        text => Some(
            text.parse().map_err(|error: PlatformError| ApiError::invalid(error.to_string()))?,
        ),
    };
    let recursion = Recursion { read_only_by_default: version >= HAS_RECURSION };
    let is_any_platform = platform.is_none();
    let request =
        CreateRequest { name, config, host_config, endpoints, mac_address, platform, recursion };
    let container = engine.create_container(request).await?;
    let warning = engine.platform_warning(&container.record()).filter(|_| is_any_platform);
    let answer = json!({ "Id": container.id, "Warnings": Vec::from_iter(warning) });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// What is asked for in each network; an older client connects to all but one later.
fn endpoints(
    config: Option<NetworkingConfig>,
    version: ApiVersion,
) -> Result<HashMap<String, EndpointSettings>, ApiError> {
    let mut endpoints = config.and_then(|config| config.endpoints_config).unwrap_or_default();
    if endpoints.len() > 1 && version < HAS_MANY_ENDPOINTS {
        let mut names: Vec<String> = endpoints.into_keys().collect();
        names.sort();
        return Err(ApiError::invalid(format!(
            "Container cannot be connected to network endpoints: {}",
            names.join(", ")
        )));
    }
    if version < HAS_ENABLE_IPV4 {
        for settings in endpoints.values_mut() {
            settings.gw_priority = None;
        }
    }
    Ok(endpoints)
}

/// Docker tells no body from an empty one.
fn read(bytes: &[u8]) -> Result<ContainerCreateBody, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::invalid("invalid JSON: got EOF while reading request body"));
    }
    let body: Option<ContainerCreateBody> = read_json(bytes)?;
    let body = body.filter(|body| *body != ContainerCreateBody::default());
    body.ok_or_else(|| ApiError::invalid("config cannot be empty in order to create a container"))
}

/// From this version on a container goes by itself; before, its client removed it.
const HAS_AUTO_REMOVE: ApiVersion = ApiVersion::new(1, 25);
/// From this version on a container keeps its IPC namespace to itself.
const HAS_PRIVATE_IPC: ApiVersion = ApiVersion::new(1, 40);
const HAS_PLATFORM: ApiVersion = ApiVersion::new(1, 41);
const HAS_CONSOLE_SIZE: ApiVersion = ApiVersion::new(1, 42);
const HAS_ANNOTATIONS: ApiVersion = ApiVersion::new(1, 43);
const HAS_START_INTERVAL: ApiVersion = ApiVersion::new(1, 44);
const HAS_MANY_ENDPOINTS: ApiVersion = ApiVersion::new(1, 44);

const HAS_CREATE_MOUNTPOINT: ApiVersion = ApiVersion::new(1, 42);
const HAS_RECURSION: ApiVersion = ApiVersion::new(1, 44);
const HAS_SUBPATH: ApiVersion = ApiVersion::new(1, 45);
const HAS_TMPFS_OPTIONS: ApiVersion = ApiVersion::new(1, 46);
const HAS_IMAGE_MOUNTS: ApiVersion = ApiVersion::new(1, 48);

/// The same of options of mounts.
fn forget_later_mounts(
    body: &mut ContainerCreateBody,
    version: ApiVersion,
) -> Result<(), ApiError> {
    let host_config = body.host_config.get_or_insert_default();
    for mount in host_config.mounts.iter_mut().flatten() {
        if let Some(options) = &mut mount.bind_options {
            if version < HAS_CREATE_MOUNTPOINT {
                options.create_mountpoint = None;
            }
            if version < HAS_RECURSION {
                options.read_only_non_recursive = None;
                options.read_only_force_recursive = None;
            }
        }
        if let Some(options) = mount.volume_options.as_mut().filter(|_| version < HAS_SUBPATH) {
            options.subpath = None;
        }
        if let Some(options) = mount.tmpfs_options.as_mut().filter(|_| version < HAS_TMPFS_OPTIONS)
        {
            options.options = None;
        }
        if mount.typ == Some(MountType::IMAGE) && version < HAS_IMAGE_MOUNTS {
            return Err(ApiError::invalid("Mount type \"Image\" needs API v1.48 or newer"));
        }
    }
    Ok(())
}

/// What an older client cannot have meant is ignored, and what it expects is so.
fn forget_what_came_later(body: &mut ContainerCreateBody, version: ApiVersion) {
    let host_config = body.host_config.get_or_insert_default();
    if version < HAS_AUTO_REMOVE {
        host_config.auto_remove = None;
    }
    let ipc = host_config.ipc_mode.as_deref().unwrap_or_default();
    if version < HAS_PRIVATE_IPC && ipc.is_empty() {
        host_config.ipc_mode = Some("shareable".to_owned());
    }
    if version < HAS_CONSOLE_SIZE {
        host_config.console_size = None;
    }
    if version < HAS_ANNOTATIONS {
        host_config.annotations = None;
    }
    if version < HAS_START_INTERVAL
        && let Some(check) = &mut body.healthcheck
    {
        check.start_interval = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_client_gets_what_it_knows() {
        let asked = || {
            let asked = r#"{"HostConfig":{"AutoRemove":true,"Annotations":{"a":"b"}},
                "Healthcheck":{"StartInterval":1}}"#;
            read(asked.as_bytes()).unwrap()
        };
        let at = |minor| {
            let mut body = asked();
            forget_what_came_later(&mut body, ApiVersion::new(1, minor));
            (body.host_config.unwrap(), body.healthcheck.unwrap().start_interval)
        };
        let (old, interval) = at(24);
        assert_eq!((old.auto_remove, old.annotations, interval), (None, None, None));
        assert_eq!(old.ipc_mode.as_deref(), Some("shareable"));
        let (new, interval) = at(44);
        assert_eq!((new.auto_remove, new.ipc_mode, interval), (Some(true), None, Some(1)));
        assert!(new.annotations.is_some());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_field() {
        for (body, message) in [
            ("", "invalid JSON: got EOF while reading request body"),
            ("{}", "config cannot be empty in order to create a container"),
            ("null", "config cannot be empty in order to create a container"),
            (r#"{"Image":7}"#, "invalid JSON: Image: invalid type: integer `7`"),
            (r#"{"HostConfig":{"Binds":[7]}}"#, "invalid JSON: HostConfig.Binds[0]: invalid type"),
            ("{} x", "invalid JSON: trailing characters"),
        ] {
            let error = read(body.as_bytes()).unwrap_err();
            assert!(error.message().starts_with(message), "{body}: {}", error.message());
        }
    }
}
