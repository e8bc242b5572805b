use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::option::{ClientOption, ContextQuery, ExportQuery};
use super::requests::{Agreed, Requests, transmission_flags};
use crate::Violation;
use crate::limits::{INPUT_ROOM, MAX_OPTION, MAX_PAYLOAD, MINIMUM_BLOCK, PREFERRED_BLOCK};
use crate::wire::{
    EXPORT_NAME_ZEROES, NBD_MAGIC, OPTION_HEADER_LENGTH, OPTION_MAGIC, OPTION_REPLY_MAGIC,
    allocation, handshake_flag, info, option, option_reply,
};

/// The handshake as the server sees it, up to the opening of an export.
#[derive(Debug)]
pub struct Handshake {
    input: BytesMut,
    output: BytesMut,
    phase: Phase,
    tls: Tls,
    no_zeroes: bool,
    structured: bool,
    /// The export for which `base:allocation` was chosen.
    allocation_of: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tls {
    NotOffered,
    /// Nothing but STARTTLS is obeyed before it.
    Required,
    Active,
}

/// What the client wants next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// More bytes are needed.
    NeedInput,
    /// The exports' names: answer with [`Handshake::list`].
    List,
    /// What an export is like: answer with [`Handshake::describe`] or [`Handshake::refuse`].
    Describe(String),
    /// To speak TLS from here on: send the output first.
    StartTls,
    /// An export, to be used: answer with [`Handshake::open`] or [`Handshake::refuse`].
    Open(String),
    /// The client is done: send the output and close.
    Aborted,
}

/// Why an export cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is none of that name.
    Unknown,
    /// There is one, but this client may not have it.
    Policy,
    /// The server is stopping.
    Shutdown,
}

#[derive(Debug)]
enum Phase {
    ClientFlags,
    Options,
    /// Throws away the rest of an option that is too long, which was answered already.
    Draining(u32),
    Listing,
    Asked(Question),
    Over,
}

#[derive(Debug)]
enum Question {
    ExportName(String),
    Info(ExportQuery),
    Go(ExportQuery),
    ListContexts(ContextQuery),
    SetContexts(ContextQuery),
}

impl Default for Handshake {
    fn default() -> Self {
        Self::new()
    }
}

impl Handshake {
    /// A connection that has just been accepted; the greeting is in the output.
    pub fn new() -> Self {
        Self::greet(Tls::NotOffered)
    }

    /// The same on a network that others can read: only a client that speaks TLS gets anywhere.
    pub fn requiring_tls() -> Self {
        Self::greet(Tls::Required)
    }

    fn greet(tls: Tls) -> Self {
        let mut output = BytesMut::with_capacity(256);
        output.put_u64(NBD_MAGIC);
        output.put_u64(OPTION_MAGIC);
        output.put_u16(handshake_flag::FIXED_NEWSTYLE | handshake_flag::NO_ZEROES);
        Self {
            input: BytesMut::new(),
            output,
            phase: Phase::ClientFlags,
            tls,
            no_zeroes: false,
            structured: false,
            allocation_of: None,
        }
    }

    /// Where to put what the client sent; has room.
    pub fn input(&mut self) -> &mut BytesMut {
        self.input.reserve(INPUT_ROOM);
        &mut self.input
    }

    /// What to send to the client now.
    pub fn take_output(&mut self) -> Bytes {
        self.output.split().freeze()
    }

    /// Goes on with what came in. Do not call again before a question is answered.
    pub fn step(&mut self) -> Result<Step, Violation> {
        loop {
            match &mut self.phase {
                Phase::ClientFlags => {
                    let Ok(flags) = self.input.try_get_u32() else {
                        return Ok(Step::NeedInput);
                    };
                    self.take_client_flags(flags)?;
                }
                Phase::Draining(left) => {
                    let now = self.input.len().min(*left as usize);
                    self.input.advance(now);
                    *left -= now as u32;
                    if *left > 0 {
                        return Ok(Step::NeedInput);
                    }
                    self.phase = Phase::Options;
                }
                Phase::Options => {
                    let Some((number, option)) = self.take_option()? else {
                        return Ok(Step::NeedInput);
                    };
                    if self.tls == Tls::Required
                        && !matches!(number, option::STARTTLS | option::ABORT)
                    {
                        self.require_tls(number)?;
                    } else if let Some(step) = self.obey(number, option)? {
                        return Ok(step);
                    }
                }
                Phase::Listing | Phase::Asked(_) => return Ok(Step::NeedInput),
                Phase::Over => return Ok(Step::Aborted),
            }
        }
    }

