//! The family of the kernel's NBD client.

use crate::attribute::Writer;
use crate::{Body, Malformed, Request};

/// The family's name.
pub const FAMILY: &str = "nbd";
/// The group whose members are told of connections that died.
pub const GROUP: &str = "nbd_mc_group";

// `NBD_CMD_…`.
const CONNECT: u8 = 1;
const DISCONNECT: u8 = 2;
const RECONFIGURE: u8 = 3;
const LINK_DEAD: u8 = 4;

// `NBD_ATTR_…`.
const INDEX: u16 = 1;
const SIZE_BYTES: u16 = 2;
const BLOCK_SIZE_BYTES: u16 = 3;
const TIMEOUT: u16 = 4;
const SERVER_FLAGS: u16 = 5;
const SOCKETS: u16 = 7;
const DEAD_CONN_TIMEOUT: u16 = 8;
const BACKEND_IDENTIFIER: u16 = 10;
const SOCK_ITEM: u16 = 1;
const SOCK_FD: u16 = 1;

/// What a device becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    /// N of `/dev/nbdN`.
    pub index: u32,
    /// In bytes, a multiple of `block_size`.
    pub size: u64,
    /// In bytes, a power of two from 512 to the machine's page.
    pub block_size: u32,
    /// The transmission flags that the server sent.
    pub server_flags: u16,
    /// Descriptor of the socket on which the export is open; the kernel takes a reference of its own. One, since
    /// of several the kernel sends what is slow on one again on another, and the first may still take effect
    /// after what was written later.
    pub socket: u32,
    /// For how many seconds without a connection requests wait before they fail.
    pub dead_timeout: u64,
    /// What names the device's content to whoever reconnects it: `/sys/block/nbdN/backend`. Kernels
    /// before 5.14 do not keep it.
    pub backend: &'a str,
}

/// Makes a device that is free serve an export; refused with `EBUSY` when it is not free.
pub fn connect(family: u16, wanted: &Connect<'_>) -> Request {
    let mut attributes = Writer::default();
    attributes
        .u32(INDEX, wanted.index)
        .u64(SIZE_BYTES, wanted.size)
        .u64(BLOCK_SIZE_BYTES, u64::from(wanted.block_size))
        .u64(SERVER_FLAGS, u64::from(wanted.server_flags))
        // Else a slow answer would cost the connection.
        .u64(TIMEOUT, 0)
        .u64(DEAD_CONN_TIMEOUT, wanted.dead_timeout)
        .text(BACKEND_IDENTIFIER, wanted.backend);
    put_socket(&mut attributes, wanted.socket);
    Request {
        family,
        command: CONNECT,
        attributes,
    }
}

/// Puts a socket in the place of the dead one. Success, too, when the device's is not dead: then the
/// kernel takes no reference of it.
pub fn reconnect(family: u16, index: u32, backend: &str, socket: u32) -> Request {
    let mut request = reconfigure(family, index, backend);
    put_socket(&mut request.attributes, socket);
    request
}

/// Changes the size of a device that is in use.
pub fn resize(family: u16, index: u32, backend: &str, size: u64) -> Request {
    let mut request = reconfigure(family, index, backend);
    request.attributes.u64(SIZE_BYTES, size);
    request
}

fn reconfigure(family: u16, index: u32, backend: &str) -> Request {
    let mut attributes = Writer::default();
    attributes
        .u32(INDEX, index)
        .text(BACKEND_IDENTIFIER, backend);
    Request {
        family,
        command: RECONFIGURE,
        attributes,
    }
}

/// Frees a device; requests that are under way fail.
pub fn disconnect(family: u16, index: u32) -> Request {
    let mut attributes = Writer::default();
    attributes.u32(INDEX, index);
    Request {
        family,
        command: DISCONNECT,
        attributes,
    }
}

fn put_socket(attributes: &mut Writer, socket: u32) {
    attributes.nested(SOCKETS, |list| {
        list.nested(SOCK_ITEM, |item| {
            item.u32(SOCK_FD, socket);
        });
    });
}

/// The index of the device whose connection died, if that is what a message tells.
pub fn dead_link(family: u16, body: &Body<'_>) -> Result<Option<u32>, Malformed> {
    match body {
        Body::Family {
            family: of,
            command: LINK_DEAD,
            attributes,
        } if *of == family => {
            let index = attributes.find(INDEX)?.ok_or(Malformed)?;
            Ok(Some(index.u32()?))
        }
        _ => Ok(None),
    }
}
