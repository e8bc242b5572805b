//! restic: back up, check every byte, restore, forget and prune.

use hayrack_e2e::clients::{assert_same, command, debian, run};

use crate::{Trees, with_rack};

#[test]
fn a_backup_is_made_checked_restored_and_pruned() {
    with_rack(|rack| {
        let trees = Trees::plant(31);
        let repository = format!(
            "s3:{}/{}/restic",
            rack.var("AWS_ENDPOINT_URL"),
            rack.var("HAYRACK_BUCKET")
        );
        let restic = |words: &[&str]| {
            let mut command = command(rack, &debian("restic"));
            command
                .env("RESTIC_PASSWORD", "secret")
                .current_dir(trees.path(""))
                .args(["--repo", &repository, "--quiet"])
                .args(words);
            run(&mut command)
        };
        restic(&["init"]);
        restic(&["backup", "up"]);
        restic(&["backup", "up/folder-1"]);
        restic(&["check", "--read-data"]);
        restic(&["forget", "--keep-last", "1", "--prune"]);
        restic(&["check", "--read-data"]);
        restic(&[
            "restore",
            "latest",
            "--path",
            &trees.up().display().to_string(),
            "--target",
            "down",
        ]);
        assert_same(&trees.up(), &trees.down().join("up"));
    });
}
