use bytes::{Buf, Bytes};

use crate::limits::MAX_STRING;
use crate::wire::{info, option};

/// An option of the client, its data checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientOption {
    ExportName(String),
    Abort,
    List,
    StartTls,
    Info(ExportQuery),
    Go(ExportQuery),
    StructuredReply,
    Unknown,
    /// Known, but its data is not what it must be.
    Malformed,
    TooLong,
}

/// What INFO and GO ask.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExportQuery {
    pub name: String,
    pub wants_name: bool,
}

impl ClientOption {
    pub fn parse(number: u32, data: Bytes) -> Self {
        let without_data = |option| {
            if data.is_empty() {
                option
            } else {
                Self::Malformed
            }
        };
        match number {
            option::EXPORT_NAME => string(data).map_or(Self::Malformed, Self::ExportName),
            // ABORT must be obeyed whatever it carries.
            option::ABORT => Self::Abort,
            option::LIST => without_data(Self::List),
            option::STARTTLS => without_data(Self::StartTls),
            option::STRUCTURED_REPLY => without_data(Self::StructuredReply),
            option::INFO => ExportQuery::parse(data).map_or(Self::Malformed, Self::Info),
            option::GO => ExportQuery::parse(data).map_or(Self::Malformed, Self::Go),
            _ => Self::Unknown,
        }
    }
}

impl ExportQuery {
    fn parse(mut data: Bytes) -> Option<Self> {
        let length = usize::try_from(data.try_get_u32().ok()?).ok()?;
        if length > data.len() {
            return None;
        }
        let name = string(data.split_to(length))?;
        let count = usize::from(data.try_get_u16().ok()?);
        if data.len() != count * 2 {
            return None;
        }
        let wants_name = data
            .chunks_exact(2)
            .any(|kind| kind == info::NAME.to_be_bytes());
        Some(Self { name, wants_name })
    }
}

fn string(data: Bytes) -> Option<String> {
    if data.len() > MAX_STRING || data.contains(&0) {
        return None;
    }
    String::from_utf8(data.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(name_length: u32, name: &[u8], infos: &[u16], count: u16) -> ClientOption {
        let mut data = name_length.to_be_bytes().to_vec();
        data.extend_from_slice(name);
        data.extend_from_slice(&count.to_be_bytes());
        for kind in infos {
            data.extend_from_slice(&kind.to_be_bytes());
        }
        ClientOption::parse(option::GO, data.into())
    }

    #[test]
    fn go_is_read_with_what_it_asks_for() {
        let query = ExportQuery {
            name: "vol".to_owned(),
            wants_name: true,
        };
        assert_eq!(
            go(3, b"vol", &[info::BLOCK_SIZE, info::NAME], 2),
            ClientOption::Go(query)
        );
    }

    #[test]
    fn lengths_that_do_not_fit_are_malformed() {
        assert_eq!(go(4, b"vol", &[], 0), ClientOption::Malformed);
        assert_eq!(go(u32::MAX, b"vol", &[], 0), ClientOption::Malformed);
        assert_eq!(go(3, b"vol", &[], 1), ClientOption::Malformed);
        assert_eq!(go(3, b"vol", &[1], 0), ClientOption::Malformed);
        assert_eq!(go(3, b"v\0l", &[], 0), ClientOption::Malformed);
        assert_eq!(go(2, &[0xff, 0xfe], &[], 0), ClientOption::Malformed);
        let list = ClientOption::parse(option::LIST, Bytes::from_static(b"x"));
        assert_eq!(list, ClientOption::Malformed);
    }
}
