//! Decodes aws-chunked bodies.
//!
//! Bytes are given on as they come: a chunk is never held back until its signature is known, so
//! memory does not depend on the size of chunks. Whoever reads must not believe the bytes before
//! [`Decoder::finish`] has answered well.

use bytes::{Buf, Bytes};

use super::signature::chunks::ChunkSigner;

/// Longest line: a chunk's header or a trailer.
const MAX_LINE: usize = 4096;

/// Most trailers.
const MAX_TRAILERS: usize = 16;

/// Why a body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkedError {
    /// The framing is wrong.
    #[error("the aws-chunked body is malformed")]
    Malformed,
    /// The body ended too early.
    #[error("the aws-chunked body ended before its last chunk")]
    Truncated,
    /// A chunk's or the trailers' signature does not match.
    #[error("a signature in the aws-chunked body does not match")]
    Signature,
    /// More or fewer bytes than were announced.
    #[error("the body has not the length that x-amz-decoded-content-length announced")]
    Length,
    /// A trailer that `x-amz-trailer` announced did not come, or one came that was not announced.
    #[error("the trailers are not those that x-amz-trailer announced")]
    Trailers,
}

/// What a body announced of itself.
pub struct Announced {
    /// `x-amz-decoded-content-length`.
    pub length: u64,
    /// The names in `x-amz-trailer`, in lower case.
    pub trailers: Vec<String>,
    /// Checks the chunks, if they are signed.
    pub signer: Option<ChunkSigner>,
}

/// Decodes one body.
pub struct Decoder {
    announced: Announced,
    state: State,
    line: Vec<u8>,
    decoded: u64,
    trailers: Vec<(String, String)>,
    trailer_signature: Option<String>,
}

enum State {
    /// In a chunk's header.
    Header,
    /// In a chunk.
    Data {
        left: u64,
        signature: Option<String>,
    },
    /// In the line end behind a chunk.
    DataEnd,
    /// In the trailers.
    Trailers,
    /// Behind everything.
    Done,
}

impl Decoder {
    /// Begins a body.
    pub fn new(announced: Announced) -> Self {
        Self {
            announced,
            state: State::Header,
            line: Vec::new(),
            decoded: 0,
            trailers: Vec::new(),
            trailer_signature: None,
        }
    }

    /// Takes from `input` until there are bytes to give; `None` when `input` is used up.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, ChunkedError> {
        while !input.is_empty() {
            match &mut self.state {
                State::Data { left, .. } => {
                    let length = (*left).min(input.len() as u64);
                    *left -= length;
                    let ended = *left == 0;
                    let data = input.split_to(length as usize);
                    self.take(&data)?;
                    if ended {
                        self.end_chunk()?;
                    }
                    return Ok(Some(data));
                }
                State::Done => return Err(ChunkedError::Malformed),
                State::Header | State::DataEnd | State::Trailers => {
                    if let Some(line) = self.line(input)? {
                        self.take_line(&line)?;
                    }
                }
            }
        }
        Ok(None)
    }

    /// Ends the body: every promise was kept. Answers the trailers, names in lower case.
    pub fn finish(self) -> Result<Vec<(String, String)>, ChunkedError> {
        match self.state {
            // Some clients leave out the last empty line.
            State::Done => {}
            State::Trailers if self.line.is_empty() => {}
            _ => return Err(ChunkedError::Truncated),
        }
        if self.decoded != self.announced.length {
            return Err(ChunkedError::Length);
        }
        let announced = &self.announced.trailers;
        let came = |name: &String| self.trailers.iter().any(|(came, _)| came == name);
        if self.trailers.len() != announced.len() || !announced.iter().all(came) {
            return Err(ChunkedError::Trailers);
        }
        if let Some(mut signer) = self.announced.signer
            && !self.trailers.is_empty()
        {
            let mut lines = String::new();
            for (name, value) in &self.trailers {
                lines.extend([
                    name, ":", value, "
",
                ]);
            }
            let signature = self.trailer_signature.ok_or(ChunkedError::Signature)?;
            if !signer.trailers_have(&lines, &signature) {
                return Err(ChunkedError::Signature);
            }
        }
        Ok(self.trailers)
    }

    fn take(&mut self, data: &[u8]) -> Result<(), ChunkedError> {
        self.decoded += data.len() as u64;
        if self.decoded > self.announced.length {
            return Err(ChunkedError::Length);
        }
        if let Some(signer) = &mut self.announced.signer {
            signer.update(data);
        }
        Ok(())
    }

    fn end_chunk(&mut self) -> Result<(), ChunkedError> {
        let state = std::mem::replace(&mut self.state, State::DataEnd);
        let State::Data { signature, .. } = state else {
            return Ok(());
        };
        let Some(signer) = &mut self.announced.signer else {
            return Ok(());
        };
        let holds = signature.is_some_and(|signature| signer.chunk_has(&signature));
        if holds {
            Ok(())
        } else {
            Err(ChunkedError::Signature)
        }
    }

    /// The next line without its end, once it is there whole.
    fn line(&mut self, input: &mut Bytes) -> Result<Option<String>, ChunkedError> {
        let end = input.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(input.len(), |end| end + 1);
        if self.line.len() + length > MAX_LINE {
            return Err(ChunkedError::Malformed);
        }
        self.line.extend_from_slice(&input[..length]);
        input.advance(length);
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.line);
        line.truncate(line.len() - 1);
        if line.pop_if(|byte| *byte == b'\r').is_none() {
            return Err(ChunkedError::Malformed);
        }
        String::from_utf8(line)
            .map(Some)
            .map_err(|_| ChunkedError::Malformed)
    }

    fn take_line(&mut self, line: &str) -> Result<(), ChunkedError> {
        match self.state {
            State::Header => {
                let (left, signature) = header(line)?;
                self.state = State::Data { left, signature };
                if left == 0 {
                    self.end_chunk()?;
                    self.state = State::Trailers;
                }
            }
            State::DataEnd if line.is_empty() => self.state = State::Header,
            State::Trailers if line.is_empty() => self.state = State::Done,
            State::Trailers => self.take_trailer(line)?,
            _ => return Err(ChunkedError::Malformed),
        }
        Ok(())
    }

    fn take_trailer(&mut self, line: &str) -> Result<(), ChunkedError> {
        let (name, value) = line.split_once(':').ok_or(ChunkedError::Malformed)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if name == "x-amz-trailer-signature" {
            self.trailer_signature = Some(value);
        } else if self.trailers.len() < MAX_TRAILERS && self.trailer_signature.is_none() {
            self.trailers.push((name, value));
        } else {
            return Err(ChunkedError::Malformed);
        }
        Ok(())
    }
}

