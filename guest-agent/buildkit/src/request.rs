//! What a client may ask of this builder, and what it is refused by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::Status;

use crate::builder::ExportRequest;
use crate::wire::control::{CacheOptions, CacheOptionsEntry, Exporter, SolveRequest};
use crate::wire::gateway;
use crate::wire::history::BuildHistoryRecord;
use crate::wire::ops::Definition;

/// The frontend that is built in.
const FRONTEND: &str = "dockerfile.v0";

/// A `Solve` that is accepted.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) reference: String,
    pub(crate) session: String,
    pub(crate) is_internal: bool,
    /// What to build; without it the client's own calls to the gateway say.
    pub(crate) frontend: Option<Frontend>,
    pub(crate) export: ExportRequest,
    pub(crate) entitlements: Arc<[String]>,
}

/// What a frontend is asked for.
#[derive(Debug)]
pub(crate) struct Frontend {
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) inputs: BTreeMap<String, Definition>,
    pub(crate) cache_imports: Vec<CacheOptionsEntry>,
}

impl Plan {
    /// What is remembered of it.
    pub(crate) fn record(&self) -> BuildHistoryRecord {
        let frontend = self.frontend.as_ref().map_or("", |_| FRONTEND).to_owned();
        BuildHistoryRecord {
            frontend,
            frontend_attrs: self.export.attributes.clone(),
            exporters: self.export.exporters.clone(),
            ..BuildHistoryRecord::default()
        }
    }
}

impl TryFrom<SolveRequest> for Plan {
    type Error = Status;

    fn try_from(request: SolveRequest) -> Result<Self, Status> {
        refuse_graph(request.definition.as_ref())?;
        refuse(request.source_policy.is_some_and(|policy| !policy.is_empty()), "source policies")?;
        refuse(!request.source_policy_session.is_empty(), "source policies of a session")?;
        refuse(request.enable_session_exporter, "exporters of a session")?;
        refuse(request.compatibility_version != 0, "compatibility versions")?;
        refuse(request.proxy_network, "networks by proxy")?;
        if request.r#ref.is_empty() {
            return Err(Status::invalid_argument("the build has no name"));
        }
        let (cache_imports, cache_exports) = caches(request.cache.unwrap_or_default());
        let exporters = match request.exporters {
            exporters if exporters.is_empty() && !request.exporter_deprecated.is_empty() => {
                let attrs = request.exporter_attrs_deprecated;
                vec![Exporter { r#type: request.exporter_deprecated, attrs }]
            }
            exporters => exporters,
        };
        let frontend = if request.frontend.is_empty() {
            None
        } else {
            refuse_frontend(&request.frontend)?;
            let attributes = request.frontend_attrs.clone();
            Some(Frontend { attributes, inputs: request.frontend_inputs, cache_imports })
        };
        Ok(Self {
            reference: request.r#ref,
            session: request.session,
            is_internal: request.internal,
            frontend,
            export: ExportRequest { exporters, cache_exports, attributes: request.frontend_attrs },
            entitlements: request.entitlements.into(),
        })
    }
}

impl TryFrom<gateway::SolveRequest> for Frontend {
    type Error = Status;

    fn try_from(request: gateway::SolveRequest) -> Result<Self, Status> {
        refuse_graph(request.definition.as_ref())?;
        refuse_frontend(&request.frontend)?;
        let has_policy = request.source_policies.iter().any(|policy| !policy.is_empty());
        refuse(has_policy, "source policies")?;
        Ok(Self {
            attributes: request.frontend_opt,
            inputs: request.frontend_inputs,
            cache_imports: request.cache_imports,
        })
    }
}

/// Imports and exports, those of old clients among them.
fn caches(cache: CacheOptions) -> (Vec<CacheOptionsEntry>, Vec<CacheOptionsEntry>) {
    let registry = |reference: String, mut attrs: BTreeMap<String, String>| {
        attrs.insert("ref".to_owned(), reference);
        CacheOptionsEntry { r#type: "registry".to_owned(), attrs }
    };
    let (mut imports, mut exports) = (cache.imports, cache.exports);
    let old = cache.import_refs_deprecated.into_iter();
    imports.extend(old.map(|reference| registry(reference, BTreeMap::new())));
    if !cache.export_ref_deprecated.is_empty() {
        exports.push(registry(cache.export_ref_deprecated, cache.export_attrs_deprecated));
    }
    (imports, exports)
}

fn refuse(is_asked_for: bool, what: &str) -> Result<(), Status> {
    if is_asked_for {
        return Err(Status::unimplemented(format!("{what} are not supported by this builder")));
    }
    Ok(())
}

fn refuse_graph(definition: Option<&Definition>) -> Result<(), Status> {
    let has_steps = definition.is_some_and(|definition| !definition.def.is_empty());
    refuse(has_steps, "graphs of build steps (LLB)")
}

fn refuse_frontend(frontend: &str) -> Result<(), Status> {
    if frontend == FRONTEND {
        return Ok(());
    }
    Err(Status::unimplemented(format!(
        "frontend {frontend} is not supported by this builder, which has {FRONTEND} built in"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> SolveRequest {
        SolveRequest { r#ref: "a".to_owned(), ..SolveRequest::default() }
    }

    #[test]
    fn old_clients_ways_of_saying_it_are_understood() -> anyhow::Result<()> {
        let attrs = BTreeMap::from([("name".to_owned(), "x".to_owned())]);
        let plan = Plan::try_from(SolveRequest {
            frontend: FRONTEND.to_owned(),
            exporter_deprecated: "image".to_owned(),
            exporter_attrs_deprecated: attrs.clone(),
            cache: Some(CacheOptions {
                export_ref_deprecated: "host/cache".to_owned(),
                import_refs_deprecated: vec!["host/other".to_owned()],
                ..CacheOptions::default()
            }),
            ..request()
        })?;
        assert_eq!(plan.export.exporters, [Exporter { r#type: "image".to_owned(), attrs }]);
        assert_eq!(plan.export.cache_exports[0].attrs["ref"], "host/cache");
        let imports = plan.frontend.map(|frontend| frontend.cache_imports).unwrap_or_default();
        assert_eq!(imports[0].attrs["ref"], "host/other");
        Ok(())
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let graph = Definition { def: vec![vec![1]], ..Definition::default() };
        for (request, name) in [
            (SolveRequest { definition: Some(graph), ..request() }, "LLB"),
            (SolveRequest { frontend: "gateway.v0".to_owned(), ..request() }, "gateway.v0"),
            (SolveRequest { source_policy: Some(vec![1]), ..request() }, "source policies"),
            (SolveRequest { enable_session_exporter: true, ..request() }, "exporters of a session"),
            (SolveRequest { compatibility_version: 1, ..request() }, "compatibility versions"),
            (SolveRequest { proxy_network: true, ..request() }, "networks by proxy"),
        ] {
            let refused = Plan::try_from(request)
                .map(|_| ())
                .map_err(|status| (status.code(), status.message().contains(name)));
            assert_eq!(refused, Err((tonic::Code::Unimplemented, true)), "{name}");
        }
    }
}
