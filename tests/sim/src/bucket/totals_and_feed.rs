//! What must hold of a bucket whose clients rest.

use std::collections::BTreeMap;

use s3d_bucket::{Bucket, EventKind};

/// By key, the length of what it holds and the byte that fills it.
pub type Held = BTreeMap<String, (usize, u8)>;

/// The totals are what a count comes to.
pub async fn check_totals(bucket: &Bucket, held: &Held) -> Result<(), String> {
    let totals = bucket.totals();
    let bytes: usize = held.values().map(|(length, _)| length).sum();
    let (mut uploads, mut part_bytes) = (0, 0);
    let page = bucket.list_uploads("", None, None, usize::MAX).await;
    for (key, id, _) in page.map_err(|error| error.to_string())?.uploads {
        let state = bucket.upload(&key, &id).await;
        let state = state.map_err(|error| error.to_string())?;
        let state = state.ok_or("an upload is listed and not there")?;
        uploads += 1;
        part_bytes += state.parts.iter().map(|(_, part)| part.size).sum::<u64>();
    }
    let counted = (held.len() as u64, bytes as u64, uploads, part_bytes);
    let kept = (
        totals.objects,
        totals.object_bytes,
        totals.uploads,
        totals.part_bytes,
    );
    if counted == kept {
        Ok(())
    } else {
        Err(format!("totals are {kept:?}, counted were {counted:?}"))
    }
}

/// Whoever followed the change feed from its beginning knows what the bucket holds.
pub async fn check_feed(bucket: &Bucket, held: &Held) -> Result<(), String> {
    let mut followed = BTreeMap::new();
    let mut through = 0;
    loop {
        let page = bucket.changes(through, "", 7).await;
        let page = page.map_err(|error| error.to_string())?;
        for event in page.events {
            let key = event.key.as_str().to_owned();
            match event.kind {
                EventKind::Put { etag, .. } => drop(followed.insert(key, etag)),
                EventKind::Attributes { etag, .. } if followed.get(&key) == Some(&etag) => {}
                EventKind::Attributes { .. } => {
                    return Err(format!("{key} changed before its put"));
                }
                EventKind::Deleted => drop(followed.remove(&key).ok_or("deleted twice")?),
                EventKind::PrefixRenamed { to } => {
                    let rename = |(old, etag): (String, String)| {
                        let new = old.strip_prefix(&key).map(|rest| format!("{to}{rest}"));
                        (new.unwrap_or(old), etag)
                    };
                    followed = std::mem::take(&mut followed)
                        .into_iter()
                        .map(rename)
                        .collect();
                }
            }
            if event.sequence <= through {
                return Err(format!("event {} came twice", event.sequence));
            }
            through = event.sequence;
        }
        through = page.through;
        if !page.more {
            break;
        }
    }
    let held = held.iter();
    let held: BTreeMap<_, _> = held
        .map(|(key, (length, fill))| (key.clone(), format!("{length}-{fill}")))
        .collect();
    if followed == held {
        Ok(())
    } else {
        Err(format!("the feed leads to {followed:?}, held is {held:?}"))
    }
}
