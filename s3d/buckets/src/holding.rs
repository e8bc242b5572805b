//! Which bucket a volume holds.

use std::collections::{HashMap, HashSet};

use s3d_records::{RecordError, Stored, present, put};

use super::Buckets;
use super::record::{BucketRecord, HeldBucket, PREFIX, VOLUME_PREFIX, bucket_key, volume_key};

impl Buckets {
    /// The buckets that some volumes hold, by volume: a record is read for each volume.
    pub async fn in_volumes(
        &self,
        volumes: &[String],
    ) -> Result<HashMap<String, HeldBucket>, RecordError> {
        let mut held = HashMap::new();
        let mut unknown = HashSet::new();
        for volume in volumes.iter().filter(|it| it.starts_with(VOLUME_PREFIX)) {
            match self.records.get(&volume_key(volume)).await? {
                Some(stored) => drop(held.insert(volume.clone(), stored.record)),
                None => drop(unknown.insert(volume.clone())),
            }
        }
        if !unknown.is_empty() {
            held.extend(self.note_volumes(&unknown).await?);
        }
        Ok(held)
    }

    /// Finds the buckets that were made before it was noted what volumes hold, which means to read the record of every
    /// bucket, and notes it.
    async fn note_volumes(
        &self,
        volumes: &HashSet<String>,
    ) -> Result<Vec<(String, HeldBucket)>, RecordError> {
        let mut found = Vec::new();
        let keep = |_, stored: Stored<BucketRecord>| {
            let bucket = stored.record;
            if volumes.contains(&bucket.volume) {
                found.push((bucket.volume.clone(), bucket.held()));
            }
        };
        self.records.each(PREFIX, keep).await?;
        for (volume, bucket) in &found {
            // One that is deleted meanwhile leaves no record.
            let there = vec![present(bucket_key(&bucket.name))];
            let note = vec![put(volume_key(volume), bucket)];
            self.records.commit(there, note).await?;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use s3d_records::delete;

    use super::*;
    use crate::tests::Rack;

    impl Rack {
        /// The names of the buckets that are known to be in volumes.
        async fn in_volumes(&self, volumes: &[String]) -> Vec<String> {
            let held = self.buckets.in_volumes(volumes).await.unwrap();
            let names = volumes.iter().filter_map(|it| held.get(it));
            names.map(|bucket| bucket.name.to_string()).collect()
        }

        async fn is_noted(&self, volume: &str) -> bool {
            let key = volume_key(volume);
            let noted = self.buckets.records.get::<HeldBucket>(&key).await;
            noted.unwrap().is_some()
        }
    }

    #[tokio::test]
    async fn a_bucket_is_found_by_its_volume_until_it_is_deleted() {
        let rack = Rack::new().await;
        let first = rack.create("first").await;
        let second = rack.create("second").await;
        let volumes = [first.volume.clone(), "a-disk".into(), second.volume];
        assert_eq!(rack.in_volumes(&volumes).await, ["first", "second"]);
        rack.buckets.delete(&first, false).await.unwrap();
        assert_eq!(rack.in_volumes(&volumes).await, ["second"]);
        assert!(!rack.is_noted(&first.volume).await);
    }

    #[tokio::test]
    async fn a_bucket_of_an_earlier_program_is_found_and_noted() {
        let rack = Rack::new().await;
        let bucket = rack.create("first").await;
        let forget = vec![delete(volume_key(&bucket.volume))];
        rack.buckets.records.commit(vec![], forget).await.unwrap();
        let volumes = [bucket.volume.clone()];
        assert_eq!(rack.in_volumes(&volumes).await, ["first"]);
        assert!(rack.is_noted(&bucket.volume).await);
    }
}
