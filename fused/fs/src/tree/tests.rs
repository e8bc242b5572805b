//! Inodes as the kernel and the server speak of them.

use super::*;

fn found(kind: Kind) -> Found {
    Found {
        attributes: Attributes::new(kind, 0o644, (0, 0), Timestamp(0)),
        object: None,
        beside_directory: false,
        others: Vec::new(),
    }
}

fn tree() -> Tree {
    Tree::new("", found(Kind::Directory).attributes)
}

#[test]
fn keys_follow_names() {
    let mut tree = Tree::new("home/", found(Kind::Directory).attributes);
    let a = tree.put(ROOT, "a", found(Kind::Directory));
    let b = tree.put(a, "b", found(Kind::File));
    let empty = tree.put(a, "", found(Kind::Directory));
    let c = tree.put(empty, "c", found(Kind::File));
    assert_eq!(tree.key(ROOT).unwrap(), "home/");
    assert_eq!(tree.key(a).unwrap(), "home/a/");
    assert_eq!(tree.key(b).unwrap(), "home/a/b");
    assert_eq!(tree.key(c).unwrap(), "home/a//c");
    assert_eq!(tree.key_in(empty, "d").unwrap(), "home/a//d");
    tree.rename(a, ROOT, "z");
    assert_eq!(tree.key(b).unwrap(), "home/z/b");
    assert_eq!(tree.child(ROOT, "a", false), None);
}

#[test]
fn what_nobody_knows_is_dropped() {
    let mut tree = tree();
    let a = tree.put(ROOT, "a", found(Kind::Directory));
    let b = tree.put(a, "b", found(Kind::File));
    tree.looked_up(a);
    tree.looked_up(b);
    tree.looked_up(b);
    tree.forget(a, 1);
    assert!(tree.get(a).is_some(), "it has a child");
    tree.forget(b, 1);
    assert!(tree.get(b).is_some());
    tree.forget(b, 1);
    assert_eq!(tree.len(), 1);
    assert_eq!(tree.child(ROOT, "a", false), None);
}

#[test]
fn a_removed_file_stays_for_its_openers() {
    let mut tree = tree();
    let a = tree.put(ROOT, "a", found(Kind::File));
    tree.looked_up(a);
    tree.keep(a);
    tree.remove(a);
    assert_eq!(tree.key(a), None);
    let other = tree.put(ROOT, "a", found(Kind::File));
    assert_ne!(other, a);
    tree.forget(a, 1);
    assert!(tree.get(a).is_some());
    tree.release(a);
    assert!(tree.get(a).is_none());
}

#[test]
fn a_rename_replaces_and_another_kind_is_another_file() {
    let mut tree = tree();
    let a = tree.put(ROOT, "a", found(Kind::File));
    let b = tree.put(ROOT, "b", found(Kind::File));
    tree.looked_up(a);
    tree.looked_up(b);
    tree.rename(a, ROOT, "b");
    assert_eq!(tree.child(ROOT, "b", false), Some(a));
    assert_eq!(tree.key(b), None);
    let directory = tree.put(ROOT, "b", found(Kind::Directory));
    assert_ne!(directory, a);
    assert_eq!(tree.key(a), None);
    assert_eq!(tree.key(directory).unwrap(), "b/");
}

#[test]
fn a_change_is_about_a_file_and_what_its_key_makes() {
    let mut tree = tree();
    let a = tree.put(ROOT, "a", found(Kind::Directory));
    let mut marked = found(Kind::Directory);
    marked.object = Some(Base {
        etag: "e".into(),
        size: 0,
    });
    let b = tree.put(a, "b", marked);
    let c = tree.put(b, "c", found(Kind::File));
    assert_eq!(tree.about("a/b/c"), [a, c]);
    assert_eq!(tree.about("a/b/"), [a, b]);
    assert_eq!(tree.about("a/b/d"), [a]);
    assert_eq!(tree.about("a/b/c/d"), [a, c], "c is a directory now");
    assert_eq!(tree.about("x/y"), []);
    assert_eq!(tree.below("a/b/"), [b, c]);
    assert_eq!(tree.below("a/b/c/"), []);
    let path = |key: &str| {
        let path = tree.path(key).into_iter();
        path.map(|(ino, segment, last)| format!("{} {segment} {last}", ino.0))
            .collect::<Vec<_>>()
    };
    let (root, a, b) = (ROOT.0, a.0, b.0);
    let whole = [
        format!("{root} a false"),
        format!("{a} b false"),
        format!("{b} c true"),
    ];
    assert_eq!(path("a/b/c"), whole);
    assert_eq!(
        path("a/b/"),
        [format!("{root} a false"), format!("{a} b true")]
    );
    assert_eq!(path("x/y"), [format!("{root} x false")]);
}

#[test]
fn an_object_beside_a_directory_is_another_inode() {
    let mut tree = tree();
    let directory = tree.put(ROOT, "blue", found(Kind::Directory));
    let mut object = found(Kind::File);
    object.beside_directory = true;
    let object = tree.put(ROOT, "blue", object);
    assert_ne!(directory, object);
    assert_eq!(tree.key(object).unwrap(), "blue");
    assert_eq!(tree.key(directory).unwrap(), "blue/");
    assert_eq!(tree.children(ROOT).count(), 2);
}
