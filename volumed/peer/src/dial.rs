use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rand::RngExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use volumed_core::wire::Frame;
use volumed_stream::Stream;

use crate::frames::{Frames, Item};
use crate::hello::Hello;
use crate::link::{Answered, Link};
use crate::pulse::Pulse;
use crate::writer::Writer;
use crate::{Heads, HelloError, Identity, LinkError, NodeId, Security, Settings};

/// Keeps up the link with one node.
pub(crate) struct Dialer {
    pub own: Identity,
    pub node: NodeId,
    pub security: Security,
    pub settings: Settings,
    pub heads: Arc<dyn Heads>,
    pub link: Arc<Link>,
    /// Where the node may be. When the sender is dropped, the link ends for good.
    pub addresses: watch::Receiver<Vec<SocketAddr>>,
}

/// A connection on which both said who they are.
struct Connected {
    stream: Stream,
    frames: Frames,
    kinds: BTreeSet<u16>,
}

impl Dialer {
    pub async fn run(mut self) {
        let mut pause = self.settings.times.first_pause;
        let mut forgotten = self.addresses.clone();
        loop {
            let (began, addresses) = (Instant::now(), self.addresses.borrow_and_update().clone());
            let error = tokio::select! {
                _ = forgotten.wait_for(|_| false) => return,
                error = self.attempt(&addresses) => error,
            };
            let said = error.to_string();
            if self.link.failed(error) {
                tracing::warn!(node = %self.node, "no link with the node: {said}");
            }
            let times = &self.settings.times;
            if began.elapsed() > times.silence {
                pause = times.first_pause;
            }
            tokio::select! {
                // Nodes that lost the same one do not all call it at the same moment.
                () = sleep(pause.mul_f64(rand::rng().random_range(0.5..1.0))) => {}
                changed = self.addresses.changed() => if changed.is_err() {
                    return;
                },
            }
            pause = next_pause(pause, times.longest_pause);
        }
    }

    /// Calls the node at each of its addresses until one answers, and keeps that link as long as it lasts.
    async fn attempt(&self, addresses: &[SocketAddr]) -> LinkError {
        let mut failed = LinkError::NoAddress;
        for &address in addresses {
            let time = self.settings.times.hello;
            let connected = timeout(time, self.connect(address)).await;
            match connected.unwrap_or(Err(LinkError::Slow(address))) {
                Ok(connected) => {
                    tracing::info!(node = %self.node, %address, "linked with the node");
                    return self.keep(connected).await;
                }
                Err(error) => failed = error,
            }
        }
        failed
    }

    async fn connect(&self, address: SocketAddr) -> Result<Connected, LinkError> {
        if !self.security.allows(address) {
            return Err(LinkError::Unsafe(address));
        }
        let socket = TcpStream::connect(address).await;
        let socket = socket.map_err(|source| LinkError::Connect { address, source })?;
        let called = self.security.call(socket, self.node, address).await;
        let (stream, certified) = called.map_err(|source| LinkError::Tls { address, source })?;
        let refused = |source: HelloError| LinkError::Hello { address, source };
        let own = Hello::of(self.own).encode();
        let said = stream.write_all(&own).await;
        said.map_err(|error| refused(error.into()))?;
        let mut input = BytesMut::new();
        let hello = Hello::read(&stream, &mut input).await.map_err(refused)?;
        if hello.node != self.node {
            let (found, wanted) = (hello.node, self.node);
            return Err(refused(HelloError::Node { found, wanted }));
        }
        hello.check(self.own, certified).map_err(refused)?;
        Ok(Connected {
            stream,
            frames: Frames::new(input),
            kinds: hello.kinds,
        })
    }

    async fn keep(&self, connected: Connected) -> LinkError {
        let pulse = Pulse::new(&self.settings.times);
        let writer = Arc::new(Writer::new(connected.stream, pulse));
        let standing = Standing {
            dialer: self,
            writer: &writer,
        };
        self.link.up(Arc::clone(&writer), connected.kinds);
        self.heads.reached(self.node);
        let ended = tokio::select! {
            Err(error) = self.receive(&writer, connected.frames) => error,
            () = writer.send_rest() => LinkError::Gone,
            () = writer.gone() => LinkError::Gone,
            () = writer.pulse().beat(|| writer.ping()) => LinkError::Silent,
        };
        drop(standing);
        ended
    }

    /// Hands over answers until the link ends.
    async fn receive(&self, writer: &Writer, mut frames: Frames) -> Result<(), LinkError> {
        loop {
            // What the heads send meanwhile leaves together.
            writer.cork();
            while let Some(item) = frames.next()? {
                self.take(item)?;
            }
            writer.uncork();
            // Answers that never cease must not keep the rest of the link from its turn.
            tokio::task::coop::consume_budget().await;
            if writer.stream().read(frames.room()).await? == 0 {
                return Err(LinkError::Ended);
            }
            writer.pulse().heard();
        }
    }

    fn take(&self, item: Item) -> Result<(), LinkError> {
        let answer = match item {
            Item::Ping => return Ok(()),
            Item::Frame(Frame::Answer(answer)) => answer,
            Item::Frame(Frame::Message(_)) => return Err(LinkError::WrongWay),
        };
        let answered = self.link.answered(&answer);
        if answered == Answered::Unasked {
            tracing::debug!(node = %self.node, op = answer.op.0, "an answer that nobody waits for");
            return Ok(());
        }
        self.heads.answer(self.node, answer);
        if answered == Answered::MadeRoom {
            self.heads.room(self.node);
        }
        Ok(())
    }
}

/// A link that stands. However it ends, the heads are told what has no answer, and only then can there
/// be another one.
struct Standing<'a> {
    dialer: &'a Dialer,
    writer: &'a Writer,
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        let unanswered = self.dialer.link.down();
        self.writer.break_off();
        self.dialer.heads.lost(self.dialer.node, unanswered);
    }
}

fn next_pause(pause: Duration, longest: Duration) -> Duration {
    (pause * 2).min(longest)
}
