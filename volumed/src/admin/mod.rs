//! The admin API: HTTP and JSON on an owner-only unix socket. Each noun has a file with its calls and
//! their `routes`; the document that describes them is made of the same routes.

mod api;
mod call;
mod disk;
mod finding;
mod health;
mod metrics;
mod node;
mod pool;
mod refused;
mod scrub;
mod store;
mod verification;
mod volume;

use std::future::Future;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use tokio::net::TcpListener;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volumed_client::admin::ApiError;

pub use api::Api;

/// What the calls do not say of themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "volumed admin API",
        version = "1",
        description = "HTTP/1.1 on the daemon's admin socket, which is its owner's only. Sizes are in bytes.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(ApiError))
)]
struct Document;

/// Serves the API on `socket` until `stopped`, and then until what is under way is answered.
pub async fn serve(
    socket: UnixListener,
    api: Api,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let socket = tokio::net::UnixListener::from_std(socket)?;
    axum::serve(socket, router(api))
        .with_graceful_shutdown(stopped)
        .await
}

/// Serves only what says how the daemon is, to whoever can connect, until `stopped`.
pub async fn serve_health(
    socket: TcpListener,
    api: Api,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::from(health_routes()).with_state(api);
    axum::serve(socket, router)
        .with_graceful_shutdown(stopped)
        .await
}

fn router(api: Api) -> Router {
    Router::from(routes())
        .fallback(refused::no_such_call)
        .method_not_allowed_fallback(refused::no_such_call)
        .layer(axum::middleware::map_response(refused::with_code))
        .with_state(api)
}

/// Every call.
fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(document))
        .merge(volume::routes())
        .merge(verification::routes())
        .merge(pool::routes())
        .merge(disk::routes())
        .merge(scrub::routes())
        .merge(store::routes())
        .merge(node::routes())
        .merge(finding::routes())
        .merge(health_routes())
}

fn health_routes() -> OpenApiRouter<Api> {
    health::routes().merge(metrics::routes())
}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "showDocument", tag = "health",
    responses((status = 200, description = "Done", body = serde_json::Value))
)]
async fn document() -> impl IntoResponse {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        let document = routes().into_openapi();
        document.to_json().expect("the document is plain data")
    });
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, DOCUMENT.as_str())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Whatever is routed in another way is not in the document.
    #[test]
    fn every_route_is_described() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin");
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            for bare in [concat!(".route", "("), concat!(".nest_service", "(")] {
                assert!(!text.contains(bare), "{}: {bare}", path.display());
            }
        }
    }
}
