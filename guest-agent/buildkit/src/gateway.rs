//! The gateway: how buildx steers a build whose `Solve` names no frontend.
//!
//! buildx always does so. It learns what the builder can do (`Ping`), asks for the frontend's
//! result (`Solve`), and says which result is the build's (`Return`). Each call names its build
//! in its metadata. What else a gateway can do (graphs of steps, files of results, containers)
//! is for frontends and debuggers, and is neither advertised nor served.

use std::sync::Arc;

use prost::Message as _;
use tonic::{Code, Status};

use crate::builder::Builder;
use crate::control::unknown;
use crate::door::Inner;
use crate::request::Frontend;
use crate::solution;
use crate::wire::gateway::{
    ApiCap, EvaluateRequest, EvaluateResponse, PingRequest, PongResponse, Ref, Result as Solved,
    ReturnRequest, ReturnResponse, SolveRequest, SolveResponse,
};

/// The metadata that names a call's build.
pub(crate) const BUILD_ID: &str = "buildkit-controlapi-buildid";

/// What of the gateway is served.
const CAPABILITIES: [&str; 10] = [
    "solve.base",
    "return",
    "returnmap",
    "importcaches",
    "proto.refarray",
    "reference.output",
    "frontend.inputs",
    "frontend.caps",
    "gateway.solve.metadata",
    "gateway.evaluate",
];

/// Evaluates at once what it solves.
const EVALUATES: &str = "gateway.solve.evaluate";

impl<B: Builder> Inner<B> {
    pub(crate) async fn ping(&self, build: &str, _: PingRequest) -> Result<PongResponse, Status> {
        self.jobs.find(build).await?;
        let capability = |id: &str| ApiCap { id: id.to_owned(), enabled: true };
        let own = CAPABILITIES.into_iter().chain([EVALUATES]);
        Ok(PongResponse {
            frontend_api_caps: own.map(capability).collect(),
            llb_caps: self.builder.capabilities().into_iter().map(capability).collect(),
            workers: self.builder.workers().await?,
        })
    }

    pub(crate) async fn gateway_solve(
        self: &Arc<Self>,
        build: &str,
        request: SolveRequest,
    ) -> Result<SolveResponse, Status> {
        let must_evaluate = request.evaluate;
        let frontend = Frontend::try_from(request)?;
        let job = self.jobs.find(build).await?;
        let target = self.target(frontend)?;
        let context = job.context.part();
        let builder = Arc::clone(&self.builder);
        self.attend(context.cancelled.clone(), async move {
            let solved = builder.solve(&context, target).await?;
            let mut result = Solved { metadata: solved.metadata, ..Solved::default() };
            if let Some(solution) = solved.solution {
                let id = job.keep(solution);
                if must_evaluate && let Some(solution) = job.own_solution(&id) {
                    builder.evaluate(&context, solution).await?;
                }
                result.r#ref = Some(Ref { def: Some(solution::definition(&id)), id });
            }
            Ok(SolveResponse { result: Some(result) })
        })
        .await
    }

    pub(crate) async fn evaluate(
        self: &Arc<Self>,
        build: &str,
        request: EvaluateRequest,
    ) -> Result<EvaluateResponse, Status> {
        let job = self.jobs.find(build).await?;
        let id = request.r#ref;
        let solution = job.own_solution(&id).ok_or_else(|| unknown(&id))?;
        let context = job.context.part();
        let builder = Arc::clone(&self.builder);
        self.attend(context.cancelled.clone(), async move {
            builder.evaluate(&context, solution).await?;
            Ok(EvaluateResponse {})
        })
        .await
    }

    /// The client says what the build came to; its `Solve` goes on with that.
    pub(crate) async fn gateway_return(
        &self,
        build: &str,
        request: ReturnRequest,
    ) -> Result<ReturnResponse, Status> {
        let job = self.jobs.find(build).await?;
        let returned = match request.error {
            Some(error) => {
                let code = match Code::from(error.code) {
                    Code::Ok => Code::Unknown,
                    code => code,
                };
                // As a whole, with the places in files that it names.
                let details = error.encode_to_vec().into();
                Err(Status::with_details(code, error.message, details))
            }
            None => returned(request.result.unwrap_or_default()),
        };
        if let Ok(Some(id)) = &returned {
            // An unknown one is this call's failure, and the build goes on waiting.
            job.own_solution(id).ok_or_else(|| unknown(id))?;
        }
        if !job.set_returned(returned) {
            return Err(Status::already_exists("the build has a result already"));
        }
        Ok(ReturnResponse {})
    }
}

/// Our solutions are of all platforms at once, so that a result can name only one.
fn returned(result: Solved) -> Result<Option<String>, Status> {
    let refs = result.refs.map(|map| map.refs.into_values()).into_iter().flatten();
    let mut ids = result.r#ref.into_iter().chain(refs).map(|reference| reference.id);
    let first = ids.find(|id| !id.is_empty());
    match (first, ids.next()) {
        (Some(first), Some(other)) if other != first => Err(Status::unimplemented(
            "a result of several solutions is not supported by this builder",
        )),
        (first, _) => Ok(first),
    }
}
