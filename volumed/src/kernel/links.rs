//! The connection between the kernel and the daemon.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use volumed_client::admin::{AdminClient, Attached};
use volumed_client::{ConnectError, open_export};

use super::device::Attachment;
use super::error::KernelError;
use super::name::KernelDevice;
use super::netlink::{Netlink, descriptor};

/// A connection on which the export is open, and nothing was sent yet.
pub struct Link {
    pub socket: UnixStream,
    /// The transmission flags of the server.
    pub flags: u16,
}

impl Link {
    pub async fn open(attached: &Attached) -> Result<Self, ConnectError> {
        let (stream, established) = open_export(&attached.nbd_socket, &attached.export).await?;
        let socket = stream.into_std()?;
        socket.set_nonblocking(false)?;
        Ok(Self {
            socket,
            flags: established.flags,
        })
    }
}

/// How often, and after which pause, a connection is offered that the kernel does not take: it tells
/// of a dead one just before it would take another in its place.
const OFFERS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// What a new connection is made with.
pub struct Links {
    pub device: KernelDevice,
    pub attachment: Attachment,
    pub client: AdminClient,
    pub netlink: Netlink,
    /// As it was attached last; none after a start, which does not know.
    pub attached: Option<Attached>,
}

impl Links {
    /// Puts a new connection in the place of one that died, unless it lives.
    pub async fn replace_dead(&mut self) -> Result<(), KernelError> {
        for _ in 0..OFFERS {
            let link = self.open().await?;
            if self.offer(link)? {
                tracing::info!(device = %self.device, "connected again");
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Connects as the attachment allows; makes a new one for the same owner when it has ended,
    /// which closes what connection there is (V2).
    async fn open(&mut self) -> Result<Link, KernelError> {
        if let Some(attached) = &self.attached
            && let Ok(link) = Link::open(attached).await
        {
            return Ok(link);
        }
        let Attachment {
            volume,
            export,
            owner,
        } = &self.attachment;
        let again = self.client.attach_again(volume.as_str(), owner.as_str());
        let again = again.await?;
        // V9: under another name the kernel's next flush would not cover what it was answered before.
        if again.lasting_export != *export {
            return Err(KernelError::Lost(volume.to_string()));
        }
        let attached = self.attached.insert(again);
        Ok(Link::open(attached).await?)
    }

    /// Whether the kernel took the connection.
    fn offer(&mut self, link: Link) -> Result<bool, KernelError> {
        let inode = rustix::fs::fstat(&link.socket).map_err(|error| KernelError::System {
            path: PathBuf::from("a socket"),
            source: error.into(),
        })?;
        let backend = self.attachment.to_string();
        self.netlink
            .reconnect(self.device, &backend, descriptor(&link.socket))?;
        // A reference of the kernel's keeps the socket when ours is gone.
        drop(link);
        is_open(inode.st_ino)
    }
}

/// Whether anybody, the kernel too, has the unix socket of this inode.
fn is_open(inode: u64) -> Result<bool, KernelError> {
    let path = PathBuf::from("/proc/net/unix");
    let sockets = fs::read_to_string(&path);
    let sockets = sockets.map_err(|source| KernelError::System { path, source })?;
    let inode = inode.to_string();
    Ok(sockets
        .lines()
        .any(|line| line.split_whitespace().nth(6) == Some(&inode)))
}
