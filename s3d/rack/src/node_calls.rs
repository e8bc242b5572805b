//! What a node asks of another one in its own name, over the hop.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use volumed_cluster::Cluster;

use crate::connections::Connections;
use crate::label::{Label, Service};
use crate::nodes::Nodes;
use crate::rack::OUT_OF_REACH;

/// The call by which a node is given the cluster's secrets.
pub const SECRETS: &str = "/secrets";

/// The longest answer that is read, in bytes.
const MOST: usize = 64 << 10;

/// A call of another node.
pub fn call(uri: Uri) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = uri;
    let label = Label {
        service: Service::Node,
        client: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        tls: None,
    };
    label.put(request.headers_mut());
    request
}

/// The cluster's secrets, from the first of the other nodes that gives them.
pub async fn fetch_secrets(cluster: &Cluster, nodes: &Nodes) -> Option<String> {
    let connections = Connections::new(cluster.tls(), OUT_OF_REACH);
    for node in nodes.all() {
        let request = call(Uri::from_static(SECRETS));
        match fetch(&connections, &node, request).await {
            Ok(text) => return Some(text),
            Err(reason) => {
                tracing::warn!(node = %node.number, reason, "a node did not give the secrets");
            }
        }
    }
    None
}

async fn fetch(
    connections: &Arc<Connections>,
    node: &crate::presence::Presence,
    request: Request<Body>,
) -> Result<String, String> {
    let answer = connections.send(node, request).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.status() != StatusCode::OK {
        return Err(format!("it answered {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), MOST).collect().await;
    let bytes = body.map_err(|error| error.to_string())?.to_bytes();
    String::from_utf8(bytes.into()).map_err(|error| error.to_string())
}
