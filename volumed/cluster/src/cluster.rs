//! This node in its cluster: what is in the folder, and in force.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::RwLock;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::sync::Mutex;
use volumed_meta::EtcdLocation;

use crate::authority::{
    Authority, AuthorityError, CERTIFICATE_LIFE, Fingerprint, SigningRequest, Subject,
};
use crate::folder::{Folder, FolderError, Members, Own, read_certificates, write_certificates};
use crate::id::{ClusterId, NodeNumber};
use crate::identity::{Identity, IdentityError};
use crate::node::{Issued, Node, NodeName, Place, PlaceError, RemovedNode, Serial, VERSION};
use crate::registry::{Registry, RegistryError};
use crate::store_location::etcd_location;
use crate::tls::PeerTls;
use crate::trust::{AnchorsError, Trust};

/// The time now, in seconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// This node in its cluster.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) folder: Folder,
    own: Own,
    identity: Arc<Identity>,
    authority: RwLock<Option<Arc<Authority>>>,
    members: RwLock<Members>,
    /// One change at a time, so that what was read last is also what is kept.
    changing: Mutex<()>,
}

/// Where the files are that etcd reads; it reads those of certificates again at each handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdFiles {
    /// The authorities.
    pub authorities: PathBuf,
    /// This node's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The certificates of nodes that were removed.
    pub removed: PathBuf,
}

/// Why this node is in no cluster that works.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Its folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It is in a cluster already.
    #[error("this node is in cluster {0} already; to leave it, have it removed (`volumed node remove`), and remove {path}", path = .1.display())]
    Already(ClusterId, PathBuf),
    /// Its certificate or key cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The authority cannot be used, or signed nothing.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The list of authorities cannot be used.
    #[error(transparent)]
    Anchors(#[from] AnchorsError),
    /// Where it shall be is no place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The store knows nothing of nodes.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// What another node sent is not signed by an authority of the cluster, or is for another node.
    #[error("what was sent to this node is not signed by the cluster's authority")]
    Unsigned,
}

impl Cluster {
    /// Makes a cluster of this node alone, whose record has to be put into the store
    /// ([`Registry::found`]).
    pub fn found(data: &Path, name: NodeName, place: Place) -> Result<(Self, Node), ClusterError> {
        let (cluster, node) = Self::prepare(data, name, place)?;
        cluster.enter()?;
        Ok((cluster, node))
    }

    /// The same, but the node is in the cluster only once it has [entered](Self::enter) it. Until then the next
    /// attempt begins anew.
    pub fn prepare(
        data: &Path,
        name: NodeName,
        place: Place,
    ) -> Result<(Self, Node), ClusterError> {
        place.check()?;
        let folder = Folder::of(data);
        if let Some(own) = folder.record::<Own>("node.json")? {
            return Err(ClusterError::Already(own.cluster, folder.path("")));
        }
        folder.create()?;
        let (id, now) = (ClusterId::draw(), now());
        let (authority, authority_key) = Authority::create(id, now)?;
        let request = SigningRequest::read(&SigningRequest::write(&own_key(&folder)?)?)?;
        let issued = issue(now, CERTIFICATE_LIFE);
        let subject = Subject {
            cluster: id,
            name: &name,
            place: &place,
        };
        let certificate = authority.sign(&request, subject, issued, now)?;
        let node = Node {
            version: VERSION,
            id: request.node(),
            number: NodeNumber(1),
            name,
            place,
            joined: now,
            signs: true,
            certificates: vec![issued],
            drain: None,
        };
        folder.write("ca.key", &authority_key)?;
        folder.write("removed.crl", &authority.revoke(&[], now)?)?;
        let members = Members {
            version: VERSION,
            nodes: vec![node.clone()],
            removed: Vec::new(),
        };
        let authorities = [authority.certificate().clone()];
        let cluster = Self::settle(data, &own(id, &node), &certificate, &authorities, &members)?;
        Ok((cluster, node))
    }

