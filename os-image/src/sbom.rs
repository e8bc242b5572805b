//! The bill of materials of a root: SPDX 2.3 from what dpkg knows of its packages.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A package of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    architecture: &'a str,
    maintainer: &'a str,
    /// The source package, if it is called something else.
    source: Option<&'a str>,
}

/// Why there is no bill.
#[derive(Debug, thiserror::Error)]
pub enum SbomError {
    /// dpkg's status lacks something.
    #[error("an entry of dpkg's status has no {field}: {entry:?}")]
    Field {
        /// What is missing.
        field: &'static str,
        /// The beginning of the entry.
        entry: String,
    },
    /// The date is none.
    #[error("{0} s since 1970 is no date that can be written")]
    Date(i64),
}

/// The bill of a root of this name and version, whose `/var/lib/dpkg/status` is `status`. The same root gives the same
/// bytes: `created` is the date of the sources, in seconds since 1970.
pub fn sbom(name: &str, version: &str, status: &str, created: i64) -> Result<String, SbomError> {
    let packages = installed(status)?;
    let date = OffsetDateTime::from_unix_timestamp(created).ok();
    let date = date.and_then(|date| date.format(&Rfc3339).ok());
    let date = date.ok_or(SbomError::Date(created))?;
    let root = json!({
        "SPDXID": "SPDXRef-root",
        "name": name,
        "versionInfo": version,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
    });
    let described = packages.iter().enumerate().map(describe);
    let contained =
        (0..packages.len()).map(|index| relation("SPDXRef-root", "CONTAINS", &id(index)));
    let describes = relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-root");
    let packages_of_root: Vec<Value> = [root].into_iter().chain(described).collect();
    let relationships: Vec<Value> = [describes].into_iter().chain(contained).collect();
    let document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("{name}-{version}"),
        "documentNamespace": format!("urn:hayrack:{name}:{version}"),
        "creationInfo": { "created": date, "creators": ["Tool: hayrack-node-image"] },
        "packages": packages_of_root,
        "relationships": relationships,
    });
    Ok(format!("{document:#}\n"))
}

fn id(index: usize) -> String {
    format!("SPDXRef-package-{index}")
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

fn describe((index, package): (usize, &Package<'_>)) -> Value {
    let mut described = json!({
        "SPDXID": id(index),
        "name": package.name,
        "versionInfo": package.version,
        "supplier": format!("Person: {}", package.maintainer.replace('<', "(").replace('>', ")")),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": purl(package),
        }],
    });
    if let Some(source) = package.source {
        described["sourceInfo"] = json!(format!("built from {source}"));
    }
    described
}

/// The package's address, as vulnerability scanners match it.
fn purl(package: &Package<'_>) -> String {
    let vendor = if package.name.starts_with("hayrack-") {
        "hayrack"
    } else {
        "debian"
    };
    let version = package.version.replace('+', "%2B").replace(':', "%3A");
    format!(
        "pkg:deb/{vendor}/{}@{version}?arch={}",
        package.name, package.architecture
    )
}

/// The installed packages, in the order of their names.
fn installed(status: &str) -> Result<Vec<Package<'_>>, SbomError> {
    let entries = status
        .split("\n\n")
        .filter(|entry| !entry.trim().is_empty());
    let installed = entries.filter(|entry| field(entry, "Status") == Some("install ok installed"));
    let mut packages = installed.map(package).collect::<Result<Vec<_>, _>>()?;
    packages.sort_by_key(|package| (package.name, package.architecture));
    Ok(packages)
}

fn package(entry: &str) -> Result<Package<'_>, SbomError> {
    let needed = |name: &'static str| {
        field(entry, name).ok_or_else(|| SbomError::Field {
            field: name,
            entry: entry.trim().lines().next().unwrap_or_default().to_owned(),
        })
    };
    Ok(Package {
        name: needed("Package")?,
        version: needed("Version")?,
        architecture: needed("Architecture")?,
        maintainer: needed("Maintainer")?,
        source: field(entry, "Source"),
    })
}

fn field<'a>(entry: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = entry.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "\
Package: zlib1g
Status: install ok installed
Maintainer: Somebody <somebody@example.org>
Architecture: amd64
Source: zlib
Version: 1:1.2.13.dfsg-1+b1
Description: compression
 Version: of nothing

Package: gone
Status: deinstall ok config-files
Maintainer: Somebody <somebody@example.org>
Architecture: amd64
Version: 1

Package: hayrack-s3d
Status: install ok installed
Maintainer: Hayrack <hayrack@localhost>
Architecture: amd64
Version: 0.1.0
";

    #[test]
    fn what_is_installed_is_in_the_bill() {
        let bill: Value =
            serde_json::from_str(&sbom("node-amd64", "0.1.0", STATUS, 0).unwrap()).unwrap();
        assert_eq!(bill["creationInfo"]["created"], "1970-01-01T00:00:00Z");
        let packages = bill["packages"].as_array().unwrap();
        let names: Vec<_> = packages
            .iter()
            .map(|package| package["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["node-amd64", "hayrack-s3d", "zlib1g"]);
        let reference = &packages[2]["externalRefs"][0]["referenceLocator"];
        assert_eq!(
            reference,
            "pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1%2Bb1?arch=amd64"
        );
        assert_eq!(packages[2]["sourceInfo"], "built from zlib");
        assert_eq!(bill["relationships"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn the_order_of_the_status_does_not_matter() {
        let mut entries: Vec<&str> = STATUS.trim_end().split("\n\n").collect();
        entries.reverse();
        let reversed = entries.join("\n\n");
        let bill = |status: &str| sbom("node-amd64", "0.1.0", status, 0).unwrap();
        assert_eq!(bill(STATUS), bill(&reversed));
    }

    #[test]
    fn an_entry_without_version_is_named() {
        let status = STATUS.replace("Version: 0.1.0\n", "");
        let error = sbom("a", "1", &status, 0).unwrap_err().to_string();
        assert!(
            error.contains("Version") && error.contains("hayrack-s3d"),
            "{error}"
        );
    }
}
