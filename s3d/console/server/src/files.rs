//! The embedded files.

/// A file of the console.
#[derive(Debug)]
pub struct File {
    /// Its path below `/console/`.
    pub name: &'static str,
    /// Its entity tag.
    pub tag: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

const PAGE: &str = "index.html";

/// Where files have their hashes in their names.
const HASHED: &str = "assets/";

/// What a path below `/console/` leads to.
#[derive(Debug)]
pub enum Found {
    /// A file, or the page in which the path is a place.
    File(&'static File),
    /// A file that is not there, such as one of an earlier version.
    Nothing,
    /// The program was built without the console.
    NotBuilt,
}

/// What a path leads to.
pub fn find(path: &str) -> Found {
    let file = |name: &str| FILES.iter().find(|file| file.name == name);
    match (file(path), file(PAGE)) {
        (Some(file), _) => Found::File(file),
        // The page instead of a script would be an error that says nothing.
        (None, Some(_)) if path.starts_with(HASHED) => Found::Nothing,
        (None, Some(page)) => Found::File(page),
        (None, None) => Found::NotBuilt,
    }
}

impl File {
    /// Whether its name stands for this very content.
    pub fn is_immutable(&self) -> bool {
        self.name.starts_with(HASHED)
    }

    /// Its media type.
    pub fn media_type(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("json") => "application/json",
            _ => "application/octet-stream",
        }
    }

    /// Its bytes in the shortest encoding that the client takes, and the encoding's name if there is one.
    pub fn encoded(&self, accepts: impl Fn(&str) -> bool) -> (Option<&'static str>, &'static [u8]) {
        let forms = [("br", self.brotli), ("gzip", self.gzip)];
        let mut taken = forms
            .into_iter()
            .filter(|(encoding, _)| accepts(encoding))
            .filter_map(|(encoding, bytes)| Some((Some(encoding), bytes?)));
        taken.next().unwrap_or((None, self.plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: File = File {
        name: "assets/a-1234.js",
        tag: "\"1\"",
        plain: b"plain",
        brotli: Some(b"brotli"),
        gzip: Some(b"gzip"),
    };

    #[test]
    fn the_shortest_encoding_that_is_taken_is_sent() {
        let of = |taken: &[&str]| SCRIPT.encoded(|it| taken.contains(&it));
        assert_eq!(of(&["gzip", "br"]), (Some("br"), &b"brotli"[..]));
        assert_eq!(of(&["gzip"]), (Some("gzip"), &b"gzip"[..]));
        assert_eq!(of(&[]), (None, &b"plain"[..]));
    }

    #[test]
    fn only_hashed_names_stand_for_their_content() {
        assert!(SCRIPT.is_immutable());
        let page = File {
            name: PAGE,
            ..SCRIPT
        };
        assert!(!page.is_immutable());
        assert_eq!(page.media_type(), "text/html; charset=utf-8");
    }
}
