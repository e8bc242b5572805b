//! Bytes that rot on one node's disk.

use hayrack_e2e::disk::flip;

use crate::site::site;

#[test]
fn a_flipped_byte_is_read_from_another_replica() {
    let mut site = site();
    let (client, bucket) = (site.client(), site.bucket("rot"));
    bucket.put(&client, "large", 3 << 20).expect("put");
    let owner = site.owner(&bucket);
    let bytes = bucket.bytes("large");
    // Stopped, so that no page of it is cached, and its sums count.
    site.rack.stop(owner).expect("it stops well");
    let disk = site.rack.node(owner).disk();
    assert!(flip(&disk, &bytes[1024..1536]), "the owner has no replica");
    site.rack.start(owner).expect("it starts again");
    site.until_in_sync(&bucket);
    // Each of the others gone in turn, so that the damaged one is asked.
    for other in site.others(owner) {
        site.rack.kill(other);
        bucket.check(&client.of_node(usize::from(owner.0) - 1));
        site.rack.start(other).expect("it comes back");
        site.until_in_sync(&bucket);
    }
}
