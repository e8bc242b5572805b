use super::*;

fn flags() -> Source {
    Source {
        data: Some("/d".into()),
        store: Some(Path::new("/elsewhere.db").into()),
        ..Source::default()
    }
}

fn with_file(text: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("volumed.toml");
    std::fs::write(&file, text).unwrap();
    Settings::load(&flags(), Some(&file)).unwrap()
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let settings = with_file(
        "disks = [\"/ssd0\", { path = \"/ssd1\", capacity = \"1GiB\" }]\n\
         store = \"/file.db\"\nadmin_socket = \"/a.sock\"\nlog_format = \"json\"\n",
    );
    let plain = DiskSettings {
        path: "/ssd0".into(),
        capacity: None,
        reserve: None,
    };
    let limited = DiskSettings {
        path: "/ssd1".into(),
        capacity: Some(ByteCount(1 << 30)),
        reserve: None,
    };
    assert_eq!(settings.disk_settings(), [plain, limited]);
    assert_eq!(settings.store, Path::new("/elsewhere.db").into());
    assert_eq!(settings.admin_socket, PathBuf::from("/a.sock"));
    assert_eq!(settings.nbd_socket, PathBuf::from("/d/nbd.sock"));
    assert_eq!(settings.log_format, LogFormat::Json);
}

#[test]
fn a_store_in_etcd_is_named_with_its_files() {
    let text = "store = \"etcd://a:1,b:2\"\nstore_tls_ca = \"/ca\"\n\
                store_tls_certificate = \"/c\"\nstore_tls_key = \"/k\"\n";
    let (folder, source) = (tempfile::tempdir().unwrap(), Source::default());
    let file = folder.path().join("volumed.toml");
    std::fs::write(&file, text).unwrap();
    let in_force = |file: &Path| {
        let settings = Settings::load(&source, Some(file)).unwrap();
        volumed_daemon::in_force(&settings).unwrap()
    };
    let printed = in_force(&file);
    for line in text.lines() {
        assert!(printed.contains(line), "{printed}");
    }
    std::fs::write(&file, &printed).unwrap();
    assert_eq!(in_force(&file), printed);
    let sentence = refusal("store_tls_ca = \"/ca\"\n");
    assert!(sentence.contains("belong together"), "{sentence}");
    let sentence = refusal("store = \"http://a\"\n");
    assert!(sentence.contains("etcd://HOST:PORT"), "{sentence}");
}

#[test]
fn without_a_disk_the_state_folder_has_one() {
    let settings = Settings::load(&flags(), None).unwrap();
    assert_eq!(settings.disks[0].path, PathBuf::from("/d/disk"));
}

#[test]
fn what_is_in_force_is_a_file_that_says_the_same() {
    let text = "disks = [{ path = \"/ssd1\", capacity = \"1.5GiB\", reserve = \"1000B\" }]\n";
    let settings = with_file(text);
    let in_force = volumed_daemon::in_force(&settings).unwrap();
    let again = volumed_daemon::in_force(&with_file(&in_force)).unwrap();
    assert_eq!(in_force, again);
    assert!(
        in_force.contains("capacity = \"1610612736B\""),
        "{in_force}"
    );
}

fn refusal(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("volumed.toml");
    std::fs::write(&file, text).unwrap();
    Settings::load(&flags(), Some(&file))
        .unwrap_err()
        .to_string()
}

#[test]
fn what_nobody_could_be_served_with_is_refused() {
    for (text, begins) in [
        ("nbd_threads = 0\n", "nbd_threads is 0"),
        ("scrub_rate = \"1KiB\"\n", "scrub_rate is below"),
        ("drain_rate = \"1KiB\"\n", "drain_rate is below"),
        ("nbd_memory = \"63MiB\"\n", "nbd_memory is too little"),
        (
            "nbd_connections_per_address = 0\n",
            "nbd_connections_per_address is 0",
        ),
    ] {
        let sentence = refusal(text);
        assert!(sentence.starts_with(begins), "{sentence}");
    }
}

#[test]
fn other_machines_are_served_only_with_client_certificates() {
    let tls = "nbd_tls_certificate = \"/c\"\nnbd_tls_key = \"/k\"\n";
    let all = format!("{tls}nbd_tls_client_ca = \"/ca\"\n");
    let public = "nbd_listen = \"0.0.0.0:10809\"\n";
    let sentence = refusal(public);
    assert!(
        sentence.contains("nbd_tls_client_ca, or listen on 127.0.0.1"),
        "{sentence}"
    );
    let sentence = refusal(&format!("{public}{tls}"));
    assert!(sentence.contains("belong together"), "{sentence}");
    let sentence = refusal(&all);
    assert!(sentence.contains("are for nbd_listen"), "{sentence}");
    let loopback = with_file("nbd_listen = \"[::1]:10809\"\n");
    assert_eq!(loopback.nbd_tls, None);
    let settings = with_file(&format!("{public}{all}"));
    assert!(settings.nbd_tls.is_some());
    let in_force = volumed_daemon::in_force(&settings).unwrap();
    assert_eq!(
        in_force,
        volumed_daemon::in_force(&with_file(&in_force)).unwrap()
    );
}
