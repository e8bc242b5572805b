//! An authority of the cluster's own, and certificates that it signed.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// The files (PEM) of a cluster with TLS.
#[derive(Debug)]
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    pub(crate) fn make(folder: &Path) -> Self {
        let made = Self {
            folder: folder.to_owned(),
        };
        let (authority, stranger) = (authority("the cluster"), authority("a stranger"));
        made.write("ca.crt", &authority.as_ref().pem());
        made.sign("member", &authority);
        made.sign("client", &authority);
        made.sign("stranger", &stranger);
        made
    }

    /// What the members' certificates are signed by.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// Certificate and key of a client that the members let in.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        self.files("client")
    }

    /// Certificate and key of one that they do not.
    pub fn stranger(&self) -> (PathBuf, PathBuf) {
        self.files("stranger")
    }

    pub(crate) fn arguments(&self) -> Vec<String> {
        let (certificate, key) = self.files("member");
        let of_each = ["", "peer-"].map(|of| {
            [
                format!("--{of}trusted-ca-file={}", self.ca().display()),
                format!("--{of}cert-file={}", certificate.display()),
                format!("--{of}key-file={}", key.display()),
                format!("--{of}client-cert-auth"),
            ]
        });
        of_each.into_iter().flatten().collect()
    }

    fn files(&self, name: &str) -> (PathBuf, PathBuf) {
        let file = |kind| self.folder.join(format!("{name}.{kind}"));
        (file("crt"), file("key"))
    }

    fn sign(&self, name: &str, authority: &CertifiedIssuer<'static, KeyPair>) {
        let mut params = named(name);
        // A member is a client of others, and of itself.
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a key can be made");
        let signed = params.signed_by(&key, authority);
        let certificate = signed.expect("a certificate can be signed");
        self.write(&format!("{name}.crt"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).expect("a file can be written");
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().expect("a key can be made");
    CertifiedIssuer::self_signed(params, key).expect("a certificate can be made")
}

fn named(name: &str) -> CertificateParams {
    let hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(hosts).expect("these are host names");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