    /// From now on this node is in the cluster, also after a power cut.
    pub fn enter(&self) -> Result<(), ClusterError> {
        Ok(self.folder.write_record("node.json", &self.own)?)
    }

    /// Writes what makes this node one of a cluster but for its own record: without that it is in none.
    pub(crate) fn settle(
        data: &Path,
        own: &Own,
        certificate: &CertificateDer<'static>,
        authorities: &[CertificateDer<'static>],
        members: &Members,
    ) -> Result<Self, ClusterError> {
        let folder = Folder::of(data);
        folder.write("ca.crt", &write_certificates(authorities))?;
        folder.write(
            "node.crt",
            &write_certificates(std::slice::from_ref(certificate)),
        )?;
        folder.write_record("members.json", members)?;
        Self::load(folder, own.clone())
    }

    /// This node's cluster, if it is in one.
    pub fn open(data: &Path) -> Result<Option<Self>, ClusterError> {
        let folder = Folder::of(data);
        let own = folder.record::<Own>("node.json")?;
        own.map(|own| Self::load(folder, own)).transpose()
    }

    fn load(folder: Folder, own: Own) -> Result<Self, ClusterError> {
        let members: Members = folder.record("members.json")?.unwrap_or_default();
        let authorities = folder.certificates("ca.crt")?;
        let authority = match folder.text("ca.key")? {
            Some(key) => Some(Arc::new(Authority::load(authorities[0].clone(), &key)?)),
            None => None,
        };
        let removed = members.removed.iter().map(|node| node.id).collect();
        let trust = Trust::new(own.cluster, authorities, removed)?;
        let certificate = folder.certificates("node.crt")?.swap_remove(0);
        let identity = Identity::new(&folder.needed("node.key")?, certificate, trust)?;
        Ok(Self {
            folder,
            own,
            identity: Arc::new(identity),
            authority: RwLock::new(authority),
            members: RwLock::new(members),
            changing: Mutex::new(()),
        })
    }

    /// This node.
    pub fn own(&self) -> &Own {
        &self.own
    }

    /// Who it is to others, and whom it believes.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// How it speaks with others.
    pub fn tls(&self) -> PeerTls {
        PeerTls::new(self.identity.clone())
    }

    /// The nodes as they were last seen in the store.
    pub fn members(&self) -> Members {
        self.members.read().clone()
    }

    /// The files that etcd reads, and those who speak with it.
    pub fn etcd_files(&self) -> EtcdFiles {
        EtcdFiles {
            authorities: self.folder.path("ca.crt"),
            certificate: self.folder.path("node.crt"),
            key: self.folder.path("node.key"),
            removed: self.folder.path("removed.crl"),
        }
    }

    /// Where the cluster's store is.
    pub fn store_location(&self) -> EtcdLocation {
        etcd_location(&self.folder, &self.own)
    }

    /// The fingerprint of the authority that signs now.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.identity.trust.authorities()[0])
    }

    /// Who signs, if this node may.
    pub fn authority(&self) -> Option<Arc<Authority>> {
        self.authority.read().clone()
    }

    /// Takes over what the store says of nodes. Those that were removed stay so, whatever it says: one of them might
    /// have changed that before its last connection to the store was closed.
    pub async fn refresh(&self, registry: &dyn Registry) -> Result<(), ClusterError> {
        let _one = self.changing.lock().await;
        let (nodes, mut removed) = (registry.nodes().await?, registry.removed().await?);
        let known = self.members().removed;
        let new = |node: &RemovedNode| removed.iter().all(|other| other.id != node.id);
        let kept: Vec<_> = known.into_iter().filter(new).collect();
        removed.extend(kept);
        removed.sort_by_key(|node| node.number);
        let ids: BTreeSet<_> = removed.iter().map(|node| node.id).collect();
        let members = Members {
            version: VERSION,
            nodes,
            removed,
        };
        if members == self.members() {
            return Ok(());
        }
        self.identity.trust.replace_removed(ids);
        if let Some(authority) = self.authority() {
            self.write_removed(&authority, &members)?;
        }
        self.folder.write_record("members.json", &members)?;
        *self.members.write() = members;
        Ok(())
    }

