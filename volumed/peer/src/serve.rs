use std::sync::Arc;

use volumed_core::message::Message;
use volumed_core::wire::Frame;
use volumed_stream::Stream;

use crate::frames::{Frames, Item};
use crate::pulse::Pulse;
use crate::seats::Seated;
use crate::weight::weight;
use crate::writer::Writer;
use crate::{Host, LinkError, LinkId, ReplyTo, Sent, Settings};

/// The replicas' end of one link.
pub(crate) struct Served {
    link: LinkId,
    host: Arc<dyn Host>,
    writer: Arc<Writer>,
    settings: Settings,
    /// The sum of the weights of all messages so far.
    taken: u64,
    /// Free only after the host was told of the end.
    seat: Seated,
}

impl Served {
    pub fn new(
        link: LinkId,
        host: Arc<dyn Host>,
        stream: Stream,
        settings: Settings,
        seat: Seated,
    ) -> Self {
        let pulse = Pulse::new(&settings.times);
        Self {
            link,
            host,
            writer: Arc::new(Writer::new(stream, pulse)),
            settings,
            taken: 0,
            seat,
        }
    }

    /// Hands over messages until the link ends, or another one takes its seat.
    pub async fn run(mut self, frames: Frames) -> LinkError {
        let (writer, unseated) = (Arc::clone(&self.writer), self.seat.unseated());
        tokio::select! {
            Err(error) = self.receive(frames) => error,
            () = writer.send_rest() => LinkError::Gone,
            () = writer.gone() => LinkError::Gone,
            () = writer.pulse().beat(|| writer.ping()) => LinkError::Silent,
            () = unseated => LinkError::Replaced,
        }
    }

    async fn receive(&mut self, mut frames: Frames) -> Result<(), LinkError> {
        loop {
            self.hand_over(&mut frames)?;
            if self.is_full() {
                self.until_room().await;
                continue;
            }
            // Messages that never cease must not keep the rest of the link from its turn.
            tokio::task::coop::consume_budget().await;
            if self.writer.stream().read(frames.room()).await? == 0 {
                return Err(LinkError::Ended);
            }
            self.writer.pulse().heard();
        }
    }

    /// Hands over what is here whole, as long as there is room.
    fn hand_over(&mut self, frames: &mut Frames) -> Result<(), LinkError> {
        self.writer.cork();
        while !self.is_full()
            && let Some(item) = frames.next()?
        {
            match item {
                Item::Ping => {}
                Item::Frame(Frame::Message(message)) => self.take(message),
                Item::Frame(Frame::Answer(_)) => return Err(LinkError::WrongWay),
            }
        }
        self.writer.uncork();
        Ok(())
    }

    fn take(&mut self, message: Message) {
        let weight = weight(&message);
        self.taken += weight;
        let reply = ReplyTo {
            writer: Arc::clone(&self.writer),
            link: self.link,
            sent: Sent::of(&message),
            weight,
            answered: false,
        };
        self.host.message(message, reply);
    }

    /// Whether messages and unsent answers hold as much as they may.
    fn is_full(&self) -> bool {
        self.taken - self.writer.released() >= self.settings.limits.hosted
    }

    /// Reads nothing meanwhile: the other side's silence is then this one's doing.
    async fn until_room(&self) {
        self.writer.pulse().deaf();
        while self.is_full() {
            self.writer.progress().await;
        }
        self.writer.pulse().heard();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.writer.break_off();
        self.host.ended(self.link);
    }
}