/// A chunk's length and signature.
fn header(line: &str) -> Result<(u64, Option<String>), ChunkedError> {
    let (length, extension) = match line.split_once(';') {
        Some((length, extension)) => (length, Some(extension)),
        None => (line, None),
    };
    let plain = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_hexdigit());
    let length = u64::from_str_radix(length, 16).ok().filter(|_| plain);
    let signature = extension
        .map(|it| {
            it.strip_prefix("chunk-signature=")
                .ok_or(ChunkedError::Malformed)
        })
        .transpose()?;
    Ok((
        length.ok_or(ChunkedError::Malformed)?,
        signature.map(str::to_owned),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::signature::Seed;
    use crate::signature::key::hex;
    use crate::signature::time::SigningTime;

    /// What the string to sign of an empty chunk ends with.
    const EMPTY_CHUNK: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
                               e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    const SCOPE: &str = "20130524/us-east-1/s3/aws4_request";

    fn signer() -> ChunkSigner {
        let seed = Seed {
            scope: SCOPE.into(),
            time: SigningTime::parse("20130524T000000Z").expect("a time"),
            signature: SEED.into(),
        };
        ChunkSigner::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &seed)
    }

    fn unsigned(length: u64, trailers: &[&str]) -> Decoder {
        let trailers = trailers.iter().map(ToString::to_string).collect();
        Decoder::new(Announced {
            length,
            trailers,
            signer: None,
        })
    }

    type Decoded = Result<(Vec<u8>, Vec<(String, String)>), ChunkedError>;

    fn run(mut decoder: Decoder, body: &[u8], piece: usize) -> Decoded {
        let mut data = Vec::new();
        for piece in body.chunks(piece.max(1)) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(bytes) = decoder.decode(&mut piece)? {
                data.extend_from_slice(&bytes);
            }
        }
        Ok((data, decoder.finish()?))
    }

    #[test]
    fn trailers_come_back() {
        let body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
        let (data, trailers) = run(unsigned(5, &["x-amz-checksum-crc32"]), body, 7).expect("whole");
        assert_eq!(data, b"hello");
        assert_eq!(
            trailers,
            [("x-amz-checksum-crc32".to_owned(), "NhCmhg==".to_owned())]
        );
    }

    #[test]
    fn the_decoded_length_is_the_announced_one() {
        let body = b"5\r\nhello\r\n0\r\n\r\n";
        assert_eq!(
            run(unsigned(5, &[]), body, 100).map(|(data, _)| data),
            Ok(b"hello".to_vec())
        );
        assert_eq!(run(unsigned(4, &[]), body, 100), Err(ChunkedError::Length));
        assert_eq!(run(unsigned(6, &[]), body, 100), Err(ChunkedError::Length));
        assert_eq!(run(unsigned(0, &[]), body, 1), Err(ChunkedError::Length));
    }

    #[test]
    fn announced_trailers_must_come_and_others_must_not() {
        let without = b"1\r\nx\r\n0\r\n\r\n";
        let with = b"1\r\nx\r\n0\r\na:b\r\n\r\n";
        assert_eq!(
            run(unsigned(1, &["a"]), without, 9),
            Err(ChunkedError::Trailers)
        );
        assert_eq!(run(unsigned(1, &[]), with, 9), Err(ChunkedError::Trailers));
        assert!(run(unsigned(1, &["a"]), with, 9).is_ok());
    }

    #[test]
    fn nonsense_is_refused() {
        let bodies: [&[u8]; 9] = [
            b"\r\n",
            b"z\r\n",
            b"+1\r\nx\r\n0\r\n\r\n",
            b"1;foo=bar\r\nx\r\n0\r\n\r\n",
            b"1\nx\n0\n\n",
            b"1\r\nxx\r\n0\r\n\r\n",
            b"1\r\nx\r\n0\r\n\r\nx",
            b"ffffffffffffffffff\r\nx",
            b"1\r\nx\r\n0\r\nno colon\r\n\r\n",
        ];
        for body in bodies {
            assert_eq!(
                run(unsigned(1, &[]), body, 100),
                Err(ChunkedError::Malformed),
                "{body:?}"
            );
        }
        let long = [b'1'; 2 * MAX_LINE];
        assert_eq!(
            run(unsigned(1, &[]), &long, 100),
            Err(ChunkedError::Malformed)
        );
    }

    fn signed_body() -> Vec<u8> {
        let mut body = Vec::new();
        for (length, signature) in [
            (
                65536,
                "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            ),
            (
                1024,
                "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            ),
            (
                0,
                "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
            ),
        ] {
            body.extend(format!("{length:x};chunk-signature={signature}\r\n").as_bytes());
            body.extend(vec![b'a'; length]);
            body.extend(b"\r\n");
        }
        body
    }

    fn signed() -> Decoder {
        let (trailers, signer) = (Vec::new(), Some(signer()));
        Decoder::new(Announced {
            length: 66560,
            trailers,
            signer,
        })
    }

    #[test]
    fn signed_chunks_are_checked() {
        let body = signed_body();
        assert!(run(signed(), &body, 1000).is_ok_and(|(data, _)| data.len() == 66560));
        let mut forged = body.clone();
        forged[1000] = b'b';
        assert_eq!(run(signed(), &forged, 1000), Err(ChunkedError::Signature));
        let unsigned = b"5\r\nhello\r\n0\r\n\r\n";
        assert_eq!(run(signed(), unsigned, 1000), Err(ChunkedError::Signature));
    }

    #[test]
    fn signed_trailers_need_their_signature() {
        let signer = |chain: &mut ChunkSigner| chain.sign("AWS4-HMAC-SHA256-PAYLOAD", EMPTY_CHUNK);
        let mut chain = self::signer();
        let zero = signer(&mut chain);
        let trailer = chain.sign("AWS4-HMAC-SHA256-TRAILER", &hex(&Sha256::digest(b"a:b\n")));
        let of = |trailers: &str| {
            let announced = Announced {
                length: 0,
                trailers: vec!["a".into()],
                signer: Some(self::signer()),
            };
            let body = format!("0;chunk-signature={zero}\r\n{trailers}\r\n");
            run(Decoder::new(announced), body.as_bytes(), 9).map(drop)
        };
        let signed = |value: &str, signature: &str| {
            of(&format!(
                "a:{value}\r\nx-amz-trailer-signature:{signature}\r\n"
            ))
        };
        assert_eq!(signed("b", &trailer), Ok(()));
        assert_eq!(signed("c", &trailer), Err(ChunkedError::Signature));
        assert_eq!(signed("b", &"00".repeat(32)), Err(ChunkedError::Signature));
        assert_eq!(of("a:b\r\n"), Err(ChunkedError::Signature));
    }

    proptest! {
        #[test]
        fn chunks_come_back_in_any_pieces(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            piece in 1usize..50,
            cut in any::<proptest::sample::Index>(),
        ) {
            let data = chunks.concat();
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend(format!("{:X}\r\n", chunk.len()).as_bytes());
                body.extend(chunk);
                body.extend(b"\r\n");
            }
            body.extend(b"0\r\n\r\n");
            let length = data.len() as u64;
            prop_assert_eq!(run(unsigned(length, &[]), &body, piece), Ok((data, Vec::new())));
            // Whatever is cut off before the last chunk's header is noticed.
            let cut = cut.index(body.len() - 4);
            prop_assert!(run(unsigned(length, &[]), &body[..cut], piece).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(
            body in proptest::collection::vec(any::<u8>(), 0..200),
            piece in 1usize..50,
        ) {
            let _ = run(unsigned(5, &[]), &body, piece);
        }
    }
}
