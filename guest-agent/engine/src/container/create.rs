//! Making a container: the request is checked whole, then kept, or nothing is.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Component, Path};
use std::sync::Arc;

use bollard_stubs::models::{
    ContainerConfig, EndpointSettings, HostConfig, HostConfigLogConfig, ImageConfig,
    RestartPolicy as AskedPolicy, RestartPolicyNameEnum,
};
use jiff::Timestamp;
use naru_image_store::{Image, ImageHold, Platform};
use rand::RngCore as _;

use super::files::split_extra_host;
use super::health::{self, HealthCheck};
use super::logs::validate_log_config;
use super::mounts::{Recursion, WantedMount};
use super::refusals::{refuse_conflicts, refuse_for_good};
use super::remove::remove_directory;
use super::restart_policy::RestartPolicy;
use super::state::State;
use super::{Container, Record, names};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::network::published_ports;
use crate::spec::{self, has_host_uts};

/// The name's length in a container's default hostname.
const SHORT_ID_LEN: usize = 12;

/// `POST /containers/create`.
#[derive(Clone, Debug)]
pub(crate) struct CreateRequest {
    /// Made up when there is none.
    pub(crate) name: Option<String>,
    pub(crate) config: ContainerConfig,
    pub(crate) host_config: HostConfig,
    /// What is asked for in each network, by its name or id.
    pub(crate) endpoints: HashMap<String, EndpointSettings>,
    /// In the network of the mode, as older clients ask for it.
    pub(crate) mac_address: Option<String>,
    /// The image must be for this one, if it is named.
    pub(crate) platform: Option<Platform>,
    pub(crate) recursion: Recursion,
}

