//! What is written is read back, what the kernel writes is understood, and nothing else does harm.

use proptest::prelude::*;
use volumed_netlink::{Attributes, Body, Family, Messages, Request, Writer, find_family, nbd};

/// As the kernel heads what it sends.
fn message(kind: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (16 + payload.len() as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend([0; 2]);
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn outcome(sequence: u32, negated: i32) -> Vec<u8> {
    message(2, sequence, &negated.to_ne_bytes())
}

#[test]
fn requests_look_as_the_kernel_wants_them() {
    let bytes = find_family("nbd").encode(7);
    let expected: &[u8] = &[
        28, 0, 0, 0, 16, 0, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0, // netlink's header
        3, 1, 0, 0, // CTRL_CMD_GETFAMILY
        8, 0, 2, 0, b'n', b'b', b'd', 0, // CTRL_ATTR_FAMILY_NAME
    ];
    // The bytes above are little-endian.
    if cfg!(target_endian = "little") {
        assert_eq!(bytes, expected);
    }
}

#[test]
fn a_family_is_found_in_the_kernels_answer() {
    let mut attributes = Writer::default();
    attributes
        .text(2, "nbd")
        .u32(1, 31)
        .u32(3, 1)
        .nested(7, |groups| {
            groups.nested(1, |group| {
                group.u32(2, 9).text(1, "nbd_mc_group");
            });
        });
    let mut payload = vec![1, 2, 0, 0];
    payload.extend(attributes.into_bytes());
    let mut datagram = message(Family::CONTROL, 3, &payload);
    datagram.extend(outcome(3, 0));
    let messages: Vec<_> = Messages::new(&datagram).map(Result::unwrap).collect();
    let Body::Family { attributes, .. } = &messages[0].body else {
        panic!("{messages:?}");
    };
    let family = Family::read(attributes).unwrap();
    assert_eq!((family.id, family.group(nbd::GROUP)), (31, Some(9)));
    assert_eq!(family.group("other"), None);
    assert!(matches!(messages[1].body, Body::Done));
}

#[test]
fn dead_links_are_told_from_other_events() {
    let event = |family: u16, command: u8| {
        let mut attributes = Writer::default();
        attributes.u32(1, 12);
        let mut payload = vec![command, 1, 0, 0];
        payload.extend(attributes.into_bytes());
        message(family, 0, &payload)
    };
    let device = |datagram: &[u8]| {
        let message = Messages::new(datagram).next().unwrap().unwrap();
        nbd::dead_link(31, &message.body).unwrap()
    };
    assert_eq!(device(&event(31, 4)), Some(12));
    assert_eq!(device(&event(31, 5)), None);
    assert_eq!(device(&event(32, 4)), None);
}

#[test]
fn a_refusal_has_a_number_above_zero() {
    let datagram = outcome(1, -16);
    let message = Messages::new(&datagram).next().unwrap().unwrap();
    assert!(matches!(message.body, Body::Refused(16)));
    for wrong in [1, i32::MIN] {
        assert!(Messages::new(&outcome(1, wrong)).next().unwrap().is_err());
    }
}

#[derive(Debug, Clone)]
enum Tree {
    Int(u32),
    Long(u64),
    Text(String),
    Nested(Vec<(u16, Tree)>),
}

fn trees() -> impl Strategy<Value = Vec<(u16, Tree)>> {
    let leaf = prop_oneof![
        any::<u32>().prop_map(Tree::Int),
        any::<u64>().prop_map(Tree::Long),
        "[a-z]{0,20}".prop_map(Tree::Text),
    ];
    let tree = leaf.prop_recursive(3, 24, 4, |inner| {
        prop::collection::vec((1..1u16 << 14, inner), 0..4).prop_map(Tree::Nested)
    });
    prop::collection::vec((1..1u16 << 14, tree), 0..6)
}

fn write(trees: &[(u16, Tree)], writer: &mut Writer) {
    for (kind, tree) in trees {
        match tree {
            Tree::Int(value) => writer.u32(*kind, *value),
            Tree::Long(value) => writer.u64(*kind, *value),
            Tree::Text(value) => writer.text(*kind, value),
            Tree::Nested(inner) => writer.nested(*kind, |writer| write(inner, writer)),
        };
    }
}

fn check(trees: &[(u16, Tree)], attributes: Attributes<'_>) {
    let read: Vec<_> = attributes.map(Result::unwrap).collect();
    assert_eq!(read.len(), trees.len());
    for ((kind, tree), attribute) in trees.iter().zip(read) {
        assert_eq!(attribute.kind, *kind);
        match tree {
            Tree::Int(value) => assert_eq!(attribute.u32(), Ok(*value)),
            Tree::Long(value) => assert_eq!(attribute.value, value.to_ne_bytes()),
            Tree::Text(value) => assert_eq!(attribute.text(), Ok(value.as_str())),
            Tree::Nested(inner) => check(inner, attribute.nested()),
        }
    }
}

proptest! {
    #[test]
    fn attributes_come_back(trees in trees(), sequence: u32, command: u8) {
        let mut attributes = Writer::default();
        write(&trees, &mut attributes);
        let bytes = Request { family: 20, command, attributes }.encode(sequence);
        let messages: Vec<_> = Messages::new(&bytes).map(Result::unwrap).collect();
        prop_assert_eq!(messages.len(), 1);
        prop_assert_eq!(messages[0].sequence, sequence);
        let Body::Family { family: 20, command: read, attributes } = messages[0].body.clone() else {
            return Err(TestCaseError::fail("it is a family's"));
        };
        prop_assert_eq!(read, command);
        check(&trees, attributes);
    }

    #[test]
    fn a_cut_off_datagram_is_malformed(trees in trees(), cut in 1usize..16) {
        let mut attributes = Writer::default();
        write(&trees, &mut attributes);
        let bytes = Request { family: 20, command: 1, attributes }.encode(1);
        let whole = &bytes[..bytes.len() - cut];
        prop_assert!(Messages::new(whole).any(|message| message.is_err()));
    }

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut seen = 0;
        for message in Messages::new(&bytes).flatten() {
            if let Body::Family { attributes, .. } = message.body {
                let _ = Family::read(&attributes);
            }
            seen += 16;
        }
        prop_assert!(seen <= bytes.len());
    }
}
