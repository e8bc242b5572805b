//! What whoever reaches a node's port for links says first.

use bytes::BytesMut;
use volumed_peer::{HELLO_HEAD, Hello, MOST_HELLO};

/// A hello, whose magic is made right: a part of it is waited for to be whole, and what is read is written as
/// it was meant.
pub fn hello(data: &[u8]) {
    let said = [b"HYLK", data].concat();
    let mut whole = BytesMut::from(&said[..]);
    let Ok(Some(hello)) = Hello::decode(&mut whole) else {
        return;
    };
    let length = said.len() - whole.len();
    assert!(length <= HELLO_HEAD + MOST_HELLO);
    assert_eq!(whole, said[length..]);
    for cut in [HELLO_HEAD, length - 1] {
        let part = Hello::decode(&mut BytesMut::from(&said[..cut]));
        assert!(matches!(part, Ok(None)), "{part:?}");
    }
    let written = hello.encode();
    let again = Hello::decode(&mut BytesMut::from(&written[..]));
    assert!(matches!(again, Ok(Some(again)) if again == hello));
}