    /// Answers [`Step::List`].
    pub fn list<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        debug_assert!(
            matches!(self.phase, Phase::Listing),
            "nobody asked for a list"
        );
        for name in names {
            self.put_reply_header(option::LIST, option_reply::SERVER, 4 + name.len());
            self.output.put_u32(name.len() as u32);
            self.output.put_slice(name.as_bytes());
        }
        self.put_reply_header(option::LIST, option_reply::ACK, 0);
        self.phase = Phase::Options;
    }

    /// Answers [`Step::Describe`]: the export has `size` bytes.
    pub fn describe(&mut self, size: u64) {
        match std::mem::replace(&mut self.phase, Phase::Options) {
            Phase::Asked(Question::Info(query)) => self.put_export(option::INFO, &query, size),
            Phase::Asked(Question::ListContexts(query)) => {
                self.put_contexts(option::LIST_META_CONTEXT, 0, &query);
            }
            Phase::Asked(Question::SetContexts(query)) => {
                self.put_contexts(option::SET_META_CONTEXT, allocation::ID, &query);
                self.allocation_of = query.allocation.then_some(query.name);
            }
            _ => debug_assert!(false, "nobody asked what an export is like"),
        }
    }

    /// Answers [`Step::Open`]: the export has `size` bytes. Send [`Requests::take_output`] first.
    pub fn open(mut self, size: u64) -> Requests {
        let chosen = self.allocation_of.take();
        let mut status = false;
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Asked(Question::Go(query)) => {
                status = chosen.as_ref() == Some(&query.name);
                self.put_export(option::GO, &query, size);
            }
            Phase::Asked(Question::ExportName(name)) => {
                status = chosen == Some(name);
                self.output.put_u64(size);
                self.output.put_u16(transmission_flags(self.structured));
                if !self.no_zeroes {
                    self.output.put_bytes(0, EXPORT_NAME_ZEROES);
                }
            }
            _ => debug_assert!(false, "nobody asked to open an export"),
        }
        let agreed = Agreed {
            structured: self.structured,
            status,
        };
        Requests::new(size, agreed, self.input, self.output)
    }

    /// Answers [`Step::Describe`] and [`Step::Open`]: no, with a sentence.
    pub fn refuse(&mut self, refusal: Refusal, sentence: &str) -> Result<(), Violation> {
        let number = match std::mem::replace(&mut self.phase, Phase::Options) {
            Phase::Asked(Question::Info(_)) => option::INFO,
            Phase::Asked(Question::Go(_)) => option::GO,
            Phase::Asked(Question::ListContexts(_)) => option::LIST_META_CONTEXT,
            Phase::Asked(Question::SetContexts(_)) => option::SET_META_CONTEXT,
            _ => return Err(Violation::ExportName),
        };
        let kind = match refusal {
            Refusal::Unknown => option_reply::UNKNOWN,
            Refusal::Policy => option_reply::POLICY,
            Refusal::Shutdown => option_reply::SHUTDOWN,
        };
        self.put_error(number, kind, sentence);
        Ok(())
    }

    fn take_client_flags(&mut self, flags: u32) -> Result<(), Violation> {
        let known = u32::from(handshake_flag::FIXED_NEWSTYLE | handshake_flag::NO_ZEROES);
        if flags & !known != 0 {
            return Err(Violation::HandshakeFlags);
        }
        self.no_zeroes = flags & u32::from(handshake_flag::NO_ZEROES) != 0;
        self.phase = Phase::Options;
        Ok(())
    }

    /// The next option once it is here whole; the data of an over-long one is not waited for.
    fn take_option(&mut self) -> Result<Option<(u32, ClientOption)>, Violation> {
        let mut header = &self.input[..];
        if header.len() < OPTION_HEADER_LENGTH {
            return Ok(None);
        }
        if header.get_u64() != OPTION_MAGIC {
            return Err(Violation::Magic);
        }
        let (number, length) = (header.get_u32(), header.get_u32());
        if length > MAX_OPTION {
            self.input.advance(OPTION_HEADER_LENGTH);
            self.phase = Phase::Draining(length);
            return Ok(Some((number, ClientOption::TooLong)));
        }
        if header.len() < length as usize {
            return Ok(None);
        }
        self.input.advance(OPTION_HEADER_LENGTH);
        let data = self.input.split_to(length as usize).freeze();
        Ok(Some((number, ClientOption::parse(number, data))))
    }

    fn obey(&mut self, number: u32, option: ClientOption) -> Result<Option<Step>, Violation> {
        if number == option::SET_META_CONTEXT {
            // Also one that fails takes the place of the choice before.
            self.allocation_of = None;
        }
        match option {
            ClientOption::ExportName(name) => {
                self.phase = Phase::Asked(Question::ExportName(name.clone()));
                return Ok(Some(Step::Open(name)));
            }
            ClientOption::Go(query) => {
                let name = query.name.clone();
                self.phase = Phase::Asked(Question::Go(query));
                return Ok(Some(Step::Open(name)));
            }
            ClientOption::Info(query) => {
                let name = query.name.clone();
                self.phase = Phase::Asked(Question::Info(query));
                return Ok(Some(Step::Describe(name)));
            }
            ClientOption::List => {
                self.phase = Phase::Listing;
                return Ok(Some(Step::List));
            }
            ClientOption::Abort => {
                self.put_reply_header(number, option_reply::ACK, 0);
                self.phase = Phase::Over;
                return Ok(Some(Step::Aborted));
            }
            ClientOption::StructuredReply => {
                self.structured = true;
                self.put_reply_header(number, option_reply::ACK, 0);
            }
            ClientOption::StartTls => return self.start_tls(),
            ClientOption::ListContexts(query) => {
                return Ok(self.ask_contexts(number, query, Question::ListContexts));
            }
            ClientOption::SetContexts(query) => {
                return Ok(self.ask_contexts(number, query, Question::SetContexts));
            }
            ClientOption::Unknown => {
                self.put_error(
                    number,
                    option_reply::UNSUPPORTED,
                    "this option is not known",
                );
            }
            ClientOption::Malformed | ClientOption::TooLong if number == option::EXPORT_NAME => {
                return Err(Violation::ExportName);
            }
            ClientOption::TooLong => {
                self.put_error(number, option_reply::TOO_BIG, "this option is too long");
            }
            ClientOption::Malformed => {
                self.put_error(
                    number,
                    option_reply::INVALID,
                    "this option's data is malformed",
                );
            }
        }
        Ok(None)
    }

    fn require_tls(&mut self, number: u32) -> Result<(), Violation> {
        if number == option::EXPORT_NAME {
            return Err(Violation::ExportName);
        }
        let sentence = "this server speaks of nothing else before TLS: start it first";
        self.put_error(number, option_reply::TLS_REQUIRED, sentence);
        Ok(())
    }

    /// What was said before TLS may have been said by anybody: only what its client repeats counts.
    fn start_tls(&mut self) -> Result<Option<Step>, Violation> {
        let (kind, sentence) = match self.tls {
            Tls::NotOffered => (option_reply::POLICY, "this server does not offer TLS here"),
            Tls::Active => (option_reply::INVALID, "TLS is in use already"),
            Tls::Required if self.input.is_empty() => {
                self.put_reply_header(option::STARTTLS, option_reply::ACK, 0);
                self.tls = Tls::Active;
                self.structured = false;
                self.allocation_of = None;
                return Ok(Some(Step::StartTls));
            }
            Tls::Required => return Err(Violation::BeforeTls),
        };
        self.put_error(option::STARTTLS, kind, sentence);
        Ok(None)
    }

    fn ask_contexts(
        &mut self,
        number: u32,
        query: ContextQuery,
        question: fn(ContextQuery) -> Question,
    ) -> Option<Step> {
        if !self.structured {
            let sentence = "metadata contexts need structured replies: ask for those first";
            self.put_error(number, option_reply::INVALID, sentence);
            return None;
        }
        let name = query.name.clone();
        self.phase = Phase::Asked(question(query));
        Some(Step::Describe(name))
    }

    fn put_contexts(&mut self, number: u32, id: u32, query: &ContextQuery) {
        if query.allocation {
            let name = allocation::NAME.as_bytes();
            self.put_reply_header(number, option_reply::META_CONTEXT, 4 + name.len());
            self.output.put_u32(id);
            self.output.put_slice(name);
        }
        self.put_reply_header(number, option_reply::ACK, 0);
    }

    fn put_export(&mut self, number: u32, query: &ExportQuery, size: u64) {
        self.put_reply_header(number, option_reply::INFO, 12);
        self.output.put_u16(info::EXPORT);
        self.output.put_u64(size);
        self.output.put_u16(transmission_flags(self.structured));
        self.put_reply_header(number, option_reply::INFO, 14);
        self.output.put_u16(info::BLOCK_SIZE);
        self.output.put_u32(MINIMUM_BLOCK);
        self.output.put_u32(PREFERRED_BLOCK);
        self.output.put_u32(MAX_PAYLOAD);
        if query.wants_name {
            self.put_reply_header(number, option_reply::INFO, 2 + query.name.len());
            self.output.put_u16(info::NAME);
            self.output.put_slice(query.name.as_bytes());
        }
        self.put_reply_header(number, option_reply::ACK, 0);
    }

    fn put_error(&mut self, number: u32, kind: u32, sentence: &str) {
        self.put_reply_header(number, kind, sentence.len());
        self.output.put_slice(sentence.as_bytes());
    }

    fn put_reply_header(&mut self, number: u32, kind: u32, length: usize) {
        self.output.put_u64(OPTION_REPLY_MAGIC);
        self.output.put_u32(number);
        self.output.put_u32(kind);
        self.output.put_u32(length as u32);
    }
}
