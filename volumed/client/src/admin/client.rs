use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::api_error::ApiError;
use super::attach::{AttachRequest, Attached, DetachRequest, LeaseInfo};
use super::damage::VolumeDamage;
use super::disk::{AddDisk, DiskInfo, PoolInfo};
use super::error_code::ErrorCode;
use super::finding::Finding;
use super::scrub::ScrubInfo;
use super::volume::{CreateVolume, GrowVolume, LimitVolume, SetReplicas, VolumeInfo, VolumePage};

/// The longest answer that is read, in bytes: some 100,000 volumes.
const MAX_ANSWER: usize = 32 << 20;

/// Calls the admin API. One connection per call, so a restart of the daemon needs no care.
#[derive(Debug, Clone)]
pub struct AdminClient {
    socket: PathBuf,
}

/// Why a call of the admin API failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody listens on the socket, or it may not be opened.
    #[error("cannot reach the volume daemon at {}: {source}; is `volumed serve` running?", .socket.display())]
    Unreachable {
        /// The admin socket.
        socket: PathBuf,
        /// What connecting answered.
        source: io::Error,
    },
    /// The connection broke; whether the call took effect is unknown.
    #[error("the connection to the volume daemon broke: {0}")]
    Broken(#[from] hyper::Error),
    /// The daemon refused; nothing changed.
    #[error("{message}")]
    Refused {
        /// For programs.
        code: ErrorCode,
        /// For people.
        message: String,
    },
    /// The daemon does not speak this version of the API.
    #[error("the volume daemon gave an answer that is not understood (HTTP status {0})")]
    NotUnderstood(StatusCode),
}

impl AdminError {
    /// The daemon's code, if it was the daemon that refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

impl AdminClient {
    /// A client of the daemon whose admin socket is at `socket`; does not connect yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// The admin socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Creates a volume. Once answered, it survives a power cut.
    pub async fn create_volume(&self, volume: &CreateVolume) -> Result<VolumeInfo, AdminError> {
        self.call(Method::POST, "/v1/volumes", Some(volume)).await
    }

    /// Every volume, by name.
    pub async fn list_volumes(&self) -> Result<Vec<VolumeInfo>, AdminError> {
        self.get("/v1/volumes").await
    }

    /// At most `limit` volumes by name, those behind `after`; with `degraded` only those of which something is
    /// missing somewhere.
    pub async fn page_volumes(
        &self,
        after: &str,
        limit: u16,
        degraded: bool,
    ) -> Result<VolumePage, AdminError> {
        let after = segment(after);
        let query = format!("after={after}&limit={limit}&degraded={degraded}");
        self.get(&format!("/v1/volume-pages?{query}")).await
    }

    /// One volume.
    pub async fn show_volume(&self, name: &str) -> Result<VolumeInfo, AdminError> {
        self.get(&volume_path(name, "")).await
    }

    /// What is known to be damaged of a volume.
    pub async fn volume_damage(&self, name: &str) -> Result<VolumeDamage, AdminError> {
        self.get(&volume_path(name, "/damage")).await
    }

    /// Makes a volume larger, or changes how it grows by itself; who has it attached sees the new size
    /// when it connects next, and may write beyond the old one at once.
    pub async fn grow_volume(
        &self,
        name: &str,
        growth: &GrowVolume,
    ) -> Result<VolumeInfo, AdminError> {
        self.call(Method::POST, &volume_path(name, "/grow"), Some(growth))
            .await
    }

    /// Sets how many bytes a volume may hold, a multiple of 4 KiB; writes that need more are refused.
    pub async fn limit_volume(
        &self,
        name: &str,
        quota: Option<u64>,
    ) -> Result<VolumeInfo, AdminError> {
        let limit = LimitVolume { quota };
        self.call(Method::POST, &volume_path(name, "/quota"), Some(&limit))
            .await
    }

    /// Has a volume have so many copies of every extent, no fewer than now; 0 for as many as there are nodes.
    pub async fn set_replicas(&self, name: &str, replicas: u8) -> Result<VolumeInfo, AdminError> {
        let wanted = SetReplicas { replicas };
        self.call(Method::POST, &volume_path(name, "/replicas"), Some(&wanted))
            .await
    }

