//! Embeds what `npm run build` left in `s3d/console/dist/app`, which may be nothing.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    let app = dist.join("app");
    let mut paths = Vec::new();
    if app.is_dir() {
        collect(&app, &mut paths)?;
    }
    paths.sort();
    let mut table = String::from("&[\n");
    for path in &paths {
        let name = path.strip_prefix(&app).unwrap_or(path).display();
        let mut hasher = DefaultHasher::new();
        fs::read(path)?.hash(&mut hasher);
        let (tag, plain) = (hasher.finish(), path.display());
        let (brotli, gzip) = (compressed(path, "br"), compressed(path, "gz"));
        let _ = writeln!(
            table,
            "File {{ name: {:?}, tag: \"\\\"{tag:016x}\\\"\", plain: include_bytes!({:?}), brotli: {brotli}, gzip: {gzip} }},",
            name.to_string(),
            plain.to_string(),
        );
    }
    table.push(']');
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("files.rs"), table)
}

/// Every file but for the compressed forms, which belong to another one.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(OsStr::to_str);
        if path.is_dir() {
            collect(&path, paths)?;
        } else if !matches!(extension, Some("br" | "gz")) {
            paths.push(path);
        }
    }
    Ok(())
}

/// The compressed form of a file, as an expression.
fn compressed(path: &Path, extension: &str) -> String {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    let path = PathBuf::from(name);
    if path.is_file() {
        format!("Some(include_bytes!({:?}))", path.display().to_string())
    } else {
        "None".to_owned()
    }
}
