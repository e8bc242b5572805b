use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;

use super::*;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn event(number: u64) -> Event {
    Event {
        time: number,
        request: String::new(),
        who: Who {
            user: Some(format!("user{}", number % 2)),
            key: None,
        },
        address: HOME,
        action: "createBucket".into(),
        namespace: Some(format!("namespace{}", number % 3)),
        resource: "/api/v1/buckets".into(),
        status: 201,
    }
}

fn times(page: &Page) -> Vec<u64> {
    page.events.iter().map(|event| event.time).collect()
}

#[tokio::test]
async fn pages_and_filters() {
    let folder = tempfile::tempdir().unwrap();
    let log = AuditLog::open(folder.path()).unwrap();
    for number in 0..10 {
        log.record(event(number)).await;
    }
    let mut filter = Filter {
        limit: 4,
        ..Filter::default()
    };
    let page = log.query(filter.clone()).await.unwrap();
    assert_eq!(times(&page), [9, 8, 7, 6]);
    assert_eq!(page.events[0], event(9));
    filter.before = page.next.map(|cursor| cursor.to_string().parse().unwrap());
    let page = log.query(filter.clone()).await.unwrap();
    assert_eq!(times(&page), [5, 4, 3, 2]);
    filter.before = page.next;
    let page = log.query(filter).await.unwrap();
    assert_eq!((times(&page), page.next), (vec![1, 0], None));

    let of_one = Filter {
        namespace: Some("namespace0".into()),
        user: Some("user1".into()),
        limit: 100,
        ..Filter::default()
    };
    assert_eq!(times(&log.query(of_one).await.unwrap()), [9, 3]);
    let of_a_time = Filter {
        since: Some(3),
        until: Some(6),
        about: Some("/api/v1/buck".into()),
        limit: 100,
        ..Filter::default()
    };
    assert_eq!(
        times(&log.query(of_a_time.clone()).await.unwrap()),
        [5, 4, 3]
    );
    let of_nothing = Filter {
        about: Some("buckets".into()),
        ..of_a_time
    };
    assert_eq!(times(&log.query(of_nothing).await.unwrap()), [0; 0]);
}

#[tokio::test]
async fn the_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("audit");
    let _log = AuditLog::open(&folder).unwrap();
    let mode = fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_torn_line_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    AuditLog::open(folder.path())
        .unwrap()
        .record(event(1))
        .await;
    let path = writer::path(folder.path(), 1);
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(br#"{"time":2,"act"#).unwrap();
    let log = AuditLog::open(folder.path()).unwrap();
    log.record(event(3)).await;
    let all = Filter {
        limit: 100,
        ..Filter::default()
    };
    assert_eq!(times(&log.query(all).await.unwrap()), [3, 1]);
}

#[tokio::test]
async fn the_log_has_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=16 {
        let path = writer::path(folder.path(), number);
        let length = if number == 16 { 4 << 20 } else { 0 };
        fs::File::create(path).unwrap().set_len(length).unwrap();
    }
    let log = AuditLog::open(folder.path()).unwrap();
    log.record(event(1)).await;
    assert_eq!(
        writer::numbers(folder.path()).unwrap(),
        (2..=17).collect::<Vec<_>>()
    );
    let all = Filter {
        limit: 100,
        ..Filter::default()
    };
    assert_eq!(times(&log.query(all).await.unwrap()), [1]);
}

#[tokio::test]
async fn a_flood_of_failures_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let log = AuditLog::open(folder.path()).unwrap();
    for number in 0..100 {
        log.record_failure(HOME, event(number));
    }
    log.record(event(1_000)).await;
    let all = Filter {
        limit: 100,
        ..Filter::default()
    };
    assert_eq!(log.query(all).await.unwrap().events.len(), 11);
}
