use std::fmt::{Display, Write as _};

use volumed_client::admin::{DiskInfo, DiskState, PoolInfo, VolumeInfo};

/// The state of things in Prometheus's text format.
pub(super) fn text(pool: &PoolInfo, disks: &[DiskInfo], volumes: &[VolumeInfo]) -> String {
    let mut page = Page::default();
    page.gauge("volumed_pool_capacity_bytes", "What the disks can hold.");
    page.value("volumed_pool_capacity_bytes", &[], pool.capacity);
    page.gauge("volumed_pool_used_bytes", "What volumes hold.");
    page.value("volumed_pool_used_bytes", &[], pool.used);
    page.gauge("volumed_pool_free_bytes", "What can still be written.");
    page.value("volumed_pool_free_bytes", &[], pool.free);
    page.gauge("volumed_disk_used_bytes", "What volumes hold on the disk.");
    for disk in disks {
        page.value("volumed_disk_used_bytes", &[("disk", &disk.id)], disk.used);
    }
    page.gauge("volumed_disk_online", "Whether the disk serves.");
    for disk in disks {
        let online = u8::from(disk.state == DiskState::Online);
        page.value("volumed_disk_online", &[("disk", &disk.id)], online);
    }
    page.gauge(
        "volumed_volume_used_bytes",
        "What the volume holds, one replica counted.",
    );
    for volume in volumes {
        page.value(
            "volumed_volume_used_bytes",
            &[("volume", &volume.name)],
            volume.used,
        );
    }
    page.gauge("volumed_volume_epoch", "How often the volume was attached.");
    for volume in volumes {
        page.value(
            "volumed_volume_epoch",
            &[("volume", &volume.name)],
            volume.epoch,
        );
    }
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn gauge(&mut self, name: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escape(value)))
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_becomes_a_line() {
        let pool = PoolInfo {
            capacity: 100,
            used: 40,
            free: 60,
            disks: 0,
            volumes: 1,
        };
        let volume = VolumeInfo {
            id: "1".to_owned(),
            name: "a\"b".to_owned(),
            size: 10,
            replicas: 1,
            used: 4,
            epoch: 2,
            owner: None,
        };
        let text = text(&pool, &[], &[volume]);
        assert!(text.contains("\nvolumed_pool_free_bytes 60\n"));
        assert!(text.contains("\nvolumed_volume_used_bytes{volume=\"a\\\"b\"} 4\n"));
    }
}
