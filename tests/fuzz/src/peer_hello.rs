//! What whoever reaches a node's port for links says first.

use bytes::BytesMut;
use volumed_peer::{HELLO_HEAD, Hello, MOST_HELLO};

/// A hello, which is read in the pieces that it may come in as it is when it comes whole; its magic is made
/// right.
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