    /// A request for a certificate, in DER.
    pub(crate) fn signing_request(&self) -> Result<Vec<u8>, ClusterError> {
        Ok(SigningRequest::write(&own_key(&self.folder)?)?)
    }

    /// Takes a new certificate into use, and authorities that were added.
    pub(crate) async fn take_certificate(
        &self,
        certificate: &CertificateDer<'static>,
        authorities: &[CertificateDer<'static>],
    ) -> Result<(), ClusterError> {
        let _one = self.changing.lock().await;
        let trust = &self.identity.trust;
        let checked = trust.check_server(certificate, authorities, UnixTime::now());
        if checked != Ok(self.own.node) {
            return Err(ClusterError::Unsigned);
        }
        trust.replace_authorities(authorities.to_vec())?;
        self.identity.replace_certificate(certificate.clone())?;
        self.folder
            .write("ca.crt", &write_certificates(authorities))?;
        let certificate = write_certificates(std::slice::from_ref(certificate));
        Ok(self.folder.write("node.crt", &certificate)?)
    }

    /// Takes a certificate into use that this node signs for itself, and that is in no record.
    pub(crate) async fn sign_own(&self, life: u64) -> Result<(), ClusterError> {
        let authority = self.authority().ok_or(ClusterError::Unsigned)?;
        let request = SigningRequest::read(&self.signing_request()?)?;
        let subject = Subject {
            cluster: self.own.cluster,
            name: &self.own.name,
            place: &self.own.place,
        };
        let now = now();
        let certificate = authority.sign(&request, subject, issue(now, life), now)?;
        let authorities = self.identity.trust.authorities();
        self.take_certificate(&certificate, &authorities).await
    }

    /// Takes the authority's key: from now on this node signs.
    pub(crate) async fn take_authority(&self, key: &str) -> Result<(), ClusterError> {
        let _one = self.changing.lock().await;
        let certificate = self.identity.trust.authorities()[0].clone();
        let authority = Arc::new(Authority::load(certificate, key)?);
        self.write_removed(&authority, &self.members())?;
        self.folder.write("ca.key", key)?;
        *self.authority.write() = Some(authority);
        Ok(())
    }

    fn write_removed(&self, authority: &Authority, members: &Members) -> Result<(), ClusterError> {
        let list = authority.revoke(&members.removed, now())?;
        Ok(self.folder.write("removed.crl", &list)?)
    }

    /// The authority's key (PEM), if this node has it.
    pub(crate) fn authority_key(&self) -> Result<Option<String>, ClusterError> {
        Ok(self.folder.text("ca.key")?)
    }
}

fn own(cluster: ClusterId, node: &Node) -> Own {
    Own {
        version: VERSION,
        cluster,
        node: node.id,
        number: node.number,
        name: node.name.clone(),
        place: node.place.clone(),
    }
}

/// A certificate to be: for `life` seconds from now.
pub(crate) fn issue(now: u64, life: u64) -> Issued {
    Issued {
        serial: Serial::draw(),
        expires: now + life,
    }
}

/// This node's key. It is made once: the node's id is its hash, and whoever asks a second time to be let in
/// is recognised by it.
pub(crate) fn own_key(folder: &Folder) -> Result<KeyPair, ClusterError> {
    let Some(key) = folder.text("node.key")? else {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::from)?;
        folder.write("node.key", &key.serialize_pem())?;
        return Ok(key);
    };
    Ok(KeyPair::from_pem(&key).map_err(AuthorityError::from)?)
}

/// Certificates that were sent as PEM.
pub(crate) fn sent_certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, ClusterError> {
    read_certificates(text).ok_or(ClusterError::Unsigned)
}
