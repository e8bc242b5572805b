//! Talks to the kernel's NBD client.

use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::thread;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_GENERIC;
use nix::errno::Errno;
use nix::unistd::geteuid;
use tokio::sync::Notify;
use volumed_netlink::{Body, Family, Messages, Request, find_family, nbd};

use super::error::KernelError;
use super::name::KernelDevice;

/// A socket on which the kernel answers requests.
pub struct Netlink {
    socket: Socket,
    nbd: Family,
    sequence: u32,
}

impl Netlink {
    /// Finds the NBD client, for root: the kernel would refuse anybody else only after the volume was
    /// attached.
    pub fn open() -> Result<Self, KernelError> {
        if !geteuid().is_root() {
            return Err(KernelError::NotRoot);
        }
        let (socket, nbd) = (open()?, Family::default());
        let mut netlink = Self {
            socket,
            nbd,
            sequence: 0,
        };
        netlink.nbd = match netlink.call(find_family(nbd::FAMILY))? {
            Ok(Some(family)) => family,
            Ok(None) | Err(Errno::ENOENT) => return Err(KernelError::NoModule),
            Err(errno) => return Err(KernelError::Netlink(errno.into())),
        };
        Ok(netlink)
    }

    /// Makes a free device serve an export.
    pub fn connect(&mut self, wanted: &nbd::Connect<'_>) -> Result<(), KernelError> {
        let request = nbd::connect(self.nbd.id, wanted);
        self.change("connect", KernelDevice(wanted.index), request)
    }

    /// Offers a socket in the place of the dead one.
    pub fn reconnect(
        &mut self,
        device: KernelDevice,
        backend: &str,
        socket: u32,
    ) -> Result<(), KernelError> {
        let request = nbd::reconnect(self.nbd.id, device.0, backend, socket);
        let changed = self.change("reconnect", device, request);
        changed.map_err(|error| match error {
            // It has no socket whose place could be taken.
            KernelError::Refused {
                errno: Errno::EINVAL,
                ..
            } => KernelError::Freed(device),
            error => error,
        })
    }

    /// Changes a device's size.
    pub fn resize(
        &mut self,
        device: KernelDevice,
        backend: &str,
        size: u64,
    ) -> Result<(), KernelError> {
        let request = nbd::resize(self.nbd.id, device.0, backend, size);
        self.change("resize", device, request)
    }

    /// Frees a device.
    pub fn disconnect(&mut self, device: KernelDevice) -> Result<(), KernelError> {
        let request = nbd::disconnect(self.nbd.id, device.0);
        self.change("disconnect", device, request)
    }

    /// Begins to listen for the death of `device`'s connection, on a thread of its own, for as long as the
    /// process runs. What is answered is notified of it; of several, perhaps only once.
    pub fn dead_links(&self, device: KernelDevice) -> Result<Arc<Notify>, KernelError> {
        let group = self.nbd.group(nbd::GROUP).ok_or(KernelError::NoModule)?;
        let socket = open()?;
        socket.add_membership(group).map_err(KernelError::Netlink)?;
        let (dead, family) = (Arc::new(Notify::new()), self.nbd.id);
        let notify = Arc::clone(&dead);
        let listen = move || {
            loop {
                match has_died(&socket, family, device) {
                    Ok(true) => notify.notify_one(),
                    Ok(false) => {}
                    Err(error) => tracing::error!(%error, "dead connections may be missed"),
                }
            }
        };
        let thread = thread::Builder::new().name("dead-links".to_owned());
        thread.spawn(listen).map_err(KernelError::Netlink)?;
        Ok(dead)
    }

    fn change(
        &mut self,
        what: &'static str,
        device: KernelDevice,
        request: Request,
    ) -> Result<(), KernelError> {
        self.call(request)?.map(drop).map_err(|errno| match errno {
            Errno::EPERM => KernelError::NotRoot,
            Errno::EBUSY => KernelError::Busy(device),
            errno => KernelError::Refused {
                what,
                device,
                errno,
            },
        })
    }

    /// Sends a request and waits until the kernel has done or refused it; answers the family that it
    /// described meanwhile, if that was asked for.
    fn call(&mut self, request: Request) -> Result<Result<Option<Family>, Errno>, KernelError> {
        self.sequence += 1;
        let bytes = request.encode(self.sequence);
        self.socket.send(&bytes, 0).map_err(KernelError::Netlink)?;
        let mut described = None;
        loop {
            let (datagram, _) = self.socket.recv_from_full().map_err(KernelError::Netlink)?;
            for message in Messages::new(&datagram) {
                let message = message?;
                if message.sequence != self.sequence {
                    continue;
                }
                match message.body {
                    Body::Done => return Ok(Ok(described)),
                    Body::Refused(errno) => return Ok(Err(Errno::from_raw(errno))),
                    Body::Family {
                        family: Family::CONTROL,
                        attributes,
                        ..
                    } => described = Some(Family::read(&attributes)?),
                    Body::Family { .. } | Body::Other => {}
                }
            }
        }
    }
}

fn open() -> Result<Socket, KernelError> {
    let open = || {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        Ok(socket)
    };
    open().map_err(KernelError::Netlink)
}

/// Waits for an event; whether it may be that `device`'s connection died.
fn has_died(socket: &Socket, family: u16, device: KernelDevice) -> Result<bool, KernelError> {
    let datagram = match socket.recv_from_full() {
        Ok((datagram, _)) => datagram,
        // Events were lost.
        Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => return Ok(true),
        Err(error) => return Err(KernelError::Netlink(error)),
    };
    for message in Messages::new(&datagram) {
        if nbd::dead_link(family, &message?.body)? == Some(device.0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The number by which the kernel is told of a descriptor.
pub fn descriptor(socket: &std::os::unix::net::UnixStream) -> u32 {
    socket.as_raw_fd().cast_unsigned()
}
