//! What browsers are told that a file is, by the end of its name.

/// The headers that a new file of this name gets beside its attributes: its content type, or nothing when
/// the name does not say. Names are looked at without regard to case.
pub fn of_name(name: &str) -> Vec<(String, String)> {
    let known = mime_guess::from_path(name).first_raw();
    known
        .map(|known| ("content-type".to_owned(), known.to_owned()))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_files_are() {
        for (name, expected) in [
            ("photo.jpg", Some("image/jpeg")),
            ("PHOTO.JPG", Some("image/jpeg")),
            ("notes.txt", Some("text/plain")),
            ("page.html", Some("text/html")),
            ("archive.tar.gz", Some("application/gzip")),
            ("Makefile", None),
            (".jpg", None),
            ("a.unheard-of", None),
        ] {
            let found = of_name(name);
            let found = found.first().map(|(_, value)| value.as_str());
            assert_eq!(found, expected, "{name}");
        }
    }
}
