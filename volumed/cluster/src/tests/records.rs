//! Records: read as they were written, and refused where they are not what they must be.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use volumed_meta::Change;

use crate::folder::{Members, Own};
use crate::node::{NodeDrain, VERSION};
use crate::tests::Founder;
use crate::{
    ClusterId, Issued, Node, NodeId, NodeName, NodeNumber, Place, Ports, Registry as _,
    RegistryError, RemovedNode, Serial, TokenRecord,
};

fn names() -> impl Strategy<Value = NodeName> {
    "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?".prop_filter_map("localhost", |text| text.parse().ok())
}

fn places() -> impl Strategy<Value = Place> {
    let ports =
        any::<(u16, u16, u16, u16)>().prop_map(|(cluster, links, etcd_client, etcd_peer)| Ports {
            cluster,
            links,
            etcd_client,
            etcd_peer,
        });
    (vec(any::<IpAddr>(), 1..=8), ports).prop_map(|(addresses, ports)| Place { addresses, ports })
}

fn certificates() -> impl Strategy<Value = Vec<Issued>> {
    let issued = any::<u64>().prop_map(|expires| Issued {
        serial: Serial::draw(),
        expires,
    });
    vec(issued, 0..4)
}

prop_compose! {
    fn nodes()(
        id: u128, number: u16, name in names(), place in places(), joined: u64, signs: bool,
        certificates in certificates(), drain: Option<(u64, u64)>,
    ) -> Node {
        Node {
            version: VERSION, id: NodeId(id), number: NodeNumber(number), name, place, joined, signs, certificates,
            drain: drain.map(|(begun, held)| NodeDrain { begun, held }),
        }
    }
}

prop_compose! {
    fn removed_nodes()(
        id: u128, number: u16, name in names(), removed: u64, certificates in certificates(),
    ) -> RemovedNode {
        RemovedNode { version: VERSION, id: NodeId(id), number: NodeNumber(number), name, removed, certificates }
    }
}

fn again<T: Serialize + DeserializeOwned>(record: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(record).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn records_are_read_as_they_were_written(
        node in nodes(), all in vec(nodes(), 0..3), removed in vec(removed_nodes(), 0..3),
        cluster: u128, expires: u64, used: Option<u128>,
    ) {
        prop_assert_eq!(again(&node), node.clone());
        for removed in &removed {
            prop_assert_eq!(&again(removed), removed);
        }
        let token = TokenRecord { version: VERSION, expires, used: used.map(NodeId) };
        prop_assert_eq!(again(&token), token);
        let own = Own {
            version: VERSION, cluster: ClusterId(cluster), node: node.id, number: node.number,
            name: node.name, place: node.place,
        };
        prop_assert_eq!(again(&own), own);
        let members = Members { version: VERSION, nodes: all, removed };
        prop_assert_eq!(again(&members), members);
    }

    #[test]
    fn names_are_of_the_dns_and_no_others(text in "[a-z0-9-]{0,70}|\\PC{0,8}") {
        if let Ok(name) = text.parse::<NodeName>() {
            prop_assert!((1..=63).contains(&text.len()) && text != "localhost");
            prop_assert_eq!(name.to_string(), text);
        }
    }
}

#[tokio::test]
async fn what_other_programs_add_to_a_record_is_passed_over() {
    let founder = Founder::new().await;
    let node = founder.registry.nodes().await.unwrap().remove(0);
    let mut record = serde_json::to_value(&node).unwrap();
    record["later"] = serde_json::json!({"more": 1});
    put(&founder, &node, &record).await;
    assert_eq!(founder.registry.nodes().await.unwrap(), [node]);
}

#[tokio::test]
async fn newer_and_damaged_records_are_told_apart() {
    let founder = Founder::new().await;
    let node = founder.registry.nodes().await.unwrap().remove(0);
    put(&founder, &node, &serde_json::json!({"version": 2})).await;
    let newer = founder.registry.nodes().await.unwrap_err();
    assert!(
        matches!(newer, RegistryError::Newer { version: 2, .. }),
        "{newer}"
    );
    put(&founder, &node, &serde_json::json!({"version": 1})).await;
    let damaged = founder.registry.nodes().await.unwrap_err();
    assert!(
        matches!(damaged, RegistryError::Damaged { .. }),
        "{damaged}"
    );
}

async fn put(founder: &Founder, node: &Node, record: &serde_json::Value) {
    let change = Change::Put(
        format!("nodes/{}", node.id).into_bytes(),
        record.to_string().into_bytes(),
    );
    founder
        .store
        .transact(Vec::new(), vec![change])
        .await
        .unwrap();
}

#[test]
fn a_place_has_an_address_at_which_it_is_reached() {
    let place = |addresses: &[&str]| {
        let addresses = addresses.iter().map(|text| text.parse().unwrap());
        Place::new(addresses.collect(), Ports::default())
    };
    assert!(place(&["10.0.0.1", "fd00::1"]).is_ok());
    for bad in [
        &[][..],
        &["0.0.0.0"],
        &["10.0.0.1", "::"],
        &["224.0.0.1"],
        &["10.0.0.1"; 9],
    ] {
        assert!(place(bad).is_err());
    }
}
