//! What a request brings along on the hop from one node to another: which service it is for, and how its
//! client came. Only on the hop this is read, and believed since other nodes alone can connect there.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use s3d_front::TlsVersion;

/// The header that carries it: `<service> <address of the client> <version of TLS, or ->`.
const LABEL: HeaderName = HeaderName::from_static("hayrack-hop");

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// S3.
    S3,
    /// The REST API.
    Api,
    /// What nodes ask of each other in their own name.
    Node,
}

const SERVICES: [(Service, &str); 3] = [
    (Service::S3, "s3"),
    (Service::Api, "api"),
    (Service::Node, "node"),
];

/// How a request came to the node that sent it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// What it is for.
    pub service: Service,
    /// Who sent it.
    pub client: SocketAddr,
    /// The version of TLS that the client spoke, if it did.
    pub tls: Option<TlsVersion>,
}

impl Label {
    /// Puts it on a request, whatever the client wrote there.
    pub fn put(&self, headers: &mut HeaderMap) {
        let service = SERVICES
            .iter()
            .find(|(service, _)| *service == self.service);
        let service = service.map_or("", |(_, name)| *name);
        let tls = self.tls.map_or("-", |TlsVersion(version)| version);
        let text = format!("{service} {} {tls}", self.client);
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(LABEL, value);
        }
    }

    /// Takes it off a request that came by the hop; `None` if it has none that makes sense.
    pub fn take(headers: &mut HeaderMap) -> Option<Self> {
        let value = headers.remove(LABEL)?;
        let mut words = value.to_str().ok()?.split(' ');
        let (service, client, tls) = (words.next()?, words.next()?, words.next()?);
        let service = SERVICES.iter().find(|(_, name)| *name == service)?.0;
        let tls = match tls {
            "-" => None,
            "1.2" => Some(TlsVersion("1.2")),
            "1.3" => Some(TlsVersion("1.3")),
            _ => return None,
        };
        let client = client.parse().ok()?;
        Some(Self {
            service,
            client,
            tls,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_replaces_what_the_client_wrote_and_comes_off_whole() {
        for tls in [None, Some(TlsVersion("1.2")), Some(TlsVersion("1.3"))] {
            let label = Label {
                service: Service::Api,
                client: "[2001:db8::1]:40000".parse().unwrap(),
                tls,
            };
            let mut headers = HeaderMap::new();
            headers.insert(LABEL, HeaderValue::from_static("s3 192.0.2.1:1 -"));
            label.put(&mut headers);
            assert_eq!(Label::take(&mut headers), Some(label));
            assert_eq!((Label::take(&mut headers), headers.len()), (None, 0));
        }
    }

    #[test]
    fn nonsense_is_none() {
        for text in [
            "",
            "s3",
            "s3 192.0.2.1:1",
            "s4 192.0.2.1:1 -",
            "s3 192.0.2.1 -",
            "s3 192.0.2.1:1 2",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(LABEL, HeaderValue::from_static(text));
            assert_eq!(Label::take(&mut headers), None, "{text}");
        }
    }
}
