use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::replies::Replies;
use crate::Violation;
use crate::limits::{INPUT_ROOM, MAX_OPTION, MAX_PAYLOAD};
use crate::wire::{
    NBD_MAGIC, OPTION_MAGIC, OPTION_REPLY_HEADER_LENGTH, OPTION_REPLY_MAGIC, handshake_flag, info,
    option, option_reply, transmission_flag,
};

/// The handshake as the client sees it: fixed newstyle, GO.
#[derive(Debug)]
pub struct Handshake {
    input: BytesMut,
    output: BytesMut,
    export: String,
    greeted: bool,
    size_and_flags: Option<(u64, u16)>,
    max_payload: u32,
}

/// How far the handshake is.
#[derive(Debug)]
pub enum Step {
    /// Send the output; then more bytes are needed.
    NeedInput,
    /// The export is open.
    Established(Established),
    /// The server will not have it.
    Refused(Refused),
}

/// An open export.
#[derive(Debug)]
pub struct Established {
    /// In bytes.
    pub size: u64,
    /// The transmission flags, as they were sent.
    pub flags: u16,
    /// The most that one READ or WRITE may carry, in bytes.
    pub max_payload: u32,
    /// Writes will be refused.
    pub read_only: bool,
    /// FLUSH and FUA are offered: without them nothing can be made durable.
    pub durable: bool,
    /// TRIM is offered.
    pub can_trim: bool,
    /// The machine of what follows.
    pub replies: Replies,
}

/// Why the server refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such export.
    #[error("there is no such export")]
    UnknownExport,
    /// Anything else, in the server's words.
    #[error("the server refused: {0}")]
    Other(String),
}

impl Handshake {
    /// Will ask for `export`, a name of at most 4,096 bytes.
    pub fn new(export: &str) -> Self {
        Self {
            input: BytesMut::new(),
            output: BytesMut::new(),
            export: export.to_owned(),
            greeted: false,
            size_and_flags: None,
            max_payload: MAX_PAYLOAD,
        }
    }

    /// Where to put what the server sent; has room.
    pub fn input(&mut self) -> &mut BytesMut {
        self.input.reserve(INPUT_ROOM);
        &mut self.input
    }

    /// What to send to the server now.
    pub fn take_output(&mut self) -> Bytes {
        self.output.split().freeze()
    }

    /// Goes on with what came in. Nothing more comes after an answer other than
    /// [`Step::NeedInput`].
    pub fn step(&mut self) -> Result<Step, Violation> {
        if !self.greeted {
            if self.input.len() < 18 {
                return Ok(Step::NeedInput);
            }
            self.greet()?;
            self.greeted = true;
        }
        while let Some((kind, data)) = self.take_option_reply()? {
            if let Some(step) = self.obey(kind, data)? {
                return Ok(step);
            }
        }
        Ok(Step::NeedInput)
    }

    fn greet(&mut self) -> Result<(), Violation> {
        if self.input.get_u64() != NBD_MAGIC || self.input.get_u64() != OPTION_MAGIC {
            return Err(Violation::Magic);
        }
        let flags = self.input.get_u16();
        if flags & handshake_flag::FIXED_NEWSTYLE == 0 {
            return Err(Violation::NotFixedNewstyle);
        }
        let known = handshake_flag::FIXED_NEWSTYLE | handshake_flag::NO_ZEROES;
        self.output.put_u32(u32::from(flags & known));
        self.output.put_u64(OPTION_MAGIC);
        self.output.put_u32(option::GO);
        self.output.put_u32(self.export.len() as u32 + 8);
        self.output.put_u32(self.export.len() as u32);
        self.output.put_slice(self.export.as_bytes());
        self.output.put_u16(1);
        self.output.put_u16(info::BLOCK_SIZE);
        Ok(())
    }

    fn take_option_reply(&mut self) -> Result<Option<(u32, Bytes)>, Violation> {
        let mut header = &self.input[..];
        if header.len() < OPTION_REPLY_HEADER_LENGTH {
            return Ok(None);
        }
        if header.get_u64() != OPTION_REPLY_MAGIC {
            return Err(Violation::Magic);
        }
        let (number, kind, length) = (header.get_u32(), header.get_u32(), header.get_u32());
        if number != option::GO || length > MAX_OPTION {
            return Err(Violation::OptionReply);
        }
        if header.len() < length as usize {
            return Ok(None);
        }
        self.input.advance(OPTION_REPLY_HEADER_LENGTH);
        Ok(Some((kind, self.input.split_to(length as usize).freeze())))
    }

    fn obey(&mut self, kind: u32, data: Bytes) -> Result<Option<Step>, Violation> {
        match kind {
            option_reply::INFO => self
                .take_info(data)
                .ok_or(Violation::OptionReply)
                .map(|()| None),
            option_reply::ACK => {
                let (size, flags) = self.size_and_flags.ok_or(Violation::OptionReply)?;
                Ok(Some(Step::Established(self.establish(size, flags))))
            }
            option_reply::UNKNOWN => Ok(Some(Step::Refused(Refused::UnknownExport))),
            kind if kind & option_reply::ERROR != 0 => {
                let sentence = String::from_utf8_lossy(&data).into_owned();
                Ok(Some(Step::Refused(Refused::Other(sentence))))
            }
            _ => Err(Violation::OptionReply),
        }
    }

    /// Information of kinds that were not asked for may come and is passed over.
    fn take_info(&mut self, mut data: Bytes) -> Option<()> {
        match data.try_get_u16().ok()? {
            info::EXPORT => {
                self.size_and_flags = Some((data.try_get_u64().ok()?, data.try_get_u16().ok()?));
            }
            info::BLOCK_SIZE => {
                data.try_get_u64().ok()?;
                let max = data.try_get_u32().ok()?;
                if max == 0 {
                    return None;
                }
                self.max_payload = max.min(MAX_PAYLOAD);
            }
            _ => {}
        }
        Some(())
    }

    fn establish(&mut self, size: u64, flags: u16) -> Established {
        let offers = |flag| flags & flag == flag;
        Established {
            size,
            flags,
            max_payload: self.max_payload,
            read_only: offers(transmission_flag::READ_ONLY),
            durable: offers(transmission_flag::SEND_FLUSH | transmission_flag::SEND_FUA),
            can_trim: offers(transmission_flag::SEND_TRIM),
            replies: Replies::new(self.input.split()),
        }
    }
}