    /// How long the node may serve what nobody else does.
    pub async fn lease(&self) -> Result<LeaseInfo, AdminError> {
        self.get("/v1/lease").await
    }

    /// Deletes a volume that is not attached, and gives its space back.
    pub async fn delete_volume(&self, name: &str) -> Result<(), AdminError> {
        self.call::<(), Empty>(Method::DELETE, &volume_path(name, ""), None)
            .await?;
        Ok(())
    }

    /// Makes `owner` the volume's owner. Once answered, nothing that an earlier owner sent will
    /// land any more (V2).
    pub async fn attach(&self, name: &str, owner: &str) -> Result<Attached, AdminError> {
        let owner = owner.to_owned();
        self.request_attach(
            name,
            AttachRequest {
                owner,
                again: false,
                unless_served: false,
            },
        )
        .await
    }

    /// The same, unless another node serves the volume: then it is refused with
    /// [`ErrorCode::ServedElsewhere`], and [`VolumeInfo::node`] says which.
    pub async fn attach_unless_served(
        &self,
        name: &str,
        owner: &str,
    ) -> Result<Attached, AdminError> {
        let owner = owner.to_owned();
        self.request_attach(
            name,
            AttachRequest {
                owner,
                again: false,
                unless_served: true,
            },
        )
        .await
    }

    /// Attaches anew for `owner`, who has the volume and lost its connections; refused with
    /// [`ErrorCode::NotOwner`] when somebody else attached it meanwhile.
    pub async fn attach_again(&self, name: &str, owner: &str) -> Result<Attached, AdminError> {
        let owner = owner.to_owned();
        self.request_attach(
            name,
            AttachRequest {
                owner,
                again: true,
                unless_served: false,
            },
        )
        .await
    }

    async fn request_attach(
        &self,
        name: &str,
        request: AttachRequest,
    ) -> Result<Attached, AdminError> {
        self.call(Method::POST, &volume_path(name, "/attach"), Some(&request))
            .await
    }

    /// Gives the volume up.
    pub async fn detach(&self, name: &str, owner: &str) -> Result<(), AdminError> {
        let request = DetachRequest {
            owner: owner.to_owned(),
        };
        self.call::<_, Empty>(Method::POST, &volume_path(name, "/detach"), Some(&request))
            .await?;
        Ok(())
    }

    /// What the daemon finds wrong with itself.
    pub async fn findings(&self) -> Result<Vec<Finding>, AdminError> {
        self.get("/v1/findings").await
    }

    /// All disks together.
    pub async fn pool(&self) -> Result<PoolInfo, AdminError> {
        self.get("/v1/pool").await
    }

    /// Every disk.
    pub async fn disks(&self) -> Result<Vec<DiskInfo>, AdminError> {
        self.get("/v1/disks").await
    }

    /// One disk.
    pub async fn show_disk(&self, id: &str) -> Result<DiskInfo, AdminError> {
        self.get(&format!("/v1/disks/{}", segment(id))).await
    }

    /// Takes one more directory into the pool; later starts of the daemon find it by themselves.
    pub async fn add_disk(&self, disk: &AddDisk) -> Result<DiskInfo, AdminError> {
        self.call(Method::POST, "/v1/disks", Some(disk)).await
    }

    /// Takes a disk back that failed or was missing. Connections to volumes that have something on it
    /// are closed first.
    pub async fn retry_disk(&self, id: &str) -> Result<DiskInfo, AdminError> {
        let path = format!("/v1/disks/{}/retry", segment(id));
        self.call::<(), _>(Method::POST, &path, None).await
    }

    /// Places nothing more on a disk and moves what it holds to the others; `show_disk` tells how far it is.
    pub async fn drain_disk(&self, id: &str) -> Result<DiskInfo, AdminError> {
        let path = format!("/v1/disks/{}/drain", segment(id));
        self.call::<(), _>(Method::POST, &path, None).await
    }

    /// Lets extents be placed on a disk again; what was moved stays where it is.
    pub async fn cancel_drain(&self, id: &str) -> Result<DiskInfo, AdminError> {
        let path = format!("/v1/disks/{}/drain", segment(id));
        self.call::<(), _>(Method::DELETE, &path, None).await
    }

