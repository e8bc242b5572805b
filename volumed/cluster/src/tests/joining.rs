//! Nodes that join, and those that are not let in.

use std::sync::Arc;
use std::time::Duration;

use crate::join::wire::{self, Answer, Bytes, MAX_ANSWER, PROTOCOL, Request};
use crate::tests::{Founder, name, place};
use crate::{
    AdmitError, Cluster, ClusterError, Fingerprint, InviteError, JoinError, JoinToken,
    LONGEST_TOKEN_LIFE, NodeNumber, Registry as _, RemoveError, Secret, Signer, TOKEN_LIFE,
    fetch_authority, invite, join, now,
};

fn sentence(error: &JoinError) -> String {
    error.to_string()
}

#[tokio::test]
async fn a_token_that_was_printed_lets_a_node_in() {
    let founder = Founder::new().await;
    let printed = founder.token().await.to_string();
    let data = tempfile::tempdir().unwrap();
    let token: JoinToken = printed.parse().unwrap();
    let joined = join(data.path(), &token, name("pi-2"), place(2))
        .await
        .unwrap();
    assert_eq!(joined.own().cluster, founder.cluster.own().cluster);
    assert_eq!(joined.own().number, NodeNumber(2));
    assert!(joined.authority().is_none());
    let names: Vec<_> = joined
        .members()
        .nodes
        .into_iter()
        .map(|node| node.name.to_string())
        .collect();
    assert_eq!(names, ["first", "pi-2"]);
    let again = Cluster::open(data.path()).unwrap().unwrap();
    assert_eq!(again.own(), joined.own());
    assert_eq!(
        founder.registry.nodes().await.unwrap(),
        founder.cluster.members().nodes
    );
}

#[tokio::test]
async fn a_token_is_used_once() {
    let founder = Founder::new().await;
    let token = founder.token().await;
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    join(first.path(), &token, name("a"), place(2))
        .await
        .unwrap();
    let refused = join(second.path(), &token, name("b"), place(3)).await;
    let refused = sentence(&refused.unwrap_err());
    assert!(refused.contains("used by another node"), "{refused}");
}

#[tokio::test]
async fn of_two_that_use_a_token_at_once_one_is_let_in() {
    let founder = Founder::new().await;
    for round in 1..=5_u16 {
        let token = founder.token().await;
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (a, b) = (name(&format!("a{round}")), name(&format!("b{round}")));
        let (first, second) = tokio::join!(
            join(one.path(), &token, a, place(round * 2)),
            join(two.path(), &token, b, place(round * 2 + 1)),
        );
        assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1);
        let nodes = founder.registry.nodes().await.unwrap();
        assert_eq!(nodes.len(), usize::from(round) + 1);
    }
}

#[tokio::test]
async fn nodes_that_join_at_once_get_numbers_and_names_of_their_own() {
    let founder = Founder::new().await;
    for round in 1..=4_u16 {
        let (first, second) = (founder.token().await, founder.token().await);
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // Every other round they want the same name.
        let wanted = [
            format!("a{round}"),
            format!("{}{round}", ["a", "b"][usize::from(round % 2)]),
        ];
        let (joined, also) = tokio::join!(
            join(one.path(), &first, name(&wanted[0]), place(round * 2)),
            join(two.path(), &second, name(&wanted[1]), place(round * 2 + 1)),
        );
        let both = joined.is_ok() && also.is_ok();
        assert!(joined.is_ok() || also.is_ok());
        assert_eq!(both, wanted[0] != wanted[1]);
        let nodes = founder.registry.nodes().await.unwrap();
        let numbers: Vec<_> = nodes.iter().map(|node| node.number).collect();
        let counted: Vec<_> = (1..).map(NodeNumber).take(nodes.len()).collect();
        assert_eq!(numbers, counted);
    }
}

