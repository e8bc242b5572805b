//! What the kernel sends through netlink.

use volumed_netlink::{Attributes, Body, Family, Messages, nbd};

/// A datagram; attributes that hold others are looked into, too.
pub fn datagram(data: &[u8]) {
    for message in Messages::new(data).flatten() {
        if let Ok(Some(index)) = nbd::dead_link(31, &message.body) {
            assert!(data.len() >= 28, "nothing holds the index {index}");
        }
        if let Body::Family { attributes, .. } = message.body {
            if let Ok(family) = Family::read(&attributes) {
                assert!(family.groups.len() <= data.len());
            }
            walk(attributes, 0);
        }
    }
}

fn walk(attributes: Attributes<'_>, depth: u32) {
    for attribute in attributes.flatten() {
        let _ = (attribute.u16(), attribute.u32(), attribute.text());
        if depth < 4 {
            walk(attribute.nested(), depth + 1);
        }
    }
}
