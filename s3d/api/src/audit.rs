//! The audit log: every call that changes something is recorded, and `/api/v1/audit` reads it.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use s3d_accounts::{Accounts, Role, UserId, clock};
use s3d_audit::{AuditLog, Cursor, Event, Filter, Who};
use s3d_bucket::Timestamp;
use s3d_names::{Email, NamespaceName};
use s3d_records::RecordError;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{HttpMethod, OpenApi};

use super::ApiState;
use super::caller::{Caller, From};
use super::error::ApiError;
use super::fields::{Fields, Input, Query};
use super::trail::Trail;

/// Events of one page, unless fewer are asked for.
const PAGE: u64 = 100;

/// Calls that change nothing, unless they turn out to be about something.
const USUALLY_CHANGE_NOTHING: [&str; 2] = ["presign", "downloadArchive"];

/// Records calls.
#[derive(Debug, Clone)]
pub struct Recorder {
    log: AuditLog,
    /// The names of the operations that change something, by method and path.
    operations: Arc<HashMap<(Method, String), String>>,
}

impl Recorder {
    /// A recorder of the operations of a document.
    pub fn new(log: AuditLog, document: &OpenApi) -> Self {
        let changes = [
            (HttpMethod::Post, Method::POST),
            (HttpMethod::Put, Method::PUT),
            (HttpMethod::Patch, Method::PATCH),
            (HttpMethod::Delete, Method::DELETE),
        ];
        let mut operations = HashMap::new();
        for path in document.paths.paths.keys() {
            for (documented, method) in &changes {
                let operation = document.paths.get_path_operation(path, documented.clone());
                let id = operation.and_then(|operation| operation.operation_id.clone());
                operations.extend(id.map(|id| ((method.clone(), path.clone()), id)));
            }
        }
        Self {
            log,
            operations: Arc::new(operations),
        }
    }

    fn action(&self, request: &Request) -> Option<String> {
        let path = request.extensions().get::<MatchedPath>()?.as_str();
        let path = if path.starts_with("/buckets") {
            format!("/api/v1{path}")
        } else {
            path.to_owned()
        };
        let operation = self.operations.get(&(request.method().clone(), path));
        operation.cloned()
    }
}

/// Records a call that changes something. Its answer is sent when the record is durable.
pub async fn record(
    State(recorder): State<Recorder>,
    From(client): From,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(action) = recorder.action(&request) else {
        return next.run(request).await;
    };
    let trail = Trail::default();
    request.extensions_mut().insert(trail.clone());
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let noted = trail.noted();
    let changes_nothing = USUALLY_CHANGE_NOTHING.contains(&action.as_str());
    if changes_nothing && noted.resource.is_none() && response.status().is_success() {
        return response;
    }
    let address = client.address;
    let event = Event {
        time: clock::now().0,
        request: request_id(&response),
        who: Who {
            user: noted.user,
            key: None,
        },
        address,
        action,
        namespace: noted.namespace,
        resource: noted.resource.unwrap_or(path),
        status: response.status().as_u16(),
    };
    if response.status().is_success() {
        recorder.log.record(event).await;
    } else {
        recorder.log.record_failure(address, event);
    }
    response
}

fn request_id(response: &Response) -> String {
    let id = response.headers().get("x-request-id");
    let id = id.and_then(|id| id.to_str().ok());
    id.unwrap_or_default().to_owned()
}

/// Which events to read.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// About this namespace; only operators may leave it out.
    #[param(value_type = Option<String>)]
    namespace: Option<NamespaceName>,
    /// By the user of this id.
    user: Option<String>,
    /// By the user of this e-mail address.
    #[param(value_type = Option<String>)]
    email: Option<Email>,
    /// By the key of this id.
    key: Option<String>,
    /// About what begins so: the name of a bucket, a path.
    about: Option<String>,
    /// Not before this time, like `2026-01-31T12:00:00Z`.
    #[param(value_type = Option<String>)]
    since: Option<Timestamp>,
    /// Before this time.
    #[param(value_type = Option<String>)]
    until: Option<Timestamp>,
    /// Of this action, such as `createBucket`, or `s3:CreateBucket` over S3.
    action: Option<String>,
    /// What an earlier answer said as `next`.
    #[param(value_type = Option<String>)]
    before: Option<Cursor>,
    /// At most so many; 100 if left out, at most 1,000.
    limit: Option<u64>,
}

