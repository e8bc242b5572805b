//! Certificates that change while nodes are connected to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::tests::{Founder, name, place};
use crate::{
    CERTIFICATE_LIFE, Cluster, Signer, join, now, peer, renew, renew_regularly, stay_valid,
};

const PROTOCOL: &[u8] = b"test/1";

fn signer(founder: &Founder, of: &Arc<Cluster>) -> Signer {
    Signer::new(of.clone(), founder.registry.clone(), CERTIFICATE_LIFE)
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_at_once_and_after_a_restart() {
    let founder = Founder::new().await;
    let data = tempfile::tempdir().unwrap();
    let second = Arc::new(founder.join(data.path(), 2).await.unwrap());
    for cluster in [&founder.cluster, &second] {
        let folder = cluster.folder.clone();
        let before = folder.needed("node.crt").unwrap();
        let mut renewed = cluster.identity().renewed();
        renew(cluster, &signer(&founder, cluster)).await.unwrap();
        assert_ne!(before, folder.needed("node.crt").unwrap());
        assert!(renewed.has_changed().unwrap());
        renewed.mark_unchanged();
    }
    let again = Cluster::open(data.path()).unwrap().unwrap();
    assert_eq!(
        again.identity().certificate(),
        second.identity().certificate()
    );
    // Each that may be valid still can be revoked.
    let nodes = founder.registry_nodes().await;
    assert!(nodes.iter().all(|node| node.certificates.len() == 2));
}

impl Founder {
    async fn registry_nodes(&self) -> Vec<crate::Node> {
        crate::Registry::nodes(&*self.registry).await.unwrap()
    }
}

#[tokio::test]
async fn a_node_that_signs_helps_itself_when_its_certificate_expired() {
    let founder = Founder::new().await;
    founder.cluster.sign_own(2).await.unwrap();
    while now() < founder.cluster.identity().certificate().expires {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let staying = tokio::spawn(stay_valid(founder.cluster.clone()));
    let mut renewed = founder.cluster.identity().renewed();
    let next = renewed.wait_for(|certificate| certificate.expires > now() + 60);
    tokio::time::timeout(Duration::from_mins(1), next)
        .await
        .unwrap()
        .unwrap();
    staying.abort();
    let again = Cluster::open(founder.data.path()).unwrap().unwrap();
    assert!(again.identity().certificate().expires > now() + 60);
}

#[tokio::test]
async fn nobody_is_turned_away_while_certificates_are_renewed() {
    let founder = Founder::new().await;
    let data = tempfile::tempdir().unwrap();
    let second = Arc::new(founder.join(data.path(), 2).await.unwrap());
    let (one, two) = (founder.cluster.own().node, second.own().node);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(founder.cluster.tls().server(PROTOCOL).unwrap());
    let serving = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(socket).await.unwrap();
            assert_eq!(peer(stream.get_ref().1), Some(two));
            stream.write_all(b"!").await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    let done = Arc::new(AtomicBool::new(false));
    let connector = TlsConnector::from(second.tls().client(one, PROTOCOL).unwrap());
    let until = done.clone();
    let calling = tokio::spawn(async move {
        let mut calls = 0;
        while !until.load(Ordering::Relaxed) || calls < 20 {
            let socket = TcpStream::connect(address).await.unwrap();
            let name = ServerName::IpAddress(address.ip().into());
            let mut stream = connector.connect(name, socket).await.unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            assert_eq!(said, "!");
            calls += 1;
        }
    });
    for _ in 0..10 {
        for cluster in [&founder.cluster, &second] {
            renew(cluster, &signer(&founder, cluster)).await.unwrap();
        }
    }
    done.store(true, Ordering::Relaxed);
    calling.await.unwrap();
    assert!(!serving.is_finished());
    serving.abort();
}

#[tokio::test]
async fn a_certificate_renews_itself_before_it_expires() {
    // Short, and yet long enough to join within it.
    let founder = Founder::with_life(10).await;
    let data = tempfile::tempdir().unwrap();
    let second = Arc::new(founder.join(data.path(), 2).await.unwrap());
    let first = second.identity().certificate();
    let renewing = tokio::spawn(renew_regularly(second.clone(), signer(&founder, &second)));
    let mut renewed = second.identity().renewed();
    let waited = tokio::time::timeout(Duration::from_mins(1), renewed.changed()).await;
    waited.unwrap().unwrap();
    assert!(second.identity().certificate().expires > first.expires);
    renewing.abort();
}

#[tokio::test]
async fn a_node_whose_certificate_expired_joins_again_as_itself() {
    let founder = Founder::with_life(0).await;
    let data = tempfile::tempdir().unwrap();
    let token = founder.token().await;
    let joined = join(data.path(), &token, name("a"), place(2)).await;
    // By the time that it came the certificate was of the past; or it is now.
    let expired = joined.is_err();
    while !expired && now() <= founder.registry_nodes().await[1].certificates[0].expires {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    founder.listening.abort();
    let healed = Founder::serve_again(&founder).await;
    let token = crate::JoinToken {
        addresses: vec![healed],
        ..founder.token().await
    };
    let again = join(data.path(), &token, name("a"), place(2))
        .await
        .unwrap();
    let nodes = founder.registry_nodes().await;
    assert_eq!(nodes.len(), 2);
    assert_eq!(nodes[1].id, again.own().node);
}

impl Founder {
    /// The signer on another port, with certificates that live as usual.
    async fn serve_again(&self) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(signer(self, &self.cluster).serve(listener));
        address
    }
}
