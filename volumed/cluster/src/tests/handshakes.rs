//! Who is let in, and who is not, by handshakes over TCP.

use std::io;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::authority::{Authority, SigningRequest, Subject};
use crate::tests::{Founder, name, place};
use crate::trust::{Trust, provider};
use crate::{
    Cluster, ClusterId, Identity, Issued, NodeId, PeerTls, Registry as _, Serial, Stranger, now,
    peer,
};

const PROTOCOL: &[u8] = b"test/1";

/// Whom the server saw, after both said something; or why one of them said nothing.
async fn meet(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> io::Result<Option<NodeId>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let served = tokio::spawn(async move {
        let (socket, _) = listener.accept().await?;
        let mut stream = TlsAcceptor::from(server).accept(socket).await?;
        let seen = peer(stream.get_ref().1);
        stream.write_all(b"!").await?;
        stream.shutdown().await?;
        Ok::<_, io::Error>(seen)
    });
    let called = async {
        let socket = TcpStream::connect(address).await?;
        let name = ServerName::IpAddress(address.ip().into());
        let mut stream = TlsConnector::from(client).connect(name, socket).await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        assert_eq!(said, "!");
        io::Result::Ok(())
    };
    let called = called.await;
    let seen = served.await?;
    called.and(seen)
}

fn server(of: &Cluster) -> Arc<ServerConfig> {
    of.tls().server(PROTOCOL).unwrap()
}

/// How `of` calls `node`.
fn client(of: &Cluster, node: NodeId) -> Arc<ClientConfig> {
    of.tls().client(node, PROTOCOL).unwrap()
}

/// A certificate by the founder's authority for a new key, valid until `expires`.
fn signed(
    founder: &Founder,
    cluster: ClusterId,
    expires: u64,
) -> (String, CertificateDer<'static>) {
    signed_by(&founder.cluster.authority().unwrap(), cluster, expires)
}

fn signed_by(
    authority: &Authority,
    cluster: ClusterId,
    expires: u64,
) -> (String, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let request = SigningRequest::read(&SigningRequest::write(&key).unwrap()).unwrap();
    let issued = Issued {
        serial: Serial::draw(),
        expires,
    };
    let subject = Subject {
        cluster,
        name: &name("some"),
        place: &place(1),
    };
    let certificate = authority.sign(&request, subject, issued, now() - 7200);
    (key.serialize_pem(), certificate.unwrap())
}

/// Somebody who believes in the founder's authority, and shows this.
fn with(founder: &Founder, key: &str, certificate: CertificateDer<'static>) -> Arc<Identity> {
    let trust = &founder.cluster.identity().trust;
    let trust = Trust::new(
        trust.cluster(),
        trust.authorities(),
        trust.removed().borrow().clone(),
    );
    Arc::new(Identity::new(key, certificate, trust.unwrap()).unwrap())
}

async fn two() -> (Founder, Cluster, tempfile::TempDir) {
    let founder = Founder::new().await;
    let data = tempfile::tempdir().unwrap();
    let second = founder.join(data.path(), 2).await.unwrap();
    (founder, second, data)
}

fn refusal(met: io::Result<Option<NodeId>>) -> String {
    let error = met.unwrap_err();
    let tls = error.get_ref().and_then(|error| error.downcast_ref());
    let stranger = tls.and_then(Stranger::in_error);
    stranger.map_or_else(|| error.to_string(), |stranger| stranger.to_string())
}

#[tokio::test]
async fn nodes_of_a_cluster_know_each_other_by_their_ids() {
    let (founder, second, _data) = two().await;
    let first = &founder.cluster;
    let (one, two) = (first.own().node, second.own().node);
    let met = meet(server(first), client(&second, one)).await.unwrap();
    assert_eq!(met, Some(two));
    let met = meet(server(&second), client(first, two)).await.unwrap();
    assert_eq!(met, Some(one));
}

#[tokio::test]
async fn a_node_of_another_cluster_is_refused_by_both_sides() {
    let (ours, theirs) = (Founder::new().await, Founder::new().await);
    let (own, other) = (ours.cluster.own().node, theirs.cluster.own().node);
    let refused = refusal(meet(server(&ours.cluster), client(&theirs.cluster, own)).await);
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    // A client that believes in the server, and is not believed.
    let mut trusting = theirs.cluster.identity().trust.authorities();
    trusting.extend(ours.cluster.identity().trust.authorities());
    let trust = Trust::new(ours.cluster.own().cluster, trusting, [].into()).unwrap();
    let key = theirs.cluster.folder.needed("node.key").unwrap();
    let certificate = theirs.cluster.folder.certificates("node.crt").unwrap();
    let stranger = Identity::new(&key, certificate[0].clone(), trust).unwrap();
    let stranger = PeerTls::new(Arc::new(stranger))
        .client(own, PROTOCOL)
        .unwrap();
    let refused = refusal(meet(server(&ours.cluster), stranger).await);
    assert!(refused.contains("UnknownCA"), "{refused}");
    let refused = refusal(meet(server(&theirs.cluster), client(&ours.cluster, other)).await);
    assert!(refused.contains("UnknownIssuer"), "{refused}");
}

