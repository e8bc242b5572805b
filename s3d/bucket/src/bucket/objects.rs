//! What is asked of a bucket about objects.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::{Bucket, decode};
use crate::attributes::{AttributeChange, Attributes};
use crate::blob::reader::BlobReader;
use crate::blob::writer::BodyWriter;
use crate::commit::change::{Change, Done};
use crate::condition::Condition;
use crate::errors::{ChangeError, ReadError};
use crate::format::rows::{Row, Span, Table, Tokens, object_key, span_key, tokens_key};
use crate::index::memtable::Lookup;
use crate::index::reader::Reader;
use crate::index::{Index, IndexError, listing};
use crate::object::{Key, Object};
use crate::requests::{
    Addition, Body, CopyAttributes, CopySource, ListPage, ListRequest, Patch, RequestToken, Stored,
    TokenHash,
};
use crate::space::pins::Pin;

/// An object whose bytes can be read as long as this lives (B7).
#[derive(Debug, Clone)]
pub struct Found {
    object: Object,
    /// The span in which its bytes begin, when it was met on the way.
    span: Option<Arc<Span>>,
    pin: Pin,
}

impl std::ops::Deref for Found {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.object
    }
}

impl Bucket {
    /// Begins a body. `length`: how long it will be, when that is known.
    pub fn writer(&self, length: Option<u64>) -> BodyWriter {
        BodyWriter::new(self.shared.clone(), length)
    }

    /// Puts an object; when this answers, it is durable and visible.
    pub async fn put(
        &self,
        key: Key,
        attributes: Attributes,
        body: Body,
        condition: Condition,
    ) -> Result<Stored, ChangeError> {
        self.store(Change::Put {
            key,
            attributes,
            body,
            hashed: false,
            condition,
        })
        .await
    }

    /// The same for a small body whose MD5 becomes the ETag, in place of that in `attributes`: all of
    /// a log group are hashed side by side, which takes a fraction of the time.
    pub async fn put_hashed(
        &self,
        key: Key,
        attributes: Attributes,
        body: Bytes,
        condition: Condition,
    ) -> Result<Stored, ChangeError> {
        self.store(Change::Put {
            key,
            attributes,
            body: Body::Small(body),
            hashed: true,
            condition,
        })
        .await
    }

    /// Appends to an object: it keeps its other attributes, and whoever reads it reads on what it was.
    /// The cost does not grow with its size. Its parts, if it had any, are one then.
    pub async fn append(
        &self,
        key: Key,
        addition: Addition,
        body: Body,
        condition: Condition,
    ) -> Result<Stored, ChangeError> {
        self.store(Change::Append {
            key,
            addition,
            body,
            condition,
        })
        .await
    }

    /// Writes into an object, all of it or nothing: it keeps its other attributes, and whoever reads it
    /// reads on what it was. The cost does not grow with its size. Its parts, if it had any, are one
    /// then. Ranges that are not in order, leave a gap or have other bytes than `body` are
    /// [`ChangeError::InvalidRange`].
    pub async fn patch(
        &self,
        key: Key,
        patch: Patch,
        body: Body,
        condition: Condition,
    ) -> Result<Stored, ChangeError> {
        self.store(Change::Patch {
            key,
            patch,
            body,
            condition,
        })
        .await
    }

    /// The object that has this key.
    pub async fn find(&self, key: &Key) -> Result<Option<Found>, ReadError> {
        let pin = self.shared.pins.pin();
        self.check_open()?;
        let row = object_key(key);
        let index = &self.shared.index;
        if let Some(Lookup::Removed) = index.known(Table::Objects, &row) {
            return Ok(None);
        }
        let mut found = in_memory(index, &row)?;
        if found.is_none() {
            // Who asks for an object mostly wants its bytes next: one trip for both rows.
            let stored = index.read(move |reader| stored(reader, &row));
            found = self.shared.looked(stored.await)?;
        }
        Ok(found.map(|(object, span)| Found { object, span, pin }))
    }

