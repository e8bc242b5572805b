//! Verifying volumes.

use axum::Json;
use axum::extract::{Path, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volumed_client::admin::{DifferingRange, StartVerification, VerificationInfo};
use volumed_node::{Scope, Verification, VerifiedDifference, VolumeName};

use super::api::Api;
use super::call::{Body, Nothing, run_to_completion};
use super::refused::Refused;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, start, cancel))
}

/// Compare what a volume's replicas hold
///
/// The node that serves the volume does it, beside whatever clients do. One that is under way goes on, or begins anew
/// if something else is asked for.
#[utoipa::path(
    post, path = "/v1/volumes/{name}/verification", operation_id = "verifyVolume", tag = "volumes",
    params(("name" = String, Path, description = "The volume's name")),
    request_body = StartVerification,
    responses((status = 200, description = "It is under way", body = VerificationInfo), Refused)
)]
async fn start(
    State(api): State<Api>,
    Path(name): Path<String>,
    Body(StartVerification { deep, repair }): Body<StartVerification>,
) -> Result<Json<VerificationInfo>, Refused> {
    let name: VolumeName = name.parse()?;
    let scope = Scope { deep, repair };
    let starting = async move { api.volumes.verify(&name, scope).await };
    Ok(Json(info(&run_to_completion(starting).await?)))
}

/// How far the verification of a volume is, or what the last one found
#[utoipa::path(
    get, path = "/v1/volumes/{name}/verification", operation_id = "showVerification", tag = "volumes",
    params(("name" = String, Path, description = "The volume's name")),
    responses((status = 200, description = "Done", body = VerificationInfo), Refused)
)]
async fn show(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<VerificationInfo>, Refused> {
    Ok(Json(info(&api.volumes.verification(&name.parse()?).await?)))
}

/// End the verification that is under way; what it found is forgotten
#[utoipa::path(
    delete, path = "/v1/volumes/{name}/verification", operation_id = "cancelVerification", tag = "volumes",
    params(("name" = String, Path, description = "The volume's name")),
    responses((status = 200, description = "None is under way", body = Nothing), Refused)
)]
async fn cancel(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<Nothing>, Refused> {
    let name: VolumeName = name.parse()?;
    run_to_completion(async move { api.volumes.cancel_verification(&name).await }).await?;
    Ok(Json(Nothing {}))
}

fn info(view: &Verification) -> VerificationInfo {
    VerificationInfo {
        deep: view.scope.deep,
        repair: view.scope.repair,
        begun: view.begun,
        ended: view.ended,
        extents: view.total,
        compared: view.compared,
        alone: view.alone,
        unknown: view.unknown,
        differing: view.differing,
        repaired: view.repaired,
        differences: view.differences.iter().map(range).collect(),
    }
}

fn range(difference: &VerifiedDifference) -> DifferingRange {
    DifferingRange {
        extent: difference.extent.0,
        offset: difference.offset,
        length: difference.length,
        disks: difference.disks.iter().map(ToString::to_string).collect(),
        damaged: difference.damaged,
    }
}
