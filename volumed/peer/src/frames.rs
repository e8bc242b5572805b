use bytes::{Buf as _, BytesMut};
use volumed_core::wire::{Frame, HEADER_SIZE, Header, VERSION, WireError};

/// What a side sends that has nothing to say: a header of no kind, and no body.
pub(crate) const PING: [u8; HEADER_SIZE] = {
    let mut bytes = [0; HEADER_SIZE];
    let version = VERSION.to_le_bytes();
    (bytes[4], bytes[5]) = (version[0], version[1]);
    bytes
};

/// Room that a read finds at least, in bytes.
const LEAST: usize = 16 << 10;

/// Room that is made at once for frames whose length is not known yet, in bytes.
const CHUNK: usize = 64 << 10;

/// What comes in on a link becomes frames, whose data is not copied.
#[derive(Debug)]
pub(crate) struct Frames {
    input: BytesMut,
    /// Of the frame whose body is on its way.
    header: Option<Header>,
}

/// One thing that came in whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Ping,
    Frame(Frame),
}

impl Frames {
    /// Goes on with what was read behind the hello.
    pub fn new(input: BytesMut) -> Self {
        Self {
            input,
            header: None,
        }
    }

    /// Where to read into: what is known to come fits.
    pub fn room(&mut self) -> &mut BytesMut {
        let body = self.header.map_or(HEADER_SIZE, |it| it.body_length());
        let missing = body.saturating_sub(self.input.len());
        if self.input.capacity() - self.input.len() < missing.max(LEAST) {
            let room = missing.max(CHUNK);
            if self.input.is_empty() {
                // Reserving would keep the whole of a large buffer of which this is the end.
                self.input = BytesMut::with_capacity(room);
            } else {
                self.input.reserve(room);
            }
        }
        &mut self.input
    }

    /// What is here whole; after an error the stream is of no more use.
    pub fn next(&mut self) -> Result<Option<Item>, WireError> {
        if self.header.is_none() {
            let Some(bytes) = self.input.first_chunk::<HEADER_SIZE>() else {
                return Ok(None);
            };
            self.header = (*bytes != PING)
                .then(|| Header::decode(bytes))
                .transpose()?;
            self.input.advance(HEADER_SIZE);
        }
        let Some(header) = self.header else {
            return Ok(Some(Item::Ping));
        };
        if self.input.len() < header.body_length() {
            return Ok(None);
        }
        self.header = None;
        let body = self.input.split_to(header.body_length()).freeze();
        header.frame(body).map(|frame| Some(Item::Frame(frame)))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use volumed_core::message::{Answer, Ask, ExtentFile, Message, OpId};
    use volumed_core::{Alloc, DiskNumber, Epoch, ExtentIndex, Incarnation, VolumeId};

    use super::*;

    fn frame() -> impl Strategy<Value = Frame> {
        let data = vec(any::<u8>(), 0..200_000).prop_map(Bytes::from);
        (any::<u64>(), data, any::<bool>()).prop_map(|(op, data, answers)| {
            let (volume, disk) = (VolumeId(1), DiskNumber(2));
            let (incarnation, epoch, op) = (Incarnation(3), Epoch(4), OpId(op));
            if answers || data.is_empty() {
                return Frame::Answer(Answer {
                    volume,
                    disk,
                    incarnation,
                    epoch,
                    op,
                    allocated: 5,
                    granted: 6,
                    result: Ok(data),
                });
            }
            let file = ExtentFile {
                extent: ExtentIndex(7),
                alloc: Alloc(8),
            };
            Frame::Message(Message {
                volume,
                disk,
                incarnation,
                epoch,
                op,
                ask: Ask::Write {
                    file,
                    offset: 9,
                    data,
                    durable: true,
                    clear: false,
                },
            })
        })
    }

    fn item() -> impl Strategy<Value = Item> {
        prop_oneof![Just(Item::Ping), frame().prop_map(Item::Frame)]
    }

    fn bytes(item: &Item) -> Vec<u8> {
        match item {
            Item::Ping => PING.to_vec(),
            Item::Frame(frame) => {
                let encoded = frame.encode();
                [&encoded.head[..], &encoded.data].concat()
            }
        }
    }

    fn all(frames: &mut Frames) -> Vec<Item> {
        std::iter::from_fn(|| frames.next().unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn frames_are_read_whatever_reads_their_bytes_come_in(
            items in vec(item(), 1..8),
            reads in vec(1..100_000_usize, 1..8),
        ) {
            let sent: Vec<u8> = items.iter().flat_map(bytes).collect();
            let (mut frames, mut read) = (Frames::new(BytesMut::new()), Vec::new());
            let (mut rest, mut lengths) = (&sent[..], reads.iter().cycle());
            while let (false, Some(length)) = (rest.is_empty(), lengths.next()) {
                let room = frames.room();
                let space = room.capacity() - room.len();
                prop_assert!(space >= LEAST);
                let (now, later) = rest.split_at(rest.len().min(space).min(*length));
                room.extend_from_slice(now);
                rest = later;
                read.extend(all(&mut frames));
            }
            prop_assert_eq!(read, items);
        }

        #[test]
        fn anything_may_come_in(sent in vec(any::<u8>(), 0..200)) {
            let mut frames = Frames::new(BytesMut::from(&sent[..]));
            while let Ok(Some(_)) = frames.next() {}
        }
    }

    #[test]
    fn a_body_that_is_known_to_come_fits_one_read() {
        let data = Bytes::from(vec![7; 1 << 20]);
        let answer = Frame::Answer(Answer {
            result: Ok(data),
            ..Answer::of_absent(VolumeId(1), DiskNumber(2), Epoch(3), OpId(4))
        });
        let sent = bytes(&Item::Frame(answer));
        let mut frames = Frames::new(BytesMut::new());
        frames.room().extend_from_slice(&sent[..1000]);
        assert_eq!(frames.next(), Ok(None));
        let room = frames.room();
        assert!(room.capacity() - room.len() >= sent.len() - 1000);
    }
}