    /// Reads a range of a found object's bytes, however it is changed meanwhile.
    pub fn read(&self, found: &Found, range: Range<u64>) -> BlobReader {
        let Found { object, span, pin } = found;
        let shared = self.shared.clone();
        BlobReader::new(shared, &object.blob, span.clone(), pin.clone(), range)
    }

    /// Copies an object within the bucket, or onto itself; no byte moves (B6).
    pub async fn copy(
        &self,
        source: CopySource,
        key: Key,
        attributes: CopyAttributes,
        condition: Condition,
    ) -> Result<Stored, ChangeError> {
        self.store(Change::Copy {
            source,
            key,
            attributes,
            condition,
        })
        .await
    }

    /// Gives an object another key, in place of any that has it; no byte moves. A request that was
    /// made before under the same token does nothing, and is answered as it was then.
    pub async fn rename(
        &self,
        source: CopySource,
        key: Key,
        condition: Condition,
        token: Option<RequestToken>,
    ) -> Result<(), ChangeError> {
        self.submit(Change::Rename {
            source,
            key,
            condition,
            token,
        })
        .await?;
        Ok(())
    }

    /// The parameters with which a token was used, if it was used of late.
    pub async fn used_token(&self, token: &TokenHash) -> Result<Option<TokenHash>, ReadError> {
        let row = self.row::<Tokens>(Table::Tokens, tokens_key(token)).await?;
        Ok(row.and_then(|tokens| tokens.parameters(token)))
    }

    /// Changes attributes of an object, and leaves its bytes, its ETag and its time.
    pub async fn change_attributes(
        &self,
        key: Key,
        change: AttributeChange,
        condition: Condition,
    ) -> Result<Stored, ChangeError> {
        self.store(Change::Attributes {
            key,
            change,
            condition,
        })
        .await
    }

    /// Deletes an object; answers whether there was one.
    pub async fn delete(&self, key: Key, condition: Condition) -> Result<bool, ChangeError> {
        let delete = || Change::Delete {
            key: key.clone(),
            condition: condition.clone(),
        };
        match self.free(delete).await? {
            Done::Deleted { existed } => Ok(existed),
            _ => unreachable!("a delete answers whether there was one"),
        }
    }

    /// A page of keys and common prefixes.
    pub async fn list(&self, request: ListRequest) -> Result<ListPage, ReadError> {
        self.check_open()?;
        let page = self
            .shared
            .index
            .read(move |reader| listing::list(reader, &request));
        self.shared.looked(page.await)
    }

    /// Whether the bucket holds no object.
    pub fn is_empty(&self) -> Result<bool, ReadError> {
        self.check_open()?;
        Ok(self.totals().objects == 0)
    }
}

/// An object, and the span in which its bytes begin.
type ObjectAndSpan = (Object, Option<Arc<Span>>);

/// An object of which memory knows every row that a read begins with.
fn in_memory(index: &Index, key: &[u8]) -> Result<Option<ObjectAndSpan>, ReadError> {
    let Some(Lookup::Value(row)) = index.known(Table::Objects, key) else {
        return Ok(None);
    };
    let object = decode::<Object>(&row)?;
    let Some(first) = object.blob.first_span() else {
        return Ok(Some((object, None)));
    };
    match index.known(Table::Spans, &span_key(first)) {
        Some(Lookup::Value(span)) => Ok(Some((object, Some(Arc::new(decode(&span)?))))),
        _ => Ok(None),
    }
}

/// The same from redb; blocks.
fn stored(reader: &Reader, key: &[u8]) -> Result<Option<ObjectAndSpan>, IndexError> {
    let Some(row) = reader.get(Table::Objects, key)? else {
        return Ok(None);
    };
    let object = Object::decode(&row)?;
    let mut span = None;
    if let Some(first) = object.blob.first_span() {
        let row = reader.get(Table::Spans, &span_key(first))?;
        span = row.map(|row| Span::decode(&row)).transpose()?.map(Arc::new);
    }
    Ok(Some((object, span)))
}
