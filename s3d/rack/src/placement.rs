//! Which node opens a bucket that none has open.
//!
//! The one that was asked: its clients are here, and no request takes a hop. Only one that has far more
//! buckets open than another leaves it to that one: more than [`SLACK`] more, and more than half as many
//! again. Since a bucket stays where it is until nobody has used it for a while, a small difference moves
//! nothing back and forth.

use volumed_cluster::NodeNumber;

/// Buckets that a node may have more than another before it gives one away.
const SLACK: usize = 8;

/// How much a node has to do: buckets that it has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Load(pub usize);

/// Another node that should open a bucket which was asked for here. `own` is `None` where this node takes
/// none.
pub fn better(own: Option<Load>, others: &[(NodeNumber, Load)]) -> Option<NodeNumber> {
    let (node, least) = *others.iter().min_by_key(|(node, load)| (*load, *node))?;
    let gives = match own {
        None => true,
        Some(own) => own.0 > least.0 + SLACK && own.0 * 2 > least.0 * 3,
    };
    gives.then_some(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn better_than(own: Option<usize>, others: &[usize]) -> Option<u16> {
        let numbered = others.iter().zip(2..);
        let others: Vec<_> = numbered
            .map(|(load, number)| (NodeNumber(number), Load(*load)))
            .collect();
        better(own.map(Load), &others).map(|node| node.0)
    }

    #[test]
    fn the_node_that_was_asked_takes_it() {
        assert_eq!(better_than(Some(0), &[]), None);
        assert_eq!(better_than(Some(8), &[0, 7]), None);
        assert_eq!(better_than(Some(30), &[20, 40]), None);
    }

    #[test]
    fn one_that_has_far_more_gives_it_to_the_least() {
        assert_eq!(better_than(Some(9), &[5, 0]), Some(3));
        assert_eq!(better_than(Some(31), &[20, 40]), Some(2));
    }

    #[test]
    fn one_that_takes_none_gives_it_away_if_it_can() {
        assert_eq!(better_than(None, &[50, 40]), Some(3));
        assert_eq!(better_than(None, &[]), None);
    }
}
