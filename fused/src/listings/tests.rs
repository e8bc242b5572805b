use fused_fs::attributes::{Attributes, Kind};
use fused_fs::tree::ROOT;

use super::*;

const NOW: Timestamp = Timestamp(10);

fn found(kind: Kind) -> Found {
    Found {
        attributes: Attributes::new(kind, 0o644, (0, 0), NOW),
        object: None,
        beside_directory: false,
        others: Vec::new(),
    }
}

fn tree() -> Tree {
    let root = Attributes::new(Kind::Directory, 0o755, (0, 0), NOW);
    Tree::new("", root)
}

/// The root, listed: a file `a` and a directory `d`.
fn listed() -> Listings {
    let mut listings = Listings::default();
    let walk = listings.begin(ROOT, Timestamp(20));
    listings.add(walk, "a", Some(found(Kind::File)));
    listings.add(walk, "d", Some(found(Kind::Directory)));
    listings.end(walk, true);
    listings
}

/// `f`: found, `n`: nothing, `?`: not known.
fn said(listings: &Listings, names: &str) -> String {
    let says = |name: char| match listings.say(ROOT, &name.to_string(), |until| until > NOW) {
        Some((Said::Found(_), _)) => 'f',
        Some((Said::Nothing, _)) => 'n',
        None => '?',
    };
    names.chars().map(says).collect()
}

#[test]
fn a_listed_directory_has_the_names_that_it_has() {
    let listings = listed();
    assert_eq!(said(&listings, "adx"), "ffn");
    assert!(
        listings
            .say(ROOT, "a", |until| until > Timestamp(20))
            .is_none()
    );
    assert!(listings.say(Ino(7), "a", |_| true).is_none());
}

#[test]
fn what_is_not_whole_says_nothing_of_other_names() {
    let mut listings = Listings::default();
    let walk = listings.begin(ROOT, Timestamp(20));
    listings.add(walk, "a", Some(found(Kind::File)));
    listings.add(walk, "b", None);
    assert_eq!(said(&listings, "abx"), "f??", "while it is walked");
    listings.end(walk, false);
    assert_eq!(said(&listings, "abx"), "f??");
}

#[test]
fn what_changes_is_asked_for() {
    let tree = tree();
    let mut listings = listed();
    listings.note(&tree, "a", false);
    assert_eq!(said(&listings, "adx"), "?fn");
    listings.note(&tree, "x", false);
    listings.note(&tree, "d/new", false);
    assert_eq!(said(&listings, "adx"), "?f?");
    listings.note(&tree, "e/new", false);
    listings.note(&tree, "d/new", true);
    assert_eq!(said(&listings, "de"), "??");
    let mut own = listed();
    own.note_own(&tree, "d/");
    own.note_own(&tree, "a");
    assert_eq!(said(&own, "ad"), "??");
    own.clear();
    assert_eq!(said(&own, "x"), "?");
}

#[test]
fn what_changes_during_a_walk_is_not_taken_from_it() {
    let tree = tree();
    let mut listings = Listings::default();
    let walk = listings.begin(ROOT, Timestamp(20));
    listings.note(&tree, "a", true);
    listings.add(walk, "a", Some(found(Kind::File)));
    listings.note(&tree, "b", false);
    listings.end(walk, true);
    assert_eq!(said(&listings, "abx"), "??n");
    let walk = listings.begin(ROOT, Timestamp(20));
    listings.clear();
    listings.add(walk, "a", Some(found(Kind::File)));
    listings.end(walk, true);
    assert_eq!(said(&listings, "ax"), "??");
}

#[test]
fn many_misses_are_a_storm_until_the_directory_is_listed() {
    let mut listings = Listings::default();
    let holds = |until| until > NOW;
    for _ in 1..STORM {
        assert_eq!(listings.miss(ROOT, "a", holds), None);
    }
    assert_eq!(listings.miss(ROOT, "a", holds), Some(Storm::Whole));
    let walk = listings.begin(ROOT, Timestamp(20));
    assert_eq!(listings.miss(ROOT, "a", holds), None, "it is being listed");
    listings.end(walk, true);
    assert_eq!(listings.miss(ROOT, "a", holds), None, "it was listed");
}

#[test]
fn names_in_their_order_are_a_storm_where_the_listing_ends() {
    let mut listings = Listings::default();
    let walk = listings.begin(ROOT, Timestamp(20));
    listings.end(walk, false);
    let mut miss = |segment: &str| listings.miss(ROOT, segment, |until| until > NOW);
    for number in 0..STORM * 3 {
        assert_eq!(miss(&format!("{}", 9 - number % 4)), None, "here and there");
    }
    let in_order = (1..).map(|number| miss(&format!("x{number:02}")));
    let storms: Vec<_> = in_order.take(STORM as usize).collect();
    assert_eq!(storms.last(), Some(&Some(Storm::Here)));
    assert!(storms.iter().filter(|it| it.is_some()).count() <= 2);
}

#[test]
fn of_a_long_directory_the_last_names_are_kept() {
    let mut listings = Listings::default();
    let walk = listings.begin(ROOT, Timestamp(20));
    let name = |number: usize| format!("{number:06}");
    for number in 0..=LONGEST {
        if number == LONGEST {
            listings.turn(walk);
        }
        listings.add(walk, &name(number), Some(found(Kind::File)));
    }
    listings.end(walk, true);
    let says = |number: usize| {
        let said = listings.say(ROOT, &name(number), |_| true);
        said.is_some()
    };
    assert!(says(LONGEST) && !says(0) && !says(LONGEST + 1));
}

#[test]
fn the_oldest_listing_gives_way() {
    let mut listings = Listings::default();
    for directory in 2..4 {
        let walk = listings.begin(Ino(directory), Timestamp(20));
        for number in 0..=MOST / 2 {
            listings.add(walk, &number.to_string(), None);
        }
        listings.end(walk, true);
    }
    assert!(listings.listed.contains_key(&Ino(3)) && !listings.listed.contains_key(&Ino(2)));
}

#[test]
fn an_absent_name_is_so_until_something_is_noted_of_it() {
    let (mut listings, tree) = (Listings::default(), tree());
    for name in ["a", "b", "c", "d"] {
        listings.add_absent(ROOT, name, Timestamp(20));
    }
    listings.add_absent(Ino(7), "x", Timestamp(20));
    assert_eq!(said(&listings, "abcdx"), "nnnn?");
    listings.note_own(&tree, "a");
    listings.note(&tree, "b/below", false);
    listings.end_absent(ROOT, "c");
    assert_eq!(said(&listings, "abcd"), "???n");
    let outdated = listings.say(ROOT, "d", |until| until > Timestamp(20));
    assert!(outdated.is_none());
    for number in 0..=ABSENT {
        listings.add_absent(ROOT, &format!("many {number}"), Timestamp(20));
    }
    assert!(listings.absent[&ROOT].len() <= ABSENT);
    listings.clear();
    assert_eq!(said(&listings, "d"), "?");
}
