//! The REST API: users, namespaces, buckets and keys, JSON over HTTP.

mod archive;
mod audit;
mod bucket_events;
mod buckets;
mod caller;
mod certificate_names;
mod changes;
mod cookie;
mod error;
mod fields;
mod health;
mod invitations;
mod keys;
mod mail_links;
mod members;
mod namespaces;
mod path;
mod prefixes;
mod presigned;
mod rack;
mod session;
mod sessions;
mod tenants;
mod trail;
mod usage;
mod user;
mod users;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::middleware;
use axum::routing::get;
use ipnet::IpNet;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use audit::Recorder;
use error::{ApiError, Refusal};
use s3d_accounts::Accounts;
use s3d_audit::AuditLog;
use s3d_buckets::Buckets;
use volumed_client::admin::AdminClient;

pub use archive::Archives;
pub use mail_links::MailLinks;
pub use presigned::SigningKeys;
pub use rack::Slots;

/// What the API serves.
#[derive(Debug, Clone)]
pub struct ApiState {
    /// Users, namespaces and keys.
    pub accounts: Arc<Accounts>,
    /// The buckets.
    pub buckets: Arc<Buckets>,
    /// Where buckets are reached.
    pub endpoint: Endpoint,
    /// Who did what.
    pub audit: AuditLog,
    /// The routers in front of the nodes, which have certificates made.
    pub routers: Vec<IpNet>,
    /// The volume daemon of this node.
    pub volumed: AdminClient,
    /// Which node is where in the mount.
    pub slots: Slots,
    /// What signs S3 requests for those who are signed in.
    pub signing_keys: SigningKeys,
    /// What sends links by mail.
    pub links: MailLinks,
    /// Who has archives sent.
    pub archives: Archives,
}

/// Where buckets are reached.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The rack's domain; buckets are under `s3.<domain>`.
    pub domain: String,
    /// The port of the S3 front.
    pub port: u16,
}

impl Endpoint {
    /// The one URL under which every bucket is reached, in path style: `http://s3.example.org:9000`.
    pub fn origin(&self) -> String {
        self.under("s3")
    }

    /// The URL under which the REST API and the console are reached where S3 is.
    pub fn api(&self) -> String {
        self.under("s3-api")
    }

    /// The URL to give to an S3 client, to be used with path-style requests.
    fn of(&self, bucket: &str, namespace: &str) -> String {
        if bucket.contains('.') {
            // Dots would be more labels of the host name: such a bucket is a path only.
            return self.origin();
        }
        self.under(&format!("{bucket}.{namespace}.s3"))
    }

    fn under(&self, labels: &str) -> String {
        let port = match (self.scheme, self.port) {
            ("http", 80) | ("https", 443) => String::new(),
            (_, port) => format!(":{port}"),
        };
        format!("{}://{labels}.{}{port}", self.scheme, self.domain)
    }
}

/// What the routes do not say of themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hayrack",
        version = "1",
        description = "Sign up, create buckets, manage keys and members. \
                       /buckets is the same as /api/v1/buckets."
    ),
    components(schemas(Refusal)),
    security(("bearer" = []), ("session" = [])),
)]
struct Document;

/// Every documented call, and the document.
fn documented() -> OpenApiRouter<ApiState> {
    let mut document = Document::openapi();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", bearer);
    let session = ApiKey::Cookie(ApiKeyValue::new(cookie::COOKIE));
    components.add_security_scheme("session", SecurityScheme::ApiKey(session));
    OpenApiRouter::with_openapi(document)
        .routes(routes!(user::sign_up))
        .routes(routes!(user::login))
        .routes(routes!(mail_links::forgot))
        .routes(routes!(mail_links::reset))
        .routes(routes!(mail_links::verify))
        .routes(routes!(session::open, session::close))
        .routes(routes!(session::open_by_code))
        .routes(routes!(session::change_password))
        .routes(routes!(user::show))
        .routes(routes!(user::change_password))
        .routes(routes!(mail_links::ask_to_verify))
        .routes(routes!(sessions::list, sessions::end_others))
        .routes(routes!(sessions::end))
        .routes(routes!(users::list, users::add))
        .routes(routes!(sessions::list_of_user, sessions::end_of_user))
        .routes(routes!(invitations::accept))
        .routes(routes!(invitations::list, invitations::invite))
        .routes(routes!(invitations::withdraw))
        .routes(routes!(namespaces::list, namespaces::create))
        .routes(routes!(namespaces::limits, namespaces::set_limits))
        .routes(routes!(certificate_names::list))
        .routes(routes!(members::list))
        .routes(routes!(members::change, members::remove))
        .routes(routes!(
            invitations::list_of_namespace,
            invitations::invite_member
        ))
        .routes(routes!(invitations::withdraw_of_namespace))
        .routes(routes!(buckets::list, buckets::create))
        .routes(routes!(buckets::show, buckets::change, buckets::delete))
        .routes(routes!(buckets::availability))
        .routes(routes!(bucket_events::follow))
        .routes(routes!(presigned::presign))
        .routes(routes!(archive::download))
        .routes(routes!(changes::follow))
        .routes(routes!(prefixes::rename))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::delete))
        .routes(routes!(keys::rotate))
        .routes(routes!(audit::list))
        .routes(routes!(rack::show))
        .routes(routes!(usage::of_pool))
        .routes(routes!(usage::of_namespace))
        .routes(routes!(usage::of_bucket))
        .routes(routes!(tenants::list))
        .routes(routes!(rack::nodes::remove))
        .routes(routes!(rack::nodes::drain, rack::nodes::cancel_drain))
        .routes(routes!(rack::nodes::create_join_token))
        .routes(routes!(rack::disks::list))
        .routes(routes!(rack::disks::remove))
        .routes(routes!(rack::disks::drain, rack::disks::cancel_drain))
        .routes(routes!(rack::disks::retry))
        .routes(routes!(rack::volumes::list))
        .routes(routes!(health::healthz))
}

/// The API's routes. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, else
/// attempts to sign in are not limited by address.
pub fn router(state: ApiState) -> Router {
    let (router, document) = documented().split_for_parts();
    let recorder = Recorder::new(state.audit.clone(), &document);
    let document = document.to_json().expect("the document is plain data");
    let document = move || async move { ([(header::CONTENT_TYPE, "application/json")], document) };
    let buckets = get(buckets::list).post(buckets::create);
    let bucket = get(buckets::show)
        .patch(buckets::change)
        .delete(buckets::delete);
    router
        .route("/buckets", buckets)
        .route("/buckets/{name}", bucket)
        .route_layer(middleware::from_fn_with_state(recorder, audit::record))
        .route("/openapi.json", get(document))
        .fallback(|| async { ApiError::no_such_call() })
        .method_not_allowed_fallback(|| async { ApiError::wrong_method() })
        .with_state(state)
}