#[tokio::test]
async fn a_node_that_did_not_hear_the_answer_asks_again_and_is_the_same() {
    let founder = Founder::new().await;
    let token = founder.token().await;
    let data = tempfile::tempdir().unwrap();
    let first = join(data.path(), &token, name("a"), place(2))
        .await
        .unwrap();
    std::fs::remove_file(data.path().join("cluster/node.json")).unwrap();
    let second = join(data.path(), &token, name("a"), place(2))
        .await
        .unwrap();
    assert_eq!(first.own(), second.own());
    assert_eq!(founder.registry.nodes().await.unwrap().len(), 2);
}

#[tokio::test]
async fn wrong_and_expired_tokens_are_refused_with_a_sentence() {
    let founder = Founder::new().await;
    let data = tempfile::tempdir().unwrap();
    let wrong = JoinToken {
        secret: Secret([7; 32]),
        ..founder.token().await
    };
    let refused = join(data.path(), &wrong, name("a"), place(2))
        .await
        .unwrap_err();
    let refused = sentence(&refused);
    assert!(refused.contains("no such token"), "{refused}");
    let expired = founder.token_until(now()).await;
    let refused = join(data.path(), &expired, name("a"), place(2))
        .await
        .unwrap_err();
    let refused = sentence(&refused);
    assert!(refused.contains("expired"), "{refused}");
    assert!(Cluster::open(data.path()).unwrap().is_none());
}

#[tokio::test]
async fn a_server_that_the_token_does_not_name_learns_nothing() {
    let (founder, other) = (Founder::new().await, Founder::new().await);
    let token = founder.token().await;
    // The token leads to the other cluster, which would even take it.
    other
        .registry
        .offer(token.key(), now() + 3600, now())
        .await
        .unwrap();
    let misled = JoinToken {
        addresses: vec![other.address],
        ..token
    };
    let data = tempfile::tempdir().unwrap();
    let refused = join(data.path(), &misled, name("a"), place(2))
        .await
        .unwrap_err();
    let refused = sentence(&refused);
    assert!(
        refused.contains("the authority that the token names"),
        "{refused}"
    );
    assert_eq!(other.registry.nodes().await.unwrap().len(), 1);
}

/// Asks the founder what a node would not ask.
async fn ask(founder: &Founder, request: &Request) -> Answer {
    let config = crate::tls::joining_client(founder.cluster.fingerprint(), PROTOCOL).unwrap();
    let socket = tokio::net::TcpStream::connect(founder.address)
        .await
        .unwrap();
    let name = rustls::pki_types::ServerName::IpAddress(founder.address.ip().into());
    let connector = tokio_rustls::TlsConnector::from(config);
    let mut stream = connector.connect(name, socket).await.unwrap();
    wire::send(&mut stream, request).await.unwrap();
    wire::receive(&mut stream, MAX_ANSWER).await.unwrap()
}

#[tokio::test]
async fn a_proof_for_another_session_is_refused() {
    let founder = Founder::new().await;
    let token = founder.token().await;
    let details = "{}".to_owned();
    let proof = token.secret.prove(&[0; 32], details.as_bytes());
    let request = Request::Join {
        token: token.key(),
        details,
        proof: Bytes(proof),
    };
    let Answer::Refused { message, .. } = ask(&founder, &request).await else {
        panic!("it was let in");
    };
    assert_eq!(message, "the token is not this cluster's");
}

#[tokio::test]
async fn whoever_is_no_node_gets_neither_certificates_nor_the_key() {
    let founder = Founder::new().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let request = crate::authority::SigningRequest::write(&key).unwrap();
    let renew = Request::Renew {
        request: Bytes(request),
    };
    for request in [renew, Request::AuthorityKey] {
        let Answer::Refused { message, .. } = ask(&founder, &request).await else {
            panic!("it was given");
        };
        assert!(message.contains("only a node"), "{message}");
    }
}

#[tokio::test]
async fn an_address_that_asks_too_often_waits() {
    let founder = Founder::new().await;
    let wrong = JoinToken {
        secret: Secret([7; 32]),
        ..founder.token().await
    };
    let data = tempfile::tempdir().unwrap();
    let mut refused = String::new();
    for _ in 0..11 {
        let error = join(data.path(), &wrong, name("a"), place(2))
            .await
            .unwrap_err();
        refused = sentence(&error);
    }
    assert!(refused.contains("wait a minute"), "{refused}");
}