impl Engine {
    /// Makes a container; it does not run yet.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(crate) async fn create_container(&self, request: CreateRequest) -> Result<Arc<Container>> {
        let (record, mounts, hold) = self.new_record(request)?;
        let engine = self.clone();
        // As a whole: a client that goes away must not leave it half made.
        let kept = async move {
            let (id, name) = (record.id.clone(), record.name.clone());
            let kept = engine.keep_new(record, mounts).await;
            // From here on it is known to need its image.
            drop(hold);
            if kept.is_err() {
                engine.containers().release_name(&name);
                remove_directory(&engine.paths().container(&id));
            }
            kept
        };
        self.run_to_end(Box::pin(kept)).await
    }

    /// Checks all that is asked for; what comes back has its name, which is not yet kept.
    fn new_record(&self, request: CreateRequest) -> Result<(Record, Vec<WantedMount>, ImageHold)> {
        let CreateRequest {
            name,
            mut config,
            mut host_config,
            endpoints,
            mac_address,
            platform,
            recursion,
        } = request;
        if let Some(name) = &name {
            names::check(name)?;
        }
        let wanted_image = config.image.clone().unwrap_or_default();
        let image = self.image_for(&wanted_image, platform.as_ref())?;
        let hold = self.images().hold(&image.id)?;
        let image_config = image_config(&image.raw_config)?;

        refuse_for_good(&host_config)?;
        refuse_conflicts(&config, &host_config)?;
        let id = random_id();
        fill_config(&mut config, image_config, &id, &host_config);
        fill_host_config(&mut host_config);
        let command = command_line(&config)?;
        validate(&config, &host_config)?;
        self.check_links(&host_config)?;
        let networks = self.memberships(&host_config, endpoints, mac_address)?;
        let mounts = self.wanted_mounts(&config, &host_config, recursion)?;

        let name = self.reserve_name(name.as_deref(), &id)?;
        let record = Record {
            id,
            name,
            created: Timestamp::now(),
            image: wanted_image,
            image_id: image.id.to_string(),
            command,
            config,
            host_config,
            mounts: Some(Vec::new()),
            networks,
            ports: Vec::new(),
            state: State::default(),
        };
        Ok((record, mounts, hold))
    }

    /// The image that a name means, for the platform that is asked for if one is.
    pub(crate) fn image_for(&self, name: &str, platform: Option<&Platform>) -> Result<Image> {
        let Some(wanted) = platform else { return Ok(self.images().resolve(name)?) };
        let image = self.images().resolve_for(name, wanted)?;
        let found = image.platform();
        if wanted.rank(&found).is_some() {
            return Ok(image);
        }
        Err(EngineError::OtherPlatform {
            reference: name.to_owned(),
            found: found.to_string(),
            wanted: wanted.to_string(),
        })
    }

    #[tracing::instrument(level = "debug", skip_all, fields(container_id = record.id))]
    async fn keep_new(
        &self,
        mut record: Record,
        mounts: Vec<WantedMount>,
    ) -> Result<Arc<Container>> {
        let directory = self.paths().container(&record.id);
        for part in ["upper", "work", "rootfs"] {
            let path = directory.join(part);
            std::fs::create_dir_all(&path).map_err(EngineError::io("creating", path))?;
        }
        if mounts.is_empty() {
            self.database().put_container(&record).await?;
        } else {
            let volumes = self.prepare_mounts(&mut record, mounts).await?;
            volumes.keep(self, Some(&record)).await?;
        }
        let shim = self.shim_address(&record.id);
        let container = Arc::new(Container::new(record, shim));
        self.containers().insert(Arc::clone(&container));
        self.container_event(&container, "create", []);
        Ok(container)
    }

    fn reserve_name(&self, wanted: Option<&str>, id: &str) -> Result<String> {
        loop {
            let name = wanted.map_or_else(
                || names::make_up(|name| self.containers().name_is_free(name)),
                str::to_owned,
            );
            match self.containers().reserve_name(&name, id) {
                Ok(()) => return Ok(name),
                // Someone else was quicker with the name made up here.
                Err(EngineError::NameInUse { .. }) if wanted.is_none() => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// 256 random bits as 64 hex digits. Never all digits in its first twelve, because
/// a hostname of digits only is taken for a number by some programs.
pub(crate) fn random_id() -> String {
    let mut random = rand::rng();
    loop {
        let mut bytes = [0_u8; 32];
        random.fill_bytes(&mut bytes);
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let id: String =
            digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect();
        if id[..SHORT_ID_LEN].parse::<u64>().is_err() {
            return id;
        }
    }
}

/// The `config` of an image as Docker reads it, from the very bytes.
pub(crate) fn image_config(raw: &[u8]) -> Result<ImageConfig> {
    #[derive(serde::Deserialize)]
    struct Whole {
        #[serde(default)]
        config: Option<ImageConfig>,
    }
    let whole: Whole =
        serde_json::from_slice(raw).map_err(EngineError::encoding("the image's configuration"))?;
    Ok(whole.config.unwrap_or_default())
}

/// Puts the image's defaults where the client was silent, as Docker merges them.
fn fill_config(
    config: &mut ContainerConfig,
    image: ImageConfig,
    id: &str,
    host_config: &HostConfig,
) {
    fn unless_given<T: Default>(
        field: &mut Option<T>,
        default: Option<T>,
        is_empty: fn(&T) -> bool,
    ) {
        if field.as_ref().is_none_or(is_empty) {
            *field = Some(default.unwrap_or_default());
        }
    }
    // An entry point of the client's own takes the image's command out of play.
    if config.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        let keeps_image_entry = config.entrypoint.is_none();
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            config.cmd = image.cmd;
        }
        if keeps_image_entry {
            config.entrypoint = image.entrypoint;
        }
    }
    unless_given(&mut config.user, image.user, String::is_empty);
    unless_given(&mut config.working_dir, image.working_dir, String::is_empty);
    if config.stop_signal.as_ref().is_none_or(String::is_empty) {
        config.stop_signal = image.stop_signal.filter(|signal| !signal.is_empty());
    }
    config.healthcheck = health::merge(config.healthcheck.take(), image.healthcheck);
    config.shell = config.shell.take().filter(|shell| !shell.is_empty()).or(image.shell);

    let name = |variable: &String| variable.split('=').next().unwrap_or_default().to_owned();
    let mut env = config.env.take().unwrap_or_default();
    let mut of_image = image.env.unwrap_or_default();
    of_image.retain(|variable| !env.iter().any(|own| name(own) == name(variable)));
    env.extend(of_image);
    config.env = Some(env);

    let mut labels = image.labels.unwrap_or_default();
    labels.extend(config.labels.take().unwrap_or_default());
    config.labels = Some(labels);

    for (own, of_image) in
        [(&mut config.exposed_ports, image.exposed_ports), (&mut config.volumes, image.volumes)]
    {
        let mut all = own.take().unwrap_or_default();
        all.extend(of_image.unwrap_or_default());
        all.sort();
        all.dedup();
        *own = (!all.is_empty()).then_some(all);
    }
    let own_uts = !has_host_uts(host_config);
    if config.hostname.as_ref().is_none_or(String::is_empty) {
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let of_host = host_config.network_mode.as_deref() == Some("host") || !own_uts;
        config.hostname =
            host.filter(|_| of_host).or_else(|| id.get(..SHORT_ID_LEN).map(str::to_owned));
    }
    for flag in [
        &mut config.tty,
        &mut config.open_stdin,
        &mut config.stdin_once,
        &mut config.attach_stdin,
        &mut config.attach_stdout,
        &mut config.attach_stderr,
    ] {
        flag.get_or_insert(false);
    }
    config.domainname.get_or_insert_default();
}

/// What Docker shows for what was not asked for.
fn fill_host_config(host_config: &mut HostConfig) {
    let network = host_config.network_mode.get_or_insert_default();
    if network.is_empty() || network == "default" {
        "bridge".clone_into(network);
    }
    let unset =
        |policy: &AskedPolicy| matches!(policy.name, None | Some(RestartPolicyNameEnum::EMPTY));
    if host_config.restart_policy.as_ref().is_none_or(unset) {
        host_config.restart_policy = Some(AskedPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: Some(0),
        });
    }
    if let Some(policy) = &mut host_config.restart_policy {
        policy.maximum_retry_count.get_or_insert(0);
    }
    host_config.log_config.get_or_insert_with(HostConfigLogConfig::default);
    if let Some(log_config) = &mut host_config.log_config {
        let driver = log_config.typ.get_or_insert_default();
        if driver.is_empty() {
            "json-file".clone_into(driver);
        }
        log_config.config.get_or_insert_default();
    }
    host_config.auto_remove.get_or_insert(false);
    host_config.privileged.get_or_insert(false);
    host_config.readonly_rootfs.get_or_insert(false);
    host_config.publish_all_ports.get_or_insert(false);
    // It may swap as much as it has memory.
    if let Some(memory) = host_config.memory.filter(|memory| *memory > 0)
        && host_config.memory_swap.unwrap_or_default() == 0
    {
        host_config.memory_swap = Some(memory.saturating_mul(2));
    }
    if host_config.shm_size.unwrap_or_default() == 0 {
        host_config.shm_size = Some(64 << 20);
    }
}

