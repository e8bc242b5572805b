use bytes::{Buf, Bytes};

use crate::limits::MAX_STRING;
use crate::wire::{allocation, info, option};

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
    ListContexts(ContextQuery),
    SetContexts(ContextQuery),
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

/// Which metadata contexts LIST_META_CONTEXT and SET_META_CONTEXT ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ContextQuery {
    /// Of the export.
    pub name: String,
    /// `base:allocation` is among them.
    pub allocation: bool,
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
            option::LIST_META_CONTEXT => {
                ContextQuery::parse(data, true).map_or(Self::Malformed, Self::ListContexts)
            }
            option::SET_META_CONTEXT => {
                ContextQuery::parse(data, false).map_or(Self::Malformed, Self::SetContexts)
            }
            _ => Self::Unknown,
        }
    }
}

impl ExportQuery {
    fn parse(mut data: Bytes) -> Option<Self> {
        let name = counted_string(&mut data)?;
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

impl ContextQuery {
    /// Only a list may ask for all, or for all of a namespace.
    fn parse(mut data: Bytes, list: bool) -> Option<Self> {
        let name = counted_string(&mut data)?;
        let count = data.try_get_u32().ok()?;
        let mut allocation = list && count == 0;
        for _ in 0..count {
            let query = counted_string(&mut data)?;
            allocation |= query == allocation::NAME || list && query == allocation::NAMESPACE;
        }
        data.is_empty().then_some(Self { name, allocation })
    }
}

/// A string after its length.
fn counted_string(data: &mut Bytes) -> Option<String> {
    let length = usize::try_from(data.try_get_u32().ok()?).ok()?;
    if length > data.len() {
        return None;
    }
    string(data.split_to(length))
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

    fn contexts(number: u32, queries: &[&str], count: u32) -> ClientOption {
        let mut data = b"\0\0\0\x03vol".to_vec();
        data.extend_from_slice(&count.to_be_bytes());
        for query in queries {
            data.extend_from_slice(&(query.len() as u32).to_be_bytes());
            data.extend_from_slice(query.as_bytes());
        }
        ClientOption::parse(number, data.into())
    }

    #[test]
    fn contexts_are_chosen_by_name_and_listed_by_namespace_too() {
        let query = |allocation| ContextQuery {
            name: "vol".to_owned(),
            allocation,
        };
        let set = |queries: &[&str]| contexts(10, queries, queries.len() as u32);
        let list = |queries: &[&str]| contexts(9, queries, queries.len() as u32);
        let chosen = |allocation| ClientOption::SetContexts(query(allocation));
        assert_eq!(set(&["qemu:x", "base:allocation"]), chosen(true));
        assert_eq!(set(&[]), chosen(false));
        assert_eq!(set(&["base:"]), chosen(false));
        let listed = |allocation| ClientOption::ListContexts(query(allocation));
        assert_eq!(list(&[]), listed(true));
        assert_eq!(list(&["base:"]), listed(true));
        assert_eq!(list(&["base:allocation"]), listed(true));
        assert_eq!(list(&["qemu:"]), listed(false));
        assert_eq!(contexts(10, &["a"], 2), ClientOption::Malformed);
        assert_eq!(contexts(10, &["a"], 0), ClientOption::Malformed);
        assert_eq!(contexts(10, &[], u32::MAX), ClientOption::Malformed);
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
