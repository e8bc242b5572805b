//! A node whose disk is full.

use anyhow::bail;
use hayrack_e2e::http::Request;
use hayrack_e2e::random::content;

use crate::site::{site, until};

/// Of an object; a few of them fit.
const LENGTH: usize = 4 << 20;
/// Far more than fit.
const MOST: u64 = 200;
const ROOM: u64 = 32 << 20;

#[test]
fn a_full_disk_of_one_replica_refuses_writes_whole_and_takes_them_again() {
    let mut site = site();
    let (client, bucket) = (site.client(), site.bucket("full"));
    bucket.put(&client, "before", LENGTH).expect("put");
    let owner = site.owner(&bucket);
    let full = site.others(owner)[0];
    let disks = site.rack.ask(full, &["disk", "list"]).expect("its disk");
    let held = disks[0]["used"].as_u64().expect("bytes");
    site.rack.stop(full).expect("it stops well");
    let small = Some(held + ROOM);
    site.rack.node(full).set_capacity(small).expect("settings");
    site.rack.start(full).expect("it starts again");
    site.until_in_sync(&bucket);

    let own = client.of_nodes(&[owner]);
    let refused = (0..MOST).find_map(|number| {
        let path = bucket.path(&format!("refused-{number}"));
        let put = Request::new("PUT", &path).body(content(number, LENGTH));
        let answer = own.once(&put).expect("there is an answer");
        if answer.status == 200 {
            return None;
        }
        assert_eq!(answer.status, 507, "{}", answer.text());
        Some(path)
    });
    let refused = refused.expect("a full disk refuses at some time");
    assert_eq!(client.get(&refused).expect("an answer"), None, "{refused}");
    bucket.check(&client);
    for number in 0..MOST {
        let path = bucket.path(&format!("refused-{number}"));
        if path == refused {
            break;
        }
        let read = client
            .get(&path)
            .expect("what was acknowledged can be read");
        assert!(read == Some(content(number, LENGTH)), "{path}");
    }
    // What is deleted gives its space back, on the full disk too.
    for number in 0..3 {
        let path = bucket.path(&format!("refused-{number}"));
        let answer = client.send(&Request::new("DELETE", &path));
        assert_eq!(answer.expect("an answer").status, 204);
    }
    until("there is room again", || {
        let put = Request::new("PUT", bucket.path("again")).body(content(1, LENGTH / 2));
        let answer = own.once(&put)?;
        if answer.status != 200 {
            let space = own.once(&Request::new("GET", format!("/{}?space", bucket.name())))?;
            let disks = site.rack.ask(full, &["disk", "list"])?;
            bail!("{}\n{}\n{disks:#}", answer.text(), space.text());
        }
        Ok(true)
    });

    site.rack.stop(full).expect("it stops well");
    site.rack.node(full).set_capacity(None).expect("settings");
    site.rack.start(full).expect("it starts again");
    bucket.put(&client, "after", LENGTH).expect("put");
    bucket.check(&client);
    site.verify(&bucket);
}
