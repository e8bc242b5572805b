//! ListObjectsV2 with `metadata=true`: MinIO's, and in its form, or in lines of JSON. Each object comes
//! with what a HeadObject says of it, so that whoever wants to know of many asks once.

use std::borrow::Cow;
use std::io::Write;

use form_urlencoded::Serializer as Pairs;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use s3d_bucket::{Attributes, Key, ListEntry, ListPage, Object};
use s3s::dto::{CommonPrefix, ListObjectsV2Input, ListObjectsV2Output};
use s3s::xml::{SerResult, Serialize, SerializeContent, Serializer};
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use super::objects::lines;
use super::{Names, json};
use crate::access::{Caller, ObjectUse, bucket, caller, may_use};
use crate::attributes::{UNKNOWN_TYPE, metadata_value};
use crate::error;
use crate::operations::Operations;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::resource::ResourceKind;
use s3d_buckets::BucketRecord;

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// What names of user metadata begin with.
const USER: &str = "x-amz-meta-";

/// Whether a request is for a listing with what describes each object.
pub fn describes(method: &Method, resource: ResourceKind, query: &Query<'_>) -> bool {
    *method == Method::GET
        && resource == ResourceKind::Bucket
        && query.only("list-type") == Some("2")
        && query.only("metadata") == Some("true")
}

/// What is shown of an object.
#[derive(Debug, Default)]
pub struct Description {
    /// Names, in lower case, and values of its headers, which all can be in XML; `None`: some cannot, or
    /// the caller may not read the object. Then only the object's own headers tell.
    pub headers: Option<Vec<(String, String)>>,
    /// As in `x-amz-tagging`; empty: there are none, or the caller may not read them.
    pub tags: String,
}

impl Description {
    fn of(bucket: &BucketRecord, caller: &Caller, key: &Key, object: &Object) -> Self {
        let may = |wanted| may_use(bucket, caller, key, object, wanted);
        let tags = &object.attributes.tags;
        Self {
            headers: may(ObjectUse::READ).then(|| headers(object)).flatten(),
            tags: if !tags.is_empty() && may(ObjectUse::READ_TAGS) {
                Pairs::new(String::new()).extend_pairs(tags).finish()
            } else {
                String::new()
            },
        }
    }
}

/// The headers that are an object's own, if all of them can be written.
fn headers(object: &Object) -> Option<Vec<(String, String)>> {
    let Attributes {
        headers, metadata, ..
    } = &object.attributes;
    let mut lines = headers.clone();
    if !lines.iter().any(|(name, _)| name == CONTENT_TYPE.as_str()) {
        lines.push((CONTENT_TYPE.as_str().to_owned(), UNKNOWN_TYPE.to_owned()));
    }
    let user = metadata.iter().map(|(name, value)| {
        let name = format!("{USER}{name}");
        (name, metadata_value(value).into_owned())
    });
    lines.extend(user);
    let fits = |(name, value): &(String, String)| is_tag(name) && is_text(value);
    lines.iter().all(fits).then_some(lines)
}

/// User metadata as Go's HTTP writes names, and with it MinIO.
fn capitalized(name: &str) -> Cow<'_, str> {
    if !name.starts_with(USER) {
        return name.into();
    }
    let mut begins = true;
    let letters = name.chars().map(|letter| {
        let letter = if begins {
            letter.to_ascii_uppercase()
        } else {
            letter
        };
        begins = letter == '-';
        letter
    });
    letters.collect::<String>().into()
}

/// Whether a name can be that of an element. Names of headers begin with letters.
fn is_tag(name: &str) -> bool {
    name.bytes()
        .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.'))
}

/// Whether a value is the same in XML and in a header.
fn is_text(value: &str) -> bool {
    let mut bytes = value.bytes();
    bytes.all(|it| it == b'\t' || matches!(it, b' '..=b'~'))
}

/// The object whose key is a prefix itself.
pub type Marker = (Key, Box<Object>);

/// An object, and what is shown of it.
type Described = (s3s::dto::Object, Description);

struct Page {
    /// Without the lines.
    output: ListObjectsV2Output,
    objects: Vec<Described>,
    /// With the object whose key is the prefix itself, the marker of a folder.
    prefixes: Vec<(CommonPrefix, Option<Described>)>,
}

impl Page {
    fn new(
        output: ListObjectsV2Output,
        names: Names,
        page: ListPage,
        markers: Vec<Option<Marker>>,
        owner: Option<&BucketRecord>,
        describe: impl Fn(&Key, &Object) -> Description,
    ) -> Self {
        let described = page.entries.iter().filter_map(|entry| match entry {
            ListEntry::Object(key, object) => Some(describe(key, object)),
            ListEntry::Prefix(_) => None,
        });
        let described: Vec<_> = described.collect();
        let marker = |(key, object): Marker| {
            let description = describe(&key, &object);
            let entries = vec![ListEntry::Object(key, object)];
            let page = ListPage {
                entries,
                ..ListPage::default()
            };
            let (objects, _) = lines(page, names, None);
            Some((objects.into_iter().next()?, description))
        };
        let markers: Vec<_> = markers.into_iter().map(|it| it.and_then(marker)).collect();
        let (objects, prefixes) = lines(page, names, owner);
        Self {
            output,
            objects: objects.into_iter().zip(described).collect(),
            prefixes: prefixes.into_iter().zip(markers).collect(),
        }
    }

