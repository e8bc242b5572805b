use crate::Malformed;

const HEADER: usize = 4;
/// The attribute holds others (`NLA_F_NESTED`).
const NESTED: u16 = 1 << 15;
/// The bits of a kind that are no flags (`NLA_TYPE_MASK`).
const KIND: u16 = (1 << 14) - 1;

/// Where the next attribute or message begins after one of `length` bytes.
pub(crate) fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// Writes attributes one behind the other.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Adds an integer.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Adds an integer.
    pub fn u64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Adds a text, which must have no NUL and fewer than 65,000 bytes.
    pub fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes)
    }

    /// Adds an attribute that holds those which `fill` writes, fewer than 65,000 bytes.
    pub fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        fill(&mut inner);
        self.put(kind | NESTED, &inner.0)
    }

    fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = (HEADER + value.len()) as u16;
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(aligned(self.0.len()), 0);
        self
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// What it is, by the family's numbers; without flags.
    pub kind: u16,
    /// What it holds.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The integer that it is.
    pub fn u16(&self) -> Result<u16, Malformed> {
        Ok(u16::from_ne_bytes(self.first()?))
    }

    /// The integer that it is.
    pub fn u32(&self) -> Result<u32, Malformed> {
        Ok(u32::from_ne_bytes(self.first()?))
    }

    /// The text that it is, without what ends it.
    pub fn text(&self) -> Result<&'a str, Malformed> {
        let end = self.value.iter().position(|byte| *byte == 0);
        let text = &self.value[..end.unwrap_or(self.value.len())];
        str::from_utf8(text).map_err(|_| Malformed)
    }

    /// The attributes that it holds.
    pub fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.value)
    }

    fn first<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        self.value.first_chunk().copied().ok_or(Malformed)
    }
}

/// Reads attributes; ends after the first that is malformed.
#[derive(Debug, Clone)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Those in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The first one of a kind.
    pub fn find(&self, kind: u16) -> Result<Option<Attribute<'a>>, Malformed> {
        let mut all = self.clone();
        all.find_map(|attribute| match attribute {
            Ok(attribute) => (attribute.kind == kind).then_some(Ok(attribute)),
            Err(error) => Some(Err(error)),
        })
        .transpose()
    }

    fn take(&mut self) -> Option<Attribute<'a>> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_ne_bytes(*length));
        let value = self.0.get(HEADER..length)?;
        // The last one may lack its padding.
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some(Attribute {
            kind: u16::from_ne_bytes(*kind) & KIND,
            value,
        })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let attribute = self.take().ok_or(Malformed);
        if attribute.is_err() {
            self.0 = &[];
        }
        Some(attribute)
    }
}