fn command_line(config: &ContainerConfig) -> Result<Vec<String>> {
    let entrypoint = config.entrypoint.iter().flatten();
    let command: Vec<_> = entrypoint.chain(config.cmd.iter().flatten()).cloned().collect();
    if command.first().is_none_or(String::is_empty) {
        return Err(EngineError::Invalid("no command specified".to_owned()));
    }
    Ok(command)
}

fn validate(config: &ContainerConfig, host_config: &HostConfig) -> Result<()> {
    let policy = RestartPolicy::parse(host_config)?;
    if host_config.auto_remove == Some(true) && policy != RestartPolicy::No {
        return Err(EngineError::Invalid(
            "can't create 'AutoRemove' container with restart policy".to_owned(),
        ));
    }
    for variable in config.env.iter().flatten() {
        if variable.is_empty() || variable.starts_with('=') {
            let message = format!("invalid environment variable: {variable}");
            return Err(EngineError::Invalid(message));
        }
    }
    HealthCheck::of(config)?;
    validate_numbers(host_config)?;
    for server in host_config.dns.iter().flatten() {
        // An address of the link's own has the link's name behind it.
        if server.split('%').next().is_none_or(|address| address.parse::<IpAddr>().is_err()) {
            return Err(EngineError::Invalid(format!("bad nameserver address {server}")));
        }
    }
    spec::validate(host_config)?;
    validate_log_config(host_config)?;
    let parent = host_config.cgroup_parent.as_deref().unwrap_or_default();
    if Path::new(parent).components().any(|part| part == Component::ParentDir) {
        return Err(EngineError::Invalid(format!("invalid cgroup-parent: {parent}")));
    }
    published_ports(config, host_config)?;
    for extra in host_config.extra_hosts.iter().flatten() {
        split_extra_host(extra)?;
    }
    let directory = config.working_dir.as_deref().unwrap_or_default();
    if !directory.is_empty() && !directory.starts_with('/') {
        return Err(EngineError::Invalid(format!(
            "the working directory '{directory}' is invalid, it needs to be an absolute path"
        )));
    }
    if let Some(signal) = &config.stop_signal {
        super::signal::signal_number(signal)?;
    }
    Ok(())
}

fn validate_numbers(host_config: &HostConfig) -> Result<()> {
    let score = host_config.oom_score_adj.unwrap_or_default();
    if !(-1000..=1000).contains(&score) {
        return Err(EngineError::Invalid(format!(
            "Invalid value {score}, range for oom score adj is [-1000, 1000]"
        )));
    }
    if host_config.shm_size.is_some_and(|size| size < 0) {
        return Err(EngineError::Invalid("SHM size can not be less than 0".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(config: ContainerConfig, image: ImageConfig) -> ContainerConfig {
        let mut config = config;
        fill_config(&mut config, image, &"a1".repeat(32), &HostConfig::default());
        config
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn an_own_entrypoint_drops_the_images_command() {
        let image = || ImageConfig {
            entrypoint: Some(words("/entry")),
            cmd: Some(words("serve")),
            ..ImageConfig::default()
        };
        let plain = filled(ContainerConfig::default(), image());
        assert_eq!(command_line(&plain).unwrap(), ["/entry", "serve"]);
        let command = ContainerConfig { cmd: Some(words("debug")), ..ContainerConfig::default() };
        assert_eq!(command_line(&filled(command, image())).unwrap(), ["/entry", "debug"]);
        let entry = ContainerConfig { entrypoint: Some(words("sh")), ..ContainerConfig::default() };
        assert_eq!(command_line(&filled(entry, image())).unwrap(), ["sh"]);
    }

    #[test]
    fn the_clients_environment_wins_over_the_images() {
        let image = ImageConfig { env: Some(words("A=1 B=2")), ..ImageConfig::default() };
        let config = ContainerConfig { env: Some(words("B=3")), ..ContainerConfig::default() };
        assert_eq!(filled(config, image).env, Some(words("B=3 A=1")));
    }

    #[test]
    fn ids_are_64_hex_digits() {
        let id = random_id();
        assert_eq!(id.len(), 64);
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
