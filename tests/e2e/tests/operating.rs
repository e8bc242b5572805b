//! Running the daemons: what they measure, what they log, and what `doctor` finds.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use hayrack_e2e::binaries::{binary, free_address};
use hayrack_e2e::http::{Request, exchange};
use hayrack_e2e::rack::Site;
use serde_json::Value;

fn page(address: SocketAddr, path: &str) -> (u16, String) {
    let request = Request::new("GET", path).header("host", address.to_string());
    let answer = exchange(address, &request).expect("an answer");
    (answer.status, answer.text())
}

/// The metrics that the dashboard's expressions name.
fn metrics_of(dashboard: &Value) -> BTreeSet<String> {
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let expressions = targets.map(|target| target["expr"].as_str().expect("an expression"));
    let of_ours = |word: &&str| {
        ["s3d_", "volumed_", "process_"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
    };
    expressions
        .flat_map(|expression| expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(of_ours)
        .map(str::to_owned)
        .collect()
}

#[test]
fn everything_on_the_dashboard_is_measured() {
    let metrics = free_address();
    let mut site = Site::new();
    site.variables = vec![("VOLUMED_METRICS_LISTEN", metrics.to_string())];
    let rack = site.start();
    let (s3, object) = (rack.s3(), format!("{}/object", rack.bucket()));
    assert_eq!(s3.put(&object, "hello").status, 200);
    assert_eq!(s3.get(&object).text(), "hello");
    for address in [site.api, metrics] {
        assert_eq!(page(address, "/healthz").0, 200);
        let (status, text) = page(address, "/readyz");
        assert_eq!((status, &*text), (200, "ready\n"));
    }
    let (of_s3d, of_volumed) = (page(site.api, "/metrics").1, page(metrics, "/metrics").1);
    let count = "\ns3d_requests_total{operation=\"PutObject\",status=\"200\"} 1\n";
    assert!(of_s3d.contains(count), "{of_s3d}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../s3d/grafana/hayrack.json");
    let dashboard = std::fs::read(path).expect("the dashboard");
    let named = metrics_of(&serde_json::from_slice(&dashboard).expect("JSON"));
    assert!(named.len() > 15, "{named:?}");
    for name in named {
        let is_measured = |page: &str| {
            page.lines().any(|line| {
                line.strip_prefix(&*name)
                    .is_some_and(|rest| rest.starts_with(['{', ' ']))
            })
        };
        assert!(is_measured(&of_s3d) || is_measured(&of_volumed), "{name}");
    }
    // The public address of the REST API has no business with it.
    let public = Request::new("GET", "/metrics").header("host", "s3-api.localhost");
    assert_eq!(exchange(site.s3, &public).expect("an answer").status, 404);
}

#[test]
fn the_log_has_request_ids_and_no_secret() {
    let mut site = Site::new();
    site.variables = vec![
        ("S3D_LOG_LEVEL", "trace".to_owned()),
        ("S3D_LOG_FORMAT", "json".to_owned()),
        ("VOLUMED_LOG_LEVEL", "trace".to_owned()),
    ];
    let rack = site.start();
    let s3 = rack.s3();
    let object = format!("{}/object", rack.bucket());
    let put = s3.put(&object, "hello");
    let id = put.header("x-amz-request-id").expect("an id").to_owned();
    let presigned = s3.presign(
        Request::new("GET", &*object),
        std::time::Duration::from_mins(1),
    );
    assert_eq!(
        exchange(site.s3, &presigned).expect("an answer").status,
        200
    );
    rack.api();
    let secrets = ["AWS_SECRET_ACCESS_KEY", "HAYRACK_PASSWORD"].map(|name| rack.var(name));
    rack.stop();
    let log = site.log();
    let is_answer = |line: &&str| line.contains(&id) && line.contains("\"answered\"");
    let line = log.lines().find(is_answer).expect("a line");
    let line: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(
        (&line["operation"], &line["status"]),
        (&"PutObject".into(), &200.into())
    );
    for secret in secrets
        .iter()
        .map(String::as_str)
        .chain(["X-Amz-Signature"])
    {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn doctor_finds_a_server_that_is_not_running() {
    let site = Site::new();
    let examine = || -> (Output, Vec<Value>) {
        let output = Command::new(binary("s3d"))
            .args(["doctor", "--json", "--data"])
            .arg(site.data().join("s3d"))
            .arg("--volumed")
            .arg(site.data().join("volumed/admin.sock"))
            .arg("--store")
            .arg(site.data().join("volumed/meta.db"))
            .arg("--s3-listen")
            .arg(site.s3.to_string())
            .arg("--api-listen")
            .arg(site.api.to_string())
            .output()
            .expect("s3d can be started");
        let found = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
        (output, found)
    };
    let faults = |found: &[Value]| {
        let faults = found.iter().filter(|one| one["severity"] == "fault");
        let faults = faults.map(|one| one["fault"].as_str().unwrap_or_default().to_owned());
        faults.collect::<Vec<_>>()
    };
    let (output, found) = examine();
    assert_eq!(output.status.code(), Some(1));
    for fault in ["volumed_not_running", "store_missing", "s3d_not_running"] {
        assert!(faults(&found).contains(&fault.to_owned()), "{found:?}");
    }
    let rack = site.start();
    let (output, found) = examine();
    assert_eq!(faults(&found), Vec::<String>::new(), "{found:?}");
    assert!(matches!(output.status.code(), Some(0 | 6)));
    rack.stop();
}