#[tokio::test]
async fn a_certificate_for_another_cluster_by_the_same_authority_is_refused() {
    let founder = Founder::new().await;
    let (key, certificate) = signed(&founder, ClusterId::draw(), now() + 3600);
    let other = PeerTls::new(with(&founder, &key, certificate));
    let own = founder.cluster.own().node;
    let called = meet(
        server(&founder.cluster),
        other.client(own, PROTOCOL).unwrap(),
    )
    .await;
    assert!(called.is_err());
    let answered = meet(
        other.server(PROTOCOL).unwrap(),
        client(&founder.cluster, own),
    )
    .await;
    let refused = refusal(answered);
    assert!(refused.contains("is of another cluster"), "{refused}");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_both_sides() {
    let founder = Founder::new().await;
    let cluster = founder.cluster.own().cluster;
    let (key, certificate) = signed(&founder, cluster, now() - 60);
    let expired = with(&founder, &key, certificate);
    let (own, node) = (founder.cluster.own().node, expired.certificate().node);
    let expired = PeerTls::new(expired);
    let called = meet(
        server(&founder.cluster),
        expired.client(own, PROTOCOL).unwrap(),
    )
    .await;
    let refused = refusal(called);
    assert!(refused.contains("Expired"), "{refused}");
    let answered = meet(
        expired.server(PROTOCOL).unwrap(),
        client(&founder.cluster, node),
    )
    .await;
    let refused = refusal(answered);
    assert!(refused.contains("expired"), "{refused}");
}

#[tokio::test]
async fn a_removed_node_is_refused_from_the_next_handshake_on() {
    let (founder, second, _data) = two().await;
    let (one, two) = (founder.cluster.own().node, second.own().node);
    // The same configurations are used before and after, so a session could be resumed.
    let (serving, calling) = (server(&founder.cluster), client(&second, one));
    let (served, called) = (server(&second), client(&founder.cluster, two));
    meet(serving.clone(), calling.clone()).await.unwrap();
    meet(served.clone(), called.clone()).await.unwrap();

    let mut watched = founder.cluster.identity().trust.removed();
    founder.registry.remove(two, now()).await.unwrap();
    founder.cluster.refresh(&*founder.registry).await.unwrap();
    assert!(watched.has_changed().unwrap());
    assert!(watched.borrow_and_update().contains(&two));

    assert!(meet(serving, calling).await.is_err());
    let refused = refusal(meet(served, called).await);
    assert!(refused.contains("was removed"), "{refused}");
    // Also by one that was started anew and cannot reach the store.
    let again = Cluster::open(founder.data.path()).unwrap().unwrap();
    assert!(meet(server(&again), client(&second, one)).await.is_err());
}

#[tokio::test]
async fn an_authority_takes_anothers_place_while_both_count() {
    let (founder, second, _data) = two().await;
    let own = founder.cluster.own();
    let trust = &founder.cluster.identity().trust;
    let old = trust.authorities();
    let (next, _) = Authority::create(own.cluster, now()).unwrap();
    let both = vec![next.certificate().clone(), old[0].clone()];
    let (key, certificate) = signed_by(&next, own.cluster, now() + 3600);
    let by_next = with(&founder, &key, certificate);
    by_next.trust.replace_authorities(both.clone()).unwrap();
    let by_next = PeerTls::new(by_next);
    let met = async |calling| meet(server(&founder.cluster), calling).await.is_ok();
    let (by_old, by_next) = (
        client(&second, own.node),
        by_next.client(own.node, PROTOCOL).unwrap(),
    );
    assert_eq!(
        (met(by_old.clone()).await, met(by_next.clone()).await),
        (true, false)
    );
    trust.replace_authorities(both.clone()).unwrap();
    assert_eq!(
        (met(by_old.clone()).await, met(by_next.clone()).await),
        (true, true)
    );
    trust.replace_authorities(both[..1].to_vec()).unwrap();
    assert_eq!((met(by_old).await, met(by_next).await), (false, true));
}

#[tokio::test]
async fn whoever_shows_no_certificate_is_refused() {
    let founder = Founder::new().await;
    let nobody = crate::tls::joining_client(founder.cluster.fingerprint(), PROTOCOL).unwrap();
    let refused = refusal(meet(server(&founder.cluster), nobody).await);
    assert!(refused.contains("CertificateRequired"), "{refused}");
}

#[tokio::test]
async fn a_node_that_answers_in_anothers_place_is_refused() {
    let (founder, second, _data) = two().await;
    let other = NodeId(1);
    let refused = refusal(meet(server(&second), client(&founder.cluster, other)).await);
    assert!(refused.contains("should be"), "{refused}");
}

#[tokio::test]
async fn a_service_is_not_taken_for_another() {
    let (founder, second, _data) = two().await;
    let one = founder.cluster.own().node;
    let other = second.tls().client(one, b"other/1").unwrap();
    assert!(meet(server(&founder.cluster), other).await.is_err());
}

#[tokio::test]
async fn tls_1_2_is_not_spoken() {
    let founder = Founder::new().await;
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let refused = refusal(meet(server(&founder.cluster), Arc::new(config)).await);
    assert!(refused.contains("ProtocolVersion"), "{refused}");
}

#[test]
fn a_certificate_whose_key_is_not_the_nodes_names_nobody() {
    // As somebody would make it who has the authority's key.
    let (authority, _) = Authority::create(ClusterId(1), now()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    let uri = crate::certificate::uri(ClusterId(1), NodeId(7));
    params.subject_alt_names = vec![rcgen::SanType::URI(uri.try_into().unwrap())];
    let certificate = params.self_signed(&key).unwrap();
    let read = crate::NodeCertificate::read(certificate.der());
    assert_eq!(read, Err(crate::CertificateError::OtherKey));
    let read = crate::NodeCertificate::read(authority.certificate());
    assert_eq!(read, Err(crate::CertificateError::NoNode));
}