impl Input for EventQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let text = Ok::<String, Infallible>;
        let time = |text: String| {
            clock::parse(&text).ok_or("Write a time like 2026-01-31T12:00:00Z, from 1970 on.")
        };
        Some(Self {
            namespace: fields.optional("namespace", NamespaceName::new),
            user: fields.optional("user", text),
            email: fields.optional("email", |text| Email::new(&text)),
            about: fields.optional("about", text),
            since: fields.optional("since", time),
            until: fields.optional("until", time),
            key: fields.optional("key", text),
            action: fields.optional("action", text),
            before: fields.optional("before", |text| text.parse()),
            limit: fields.limit(1_000),
        })
    }
}

/// Something that was done, or tried.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    time: String,
    /// Names the request in its answer and in the server's log.
    request_id: String,
    /// The id of the user who did it.
    user: Option<String>,
    /// The address of that user; only operators are shown it.
    email: Option<String>,
    /// The key that signed it.
    key: Option<String>,
    address: String,
    action: String,
    namespace: Option<String>,
    resource: String,
    /// The HTTP status of the answer.
    status: u16,
}

impl EventView {
    fn new(event: Event, email: Option<&Email>) -> Self {
        Self {
            time: clock::text(Timestamp(event.time)),
            request_id: event.request,
            user: event.who.user,
            email: email.map(Email::to_string),
            key: event.who.key,
            address: event.address.to_string(),
            action: event.action,
            namespace: event.namespace,
            resource: event.resource,
            status: event.status,
        }
    }
}

/// Events, the newest first.
#[derive(Default, Serialize, ToSchema)]
pub struct EventsView {
    events: Vec<EventView>,
    /// What to send as `before` for the next page; null if there is none.
    next: Option<String>,
}

/// Who did what on this node, the newest first; for owners of a namespace, and operators
#[utoipa::path(
    get, path = "/api/v1/audit", operation_id = "listEvents",
    params(EventQuery),
    responses((status = 200, body = EventsView), ApiError)
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<EventQuery>,
) -> Result<Json<EventsView>, ApiError> {
    if !caller.user.operator {
        let namespace = query
            .namespace
            .as_ref()
            .ok_or_else(ApiError::not_an_operator)?;
        caller.require(&state, namespace, Role::Owner).await?;
    }
    let user = match &query.email {
        None => query.user,
        Some(email) => match state.accounts.user_id(email).await? {
            Some(id) => Some(id.to_string()),
            None => return Ok(Json(EventsView::default())),
        },
    };
    let filter = Filter {
        namespace: query.namespace.map(String::from),
        about: query.about,
        since: query.since.map(|time| time.0),
        until: query.until.map(|time| time.0),
        user,
        key: query.key,
        action: query.action,
        before: query.before,
        limit: query.limit.unwrap_or(PAGE) as usize,
    };
    let page = state.audit.query(filter).await?;
    let emails = if caller.user.operator {
        emails_of(&state.accounts, &page.events).await?
    } else {
        HashMap::new()
    };
    let events = page.events.into_iter().map(|event| {
        let email = event.who.user.as_ref().and_then(|user| emails.get(user));
        EventView::new(event, email)
    });
    Ok(Json(EventsView {
        events: events.collect(),
        next: page.next.map(|cursor| cursor.to_string()),
    }))
}

/// The addresses of those who did something, by id: each user is read once.
async fn emails_of(
    accounts: &Accounts,
    events: &[Event],
) -> Result<HashMap<String, Email>, RecordError> {
    let ids: HashSet<&String> = events
        .iter()
        .filter_map(|it| it.who.user.as_ref())
        .collect();
    let mut emails = HashMap::with_capacity(ids.len());
    for id in ids {
        let user = match UserId::parse(id) {
            Some(id) => accounts.user(&id).await?,
            None => None,
        };
        emails.extend(user.map(|user| (id.clone(), user.email)));
    }
    Ok(emails)
}
