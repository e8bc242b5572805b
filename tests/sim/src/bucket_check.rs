//! What must hold of a bucket whose clients rest.

use std::collections::BTreeMap;

use s3d_bucket::{Bucket, EventKind, Key, ListEntry, ListRequest};

use crate::bucket::{Model, Value, bytes};

type Held = BTreeMap<String, (usize, u8)>;

/// Compares the bucket with the model; where a key may hold several values, settles on what it
/// holds.
pub async fn check(bucket: &Bucket, model: Model) -> Result<Model, String> {
    let mut settled = Model::new();
    let mut held = BTreeMap::new();
    for (key, allowed) in model {
        let found = read(bucket, &key).await?;
        if !allowed.contains(&found) {
            return Err(format!("{key} holds {found:?}, and may hold {allowed:?}"));
        }
        if let Some(value) = found {
            held.insert(key.clone(), value);
        }
        settled.insert(key, vec![found]);
    }
    check_listing(bucket, &held).await?;
    check_totals(bucket, &held).await?;
    check_feed(bucket, &held).await?;
    Ok(settled)
}

async fn check_listing(bucket: &Bucket, held: &Held) -> Result<(), String> {
    let request = ListRequest {
        limit: 1000,
        ..ListRequest::default()
    };
    let page = bucket
        .list(request)
        .await
        .map_err(|error| error.to_string())?;
    let listed: Vec<String> = page
        .entries
        .into_iter()
        .map(|entry| match entry {
            ListEntry::Object(key, _) => key.as_str().to_owned(),
            ListEntry::Prefix(prefix) => prefix,
        })
        .collect();
    if !listed.iter().eq(held.keys()) {
        return Err(format!("listed {listed:?}, held {held:?}"));
    }
    Ok(())
}

/// The totals are what a count comes to.
async fn check_totals(bucket: &Bucket, held: &Held) -> Result<(), String> {
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
async fn check_feed(bucket: &Bucket, held: &Held) -> Result<(), String> {
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

async fn read(bucket: &Bucket, key: &str) -> Result<Value, String> {
    let name = Key::new(key).map_err(|error| error.to_string())?;
    let found = bucket
        .find(&name)
        .await
        .map_err(|error| format!("{key}: {error}"))?;
    let Some(object) = found else { return Ok(None) };
    let mut reader = bucket.read(&object, 0..object.size);
    let mut held = Vec::new();
    while let Some(chunk) = reader.next().await {
        held.extend_from_slice(&chunk.map_err(|error| format!("{key}: {error}"))?);
    }
    let value = (held.len(), held.first().copied().unwrap_or_default());
    let etag = &object.attributes.etag;
    let (length, fill) = etag.split_once('-').ok_or("an ETag that no put gave")?;
    let told = (
        length.parse().map_err(|_| "length")?,
        fill.parse().map_err(|_| "fill")?,
    );
    if held != bytes(told) {
        return Err(format!("{key}: half an object: {value:?} under {etag}"));
    }
    Ok(Some(told))
}
