//! `volumed volume export` and `unexport`: a volume for a client that connects again by itself (V9).

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::answer::{client, print};
use super::error::CommandError;
use super::table::facts;
use crate::cli::{Call, ExportArgs};

/// What all owners begin with that the command made up.
const OWNER: &str = "export:";

/// How to reach an exported volume.
#[derive(Debug, Serialize)]
pub struct Exported {
    /// The volume.
    pub volume: String,
    /// The export's name.
    pub export: String,
    /// The same for programs that take an address.
    pub uri: String,
}

/// `volumed volume export NAME`
pub async fn export(args: ExportArgs) -> Result<ExitCode, CommandError> {
    let ExportArgs {
        name,
        take_over,
        call,
    } = args;
    let client = client(&call);
    let info = client.show_volume(&name).await?;
    if let Some(owner) = info.owner
        && !take_over
    {
        return Err(CommandError::Owned { name, owner });
    }
    let owner = format!("{OWNER}{:016x}", rand::random::<u64>());
    let attached = client.attach(&name, &owner).await?;
    let exported = Exported {
        uri: uri(&attached.lasting_export, &attached.nbd_socket),
        export: attached.lasting_export,
        volume: name,
    };
    print(&call, &exported, || text(&exported))
}

/// `volumed volume unexport NAME`
pub async fn unexport(name: String, call: Call) -> Result<ExitCode, CommandError> {
    let client = client(&call);
    let info = client.show_volume(&name).await?;
    let owner = info.owner.filter(|owner| owner.starts_with(OWNER));
    let Some(owner) = owner else {
        return Err(CommandError::NotExported(name));
    };
    client.detach(&name, &owner).await?;
    print(&call, &serde_json::json!({}), || {
        format!("Took {name} back")
    })
}

fn text(exported: &Exported) -> String {
    facts(&[
        ("Volume", exported.volume.clone()),
        ("Export", exported.export.clone()),
        ("Address", exported.uri.clone()),
    ])
}

fn uri(export: &str, socket: &Path) -> String {
    let export = escaped(export.as_bytes());
    let socket = escaped(socket.as_os_str().as_bytes());
    format!("nbd+unix:///{export}?socket={socket}")
}

/// A token begins with what a URI would end at.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("a String takes everything");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_the_export_whole() {
        assert_eq!(
            uri("v.1#00000000000000ff", Path::new("/run/a b/nbd.sock")),
            "nbd+unix:///v.1%2300000000000000ff?socket=/run/a%20b/nbd.sock"
        );
    }
}