    /// Has a disk leave the pool that holds nothing; with `accept_loss` also one that failed or is missing,
    /// with what only it holds.
    pub async fn remove_disk(&self, id: &str, accept_loss: bool) -> Result<(), AdminError> {
        let path = format!("/v1/disks/{}?accept_loss={accept_loss}", segment(id));
        self.call::<(), Empty>(Method::DELETE, &path, None).await?;
        Ok(())
    }

    /// How far the scrub of each disk is.
    pub async fn scrubs(&self) -> Result<Vec<ScrubInfo>, AdminError> {
        self.get("/v1/scrub").await
    }

    /// Begins to scrub every disk, or goes on where it was paused.
    pub async fn start_scrub(&self) -> Result<Vec<ScrubInfo>, AdminError> {
        self.call::<(), _>(Method::POST, "/v1/scrub/start", None)
            .await
    }

    /// Pauses every scrub, those too that would begin by themselves, until it is started again.
    pub async fn pause_scrub(&self) -> Result<Vec<ScrubInfo>, AdminError> {
        self.call::<(), _>(Method::POST, "/v1/scrub/pause", None)
            .await
    }

    pub(super) async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, AdminError> {
        self.call::<(), A>(Method::GET, path, None).await
    }

    pub(super) async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Q>,
    ) -> Result<A, AdminError> {
        let answer = self.send(method, path, body).await?;
        let status = answer.status();
        let answer = read_whole(answer).await?;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|_| AdminError::NotUnderstood(status));
        }
        Err(refusal(status, &answer))
    }

    /// The answer's head; its body comes as it is read.
    pub(super) async fn send<Q: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Q>,
    ) -> Result<Response<Incoming>, AdminError> {
        let stream =
            UnixStream::connect(&self.socket)
                .await
                .map_err(|source| AdminError::Unreachable {
                    socket: self.socket.clone(),
                    source,
                })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Ends when the answer was read or dropped.
        tokio::spawn(connection);
        let bytes = body.map(|body| serde_json::to_vec(body).expect("plain structs become JSON"));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(bytes.unwrap_or_default())))
            .expect("an escaped path makes a request");
        Ok(sender.send_request(request).await?)
    }
}

/// The body, if it is not too long.
pub(super) async fn read_whole(answer: Response<Incoming>) -> Result<Bytes, AdminError> {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    match body {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(match error.downcast::<hyper::Error>() {
            Ok(broken) => AdminError::Broken(*broken),
            Err(_) => AdminError::NotUnderstood(status),
        }),
    }
}

/// What the daemon says when it does not do what it was asked.
pub(super) fn refusal(status: StatusCode, answer: &[u8]) -> AdminError {
    match serde_json::from_slice::<ApiError>(answer) {
        Ok(ApiError { code, message }) => AdminError::Refused { code, message },
        Err(_) => AdminError::NotUnderstood(status),
    }
}

#[derive(serde::Deserialize)]
pub(super) struct Empty {}

pub(super) fn volume_path(name: &str, action: &str) -> String {
    format!("/v1/volumes/{}{action}", segment(name))
}

/// Escapes what cannot stand in a segment of a path. A segment of dots alone would change the
/// path's meaning, so dots are escaped too.
pub(super) fn segment(name: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("a String takes everything");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_segment() {
        assert_eq!(
            volume_path("a/../b c", "/attach"),
            "/v1/volumes/a%2F%2E%2E%2Fb%20c/attach"
        );
        assert_eq!(segment("plain-1_x"), "plain-1_x");
    }

    #[tokio::test]
    async fn a_daemon_that_is_not_there_is_named() {
        let client = AdminClient::new("/nonexistent/admin.sock");
        let error = client.pool().await.unwrap_err();
        assert!(matches!(error, AdminError::Unreachable { .. }));
        assert!(error.to_string().contains("/nonexistent/admin.sock"));
    }

    #[test]
    fn a_newer_daemons_code_is_read() {
        let error: ApiError = serde_json::from_str(r#"{"code":"tomorrow","message":"m"}"#).unwrap();
        assert_eq!(error.code, ErrorCode::Unknown);
    }
}