#[tokio::test]
async fn a_stranger_that_says_nothing_keeps_nobody_out() {
    let founder = Founder::new().await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.9:0".parse().unwrap()).unwrap();
        silent.push(socket.connect(founder.address).await.unwrap());
    }
    let data = tempfile::tempdir().unwrap();
    founder.join(data.path(), 2).await.unwrap();
}

#[tokio::test]
async fn names_and_places_are_one_nodes_only() {
    let founder = Founder::new().await;
    let data = tempfile::tempdir().unwrap();
    let refused = join(data.path(), &founder.token().await, name("first"), place(2)).await;
    let refused = sentence(&refused.unwrap_err());
    assert!(
        refused.contains("another node is called first"),
        "{refused}"
    );
    let own = place(founder.address.port());
    let refused = join(data.path(), &founder.token().await, name("a"), own).await;
    let refused = sentence(&refused.unwrap_err());
    assert!(refused.contains("is at that address"), "{refused}");
}

#[tokio::test]
async fn a_node_is_in_one_cluster() {
    let (founder, other) = (Founder::new().await, Founder::new().await);
    let data = tempfile::tempdir().unwrap();
    founder.join(data.path(), 2).await.unwrap();
    let already =
        |error: &JoinError| matches!(error, JoinError::Cluster(ClusterError::Already(..)));
    let refused = other.join(data.path(), 3).await.unwrap_err();
    assert!(already(&refused), "{refused}");
    let refused = Cluster::found(data.path(), name("x"), place(4)).unwrap_err();
    assert!(matches!(refused, ClusterError::Already(..)), "{refused}");
}

#[tokio::test]
async fn a_removed_node_does_not_come_back_with_a_token() {
    let founder = Founder::new().await;
    let data = tempfile::tempdir().unwrap();
    let second = founder.join(data.path(), 2).await.unwrap();
    let unused = founder.token().await;
    founder
        .registry
        .remove(second.own().node, now() - 90)
        .await
        .unwrap();
    std::fs::remove_file(data.path().join("cluster/node.json")).unwrap();
    let refused = sentence(&founder.join(data.path(), 2).await.unwrap_err());
    assert!(refused.contains("was removed"), "{refused}");
    // Whoever had its key may have made the tokens that are out.
    let fresh = tempfile::tempdir().unwrap();
    let refused = join(fresh.path(), &unused, name("b"), place(3))
        .await
        .unwrap_err();
    let refused = sentence(&refused);
    assert!(refused.contains("no such token"), "{refused}");
    // As a new node it may, and gets a new number.
    let third = founder.join(fresh.path(), 3).await.unwrap();
    assert_eq!(third.own().number, NodeNumber(3));
}

#[tokio::test]
async fn nobody_is_let_in_while_a_removed_node_may_still_reach_the_store() {
    let founder = Founder::new().await;
    let data = tempfile::tempdir().unwrap();
    let second = founder.join(data.path(), 2).await.unwrap();
    let (id, key) = (
        second.own().node,
        format!("removed-nodes/{}", second.own().node),
    );
    founder.registry.remove(id, now()).await.unwrap();
    founder.cluster.refresh(&*founder.registry).await.unwrap();
    // It takes back its removal, and makes a token.
    let change = volumed_meta::Change::Delete(key.into_bytes());
    founder
        .store
        .transact(Vec::new(), vec![change])
        .await
        .unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let refused = sentence(&founder.join(fresh.path(), 3).await.unwrap_err());
    assert!(refused.contains("was removed a moment ago"), "{refused}");
    assert!(
        founder
            .cluster
            .identity()
            .trust
            .removed()
            .borrow()
            .contains(&id)
    );
}