    fn document(&self) -> SerResult<Vec<u8>> {
        let mut document = Vec::new();
        let mut serializer = Serializer::new(&mut document);
        serializer.decl()?;
        self.serialize(&mut serializer)?;
        Ok(document)
    }
}

impl Serialize for Page {
    fn serialize<W: Write>(&self, s: &mut Serializer<W>) -> SerResult {
        s.content_with_ns("ListBucketResult", NAMESPACE, self)
    }
}

impl SerializeContent for Page {
    fn serialize_content<W: Write>(&self, s: &mut Serializer<W>) -> SerResult {
        self.output.serialize_content(s)?;
        for object in &self.objects {
            s.element("Contents", |s| write(s, object))?;
        }
        for (prefix, marker) in &self.prefixes {
            s.element("CommonPrefixes", |s| {
                prefix.serialize_content(s)?;
                s.element("Marker", |s| match marker {
                    Some(object) => write(s, object),
                    None => Ok(()),
                })
            })?;
        }
        Ok(())
    }
}

fn write<W: Write>(s: &mut Serializer<W>, (object, description): &Described) -> SerResult {
    object.serialize_content(s)?;
    description.serialize_content(s)
}

impl SerializeContent for Description {
    fn serialize_content<W: Write>(&self, s: &mut Serializer<W>) -> SerResult {
        if let Some(headers) = &self.headers {
            s.element("UserMetadata", |s| {
                let mut headers = headers.iter();
                headers.try_for_each(|(name, value)| s.content(&capitalized(name), value))
            })?;
        }
        if !self.tags.is_empty() {
            s.content("UserTags", &self.tags)?;
        }
        Ok(())
    }
}

impl Operations {
    /// A page of objects, and what describes them.
    pub(crate) async fn list_described(
        &self,
        request: S3Request<Body>,
    ) -> S3Result<S3Response<Body>> {
        let in_lines = json::is_wanted(&request.headers);
        let input = input(&Query::parse(request.uri.query()))?;
        let request = request.map_input(|_| input);
        let (output, names, page) = self.read_v2(&request).await?;
        let mut markers = Vec::new();
        for entry in &page.entries {
            if let ListEntry::Prefix(prefix) = entry {
                markers.push(self.marker(&request, prefix).await?);
            }
        }
        let (bucket, caller) = (bucket(&request)?, caller(&request)?);
        let describe = |key: &Key, object: &Object| Description::of(bucket, caller, key, object);
        let (kind, document) = if in_lines {
            let next = output.next_continuation_token.as_deref();
            let document = json::document(next, &page, &markers, describe);
            (json::KIND, document.map_err(S3Error::internal_error)?)
        } else {
            let owned = request.input.fetch_owner.unwrap_or_default();
            let owner = owned.then_some(&**bucket);
            let page = Page::new(output, names, page, markers, owner, describe);
            let document = page.document().map_err(S3Error::internal_error)?;
            ("application/xml", document)
        };
        let mut answer = S3Response::new(Body::from(document));
        let kind = HeaderValue::from_static(kind);
        answer.headers.insert(CONTENT_TYPE, kind);
        Ok(answer)
    }

    /// The object whose key is a prefix itself.
    async fn marker(
        &self,
        request: &S3Request<ListObjectsV2Input>,
        prefix: &str,
    ) -> S3Result<Option<Marker>> {
        let key = Key::new(prefix).map_err(error::key)?;
        let found = self.open(request).await?.find(&key).await;
        let found = found.map_err(|refusal| error::read(&refusal))?;
        Ok(found.map(|object| (key, Box::new(Object::clone(&object)))))
    }
}

/// The parameters of a listing, as s3s reads them.
fn input(query: &Query<'_>) -> S3Result<ListObjectsV2Input> {
    let text = |name: &str| {
        if query.has(name) && query.only(name).is_none() {
            return Err(Refusal::Argument("a parameter of a listing comes once"));
        }
        Ok(query.only(name).map(str::to_owned))
    };
    let wrong =
        |_| S3Error::with_message(S3ErrorCode::InvalidArgument, "max-keys has to be a number");
    Ok(ListObjectsV2Input {
        continuation_token: text("continuation-token")?,
        delimiter: text("delimiter")?,
        encoding_type: text("encoding-type")?.map(Into::into),
        fetch_owner: text("fetch-owner")?.map(|it| it == "true"),
        max_keys: text("max-keys")?
            .map(|it| it.parse())
            .transpose()
            .map_err(wrong)?,
        prefix: text("prefix")?,
        start_after: text("start-after")?,
        ..ListObjectsV2Input::default()
    })
}
