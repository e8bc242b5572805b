//! A client of the rack's S3, which repeats what an SDK would repeat.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use hayrack_e2e::http::{Answer, Request, exchange_within};
use hayrack_e2e::s3::S3;

/// How long a node may be silent before it is given up for the time.
const SILENCE: Duration = Duration::from_secs(5);
/// How long everything else may take: nobody waits for it unless a test fails.
pub const PATIENCE: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The keys to a namespace, and the nodes that serve it.
#[derive(Clone, Debug)]
pub struct Client {
    nodes: Vec<SocketAddr>,
    access_key: String,
    secret_key: String,
}

impl Client {
    /// One that asks these nodes, the first first.
    pub fn new(nodes: Vec<SocketAddr>, access_key: &str, secret_key: &str) -> Self {
        Self {
            nodes,
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
        }
    }

    /// One that begins with another node, counted round.
    pub fn beginning_with(&self, node: usize) -> Self {
        let mut client = self.clone();
        client.nodes.rotate_left(node % self.nodes.len());
        client
    }

    /// One that asks only that node, counted round.
    pub fn of_node(&self, node: usize) -> Self {
        let mut client = self.beginning_with(node);
        client.nodes.truncate(1);
        client
    }

    /// What an SDK reads from its environment.
    pub fn variables(&self) -> [(&'static str, String); 3] {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.nodes[0])),
            ("AWS_ACCESS_KEY_ID", self.access_key.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_key.clone()),
        ]
    }

    /// One try, at the first node.
    ///
    /// # Errors
    /// When no whole answer came.
    pub fn once(&self, request: &Request) -> anyhow::Result<Answer> {
        self.once_at(self.nodes[0], request)
    }

    fn once_at(&self, node: SocketAddr, request: &Request) -> anyhow::Result<Answer> {
        let s3 = S3::new(node, &self.access_key, &self.secret_key);
        exchange_within(node, &s3.sign(request.clone()), SILENCE)
    }

    /// Tries, at one node after the other, until one gives an answer that no SDK would repeat.
    ///
    /// # Errors
    /// When none did in time: with what came of the last try.
    pub fn send(&self, request: &Request) -> anyhow::Result<Answer> {
        let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
        for node in self.nodes.iter().cycle() {
            let answer = self.once_at(*node, request);
            if let Ok(answer) = &answer
                && answer.status < 500
                && answer.status != 429
            {
                return Ok(answer.clone());
            }
            if begun.elapsed() > PATIENCE {
                let last = answer.map(|answer| format!("{} {}", answer.status, answer.text()));
                bail!("{} {}: {last:?}", request.method, request.target);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        unreachable!("there are nodes, and they are asked round and round")
    }

    /// Puts an object.
    ///
    /// # Errors
    /// When it is not acknowledged in time.
    pub fn put(&self, path: &str, body: Vec<u8>) -> anyhow::Result<()> {
        let answer = self.send(&Request::new("PUT", path).body(body))?;
        if answer.status != 200 {
            bail!("PUT {path}: {} {}", answer.status, answer.text());
        }
        Ok(())
    }

    /// What an object holds; none if there is no such object.
    ///
    /// # Errors
    /// When there is no answer in time, or another one.
    pub fn get(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let answer = self.send(&Request::new("GET", path));
        let answer = answer.with_context(|| format!("GET {path}"))?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            status => bail!("GET {path}: {status} {}", answer.text()),
        }
    }
}