#[tokio::test]
async fn the_last_node_stays() {
    let founder = Founder::new().await;
    let own = founder.cluster.own().node;
    let refused = founder.registry.remove(own, now()).await.unwrap_err();
    assert!(matches!(refused, RemoveError::Last));
    let data = tempfile::tempdir().unwrap();
    let second = founder.join(data.path(), 2).await.unwrap().own().node;
    let (one, two) = tokio::join!(
        founder.registry.remove(own, now()),
        founder.registry.remove(second, now()),
    );
    assert!(one.is_ok() != two.is_ok());
}

#[tokio::test]
async fn the_authoritys_key_goes_to_nodes_that_may_sign_and_to_no_others() {
    let founder = Founder::new().await;
    let data = tempfile::tempdir().unwrap();
    let second = founder.join(data.path(), 2).await.unwrap();
    let refused = fetch_authority(&second, &*founder.registry)
        .await
        .unwrap_err();
    let refused = sentence(&refused);
    assert!(refused.contains("not one of those that sign"), "{refused}");
    founder.registry.let_sign(second.own().node).await.unwrap();
    fetch_authority(&second, &*founder.registry).await.unwrap();
    assert!(second.authority().is_some());

    // Now it lets others in by itself.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let second = Arc::new(second);
    let signer = Signer::new(second.clone(), founder.registry.clone(), 3600);
    let listening = tokio::spawn(signer.serve(listener));
    let token = founder.token().await;
    let token = JoinToken {
        addresses: vec![address],
        ..token
    };
    let third = tempfile::tempdir().unwrap();
    join(third.path(), &token, name("c"), place(3))
        .await
        .unwrap();
    listening.abort();
}

#[tokio::test]
async fn a_node_that_cannot_sign_leads_to_one_that_can() {
    let founder = Founder::new().await;
    let data = tempfile::tempdir().unwrap();
    let second = Arc::new(founder.join(data.path(), 2).await.unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let signer = Signer::new(second, founder.registry.clone(), 3600);
    let listening = tokio::spawn(signer.serve(listener));
    let token = founder.token().await;
    let both = JoinToken {
        addresses: vec![address, founder.address],
        ..token.clone()
    };
    let third = tempfile::tempdir().unwrap();
    let only = JoinToken {
        addresses: vec![address],
        ..token
    };
    let refused = join(third.path(), &only, name("c"), place(3))
        .await
        .unwrap_err();
    assert!(matches!(refused, JoinError::Unreached(_)), "{refused}");
    join(third.path(), &both, name("c"), place(3))
        .await
        .unwrap();
    listening.abort();
}

#[tokio::test]
async fn a_token_leads_to_nodes_that_sign() {
    let founder = Founder::new().await;
    let data = tempfile::tempdir().unwrap();
    let second = founder.join(data.path(), 2).await.unwrap();
    let token = invite(&second, &*founder.registry, TOKEN_LIFE)
        .await
        .unwrap();
    let own = second.own().place.cluster();
    assert_eq!(token.addresses, [founder.address, own]);
    founder.registry.let_sign(second.own().node).await.unwrap();
    let token = invite(&second, &*founder.registry, TOKEN_LIFE)
        .await
        .unwrap();
    assert_eq!(token.addresses, [own, founder.address]);
    let never = Duration::ZERO;
    for life in [never, LONGEST_TOKEN_LIFE + Duration::from_secs(1)] {
        let refused = invite(&second, &*founder.registry, life).await.unwrap_err();
        assert!(matches!(refused, InviteError::Life));
    }
}

#[tokio::test]
async fn a_store_is_one_clusters() {
    let founder = Founder::new().await;
    let data = tempfile::tempdir().unwrap();
    let (_, node) = Cluster::found(data.path(), name("x"), place(9)).unwrap();
    let refused = founder.registry.found(&node).await.unwrap_err();
    assert!(matches!(refused, AdmitError::Founded));
}

#[test]
fn a_fingerprint_tells_authorities_apart() {
    let authority = || {
        let (authority, _) =
            crate::authority::Authority::create(crate::ClusterId(1), now()).unwrap();
        Fingerprint::of(authority.certificate())
    };
    assert_ne!(authority(), authority());
}
