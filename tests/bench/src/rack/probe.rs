//! Clients that ask until they get their answer, as SDKs do.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::bail;
use futures::future::try_join_all;
use tokio::time::{sleep, timeout};

use crate::connection::{Connection, Payload, Request};
use crate::sign::Target;

const KEY: &str = "probe";
const BODY: &[u8] = &[7; 4 << 10];
/// How long a client waits for an answer.
const SILENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);
/// How long one asks in vain until the measure fails.
const PATIENCE: Duration = Duration::from_mins(5);
/// How often it is said how many have their answers.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// A client of one bucket, which asks nodes in turn.
pub struct Probe {
    nodes: Vec<Signed>,
}

struct Signed {
    address: String,
    authority: String,
    put: String,
    get: String,
}

/// When a bucket answered, in seconds.
#[derive(Clone, Copy)]
pub struct Answered {
    /// A PUT, which was asked for first.
    pub put: f64,
    /// A GET of that object, which was asked for then.
    pub get: f64,
}

#[derive(Clone, Copy)]
enum Kind {
    Put,
    Get,
}

impl Probe {
    /// A client of a bucket at these nodes.
    pub fn new(targets: &[Target]) -> anyhow::Result<Self> {
        let signed = |target: &Target| {
            Ok(Signed {
                address: target.address(),
                authority: target.authority.clone(),
                put: target.presign("PUT", KEY, "")?,
                get: target.presign("GET", KEY, "")?,
            })
        };
        let nodes = targets.iter().map(signed).collect::<anyhow::Result<_>>()?;
        Ok(Self { nodes })
    }

    async fn until(&self, kind: Kind, begun: Instant) -> anyhow::Result<f64> {
        for node in self.nodes.iter().cycle() {
            let answer = timeout(SILENCE, node.ask(kind)).await;
            let answer = answer.map_err(anyhow::Error::from).flatten();
            if matches!(answer, Ok(200)) {
                break;
            }
            if begun.elapsed() > PATIENCE {
                bail!(
                    "a bucket does not answer at {} for {PATIENCE:?}: {answer:?}",
                    node.authority
                );
            }
            sleep(PAUSE).await;
        }
        Ok(begun.elapsed().as_secs_f64())
    }
}

impl Signed {
    async fn ask(&self, kind: Kind) -> anyhow::Result<u16> {
        let length = BODY.len() as u64;
        let (method, target, body) = match kind {
            Kind::Put => (
                "PUT",
                &self.put,
                Some(Payload {
                    bytes: BODY,
                    length,
                }),
            ),
            Kind::Get => ("GET", &self.get, None),
        };
        let request = Request {
            method,
            target,
            authority: &self.authority,
            header: None,
            body,
            keep: false,
        };
        let mut connection = Connection::open(&self.address).await?;
        Ok(connection.exchange(&request).await?.status)
    }
}

/// When each bucket answered, counted from `begun`; all of them ask at the same time.
///
/// # Errors
/// When one does not answer for minutes.
pub fn put_and_get(probes: &[Probe], begun: Instant) -> anyhow::Result<Vec<Answered>> {
    all(probes, &async |probe: &Probe| {
        let put = probe.until(Kind::Put, begun).await?;
        let get = probe.until(Kind::Get, begun).await?;
        Ok(Answered { put, get })
    })
}

/// When each bucket answered a GET of what [`put_and_get`] put, counted from `begun`.
///
/// # Errors
/// When one does not answer for minutes.
pub fn get(probes: &[Probe], begun: Instant) -> anyhow::Result<Vec<f64>> {
    all(probes, &async |probe: &Probe| {
        probe.until(Kind::Get, begun).await
    })
}

fn all<T>(
    probes: &[Probe],
    ask: &impl AsyncFn(&Probe) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<T>> {
    let answered = Cell::new(0);
    let each = probes.iter().map(async |probe| {
        let answer = ask(probe).await?;
        answered.set(answered.get() + 1);
        Ok(answer)
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::select! {
            answers = try_join_all(each) => answers,
            never = say(&answered, probes.len()) => match never {},
        }
    })
}

async fn say(answered: &Cell<usize>, of: usize) -> Infallible {
    loop {
        sleep(SAY_EVERY).await;
        eprintln!("{} of {of} buckets answered", answered.get());
    }
}
