use proptest::prelude::*;

use super::check;
use crate::history::{Answer, Call, Moment, Operation, Value};

const A: Value = Value(1);
const B: Value = Value(2);
const C: Value = Value(3);
const A_TO_B: Call = Call::Swap { from: A, to: B };
const A_TO_C: Call = Call::Swap { from: A, to: C };

fn at(called: u64, answered: u64, call: Call, answer: Answer) -> Operation {
    Operation {
        called: Moment(called),
        answered: Moment(answered),
        call,
        answer,
    }
}

fn read(called: u64, answered: u64, held: impl Into<Option<Value>>) -> Operation {
    at(called, answered, Call::Read, Answer::Held(held.into()))
}

fn put(called: u64, answered: u64, value: Value) -> Operation {
    at(called, answered, Call::Put(value), Answer::Done)
}

#[test]
fn what_happens_one_after_the_other_is_linearizable() {
    let history = [
        read(0, 1, None),
        at(2, 3, Call::Create(A), Answer::Done),
        at(4, 5, Call::Create(B), Answer::Refused),
        at(6, 7, A_TO_B, Answer::Done),
        at(8, 9, A_TO_C, Answer::Refused),
        read(10, 11, B),
        at(12, 13, Call::Delete, Answer::Done),
        at(14, 15, A_TO_C, Answer::Refused),
        read(16, 17, None),
    ];
    check(None, &history).unwrap();
}

#[test]
fn a_read_of_what_was_overwritten_is_refused() {
    let history = [put(0, 1, A), put(2, 3, B), read(4, 5, A)];
    let violation = check(None, &history).unwrap_err();
    assert_eq!((violation.explained, violation.held), (2, Some(B)));
    assert_eq!(violation.stuck, [read(4, 5, A)]);
}

#[test]
fn an_acknowledged_put_that_is_missing_is_refused() {
    assert!(check(None, &[put(0, 1, A), read(2, 3, None)]).is_err());
    assert!(check(Some(C), &[put(0, 1, A), read(2, 3, C)]).is_err());
}

#[test]
fn a_read_beside_a_put_may_see_it_or_not() {
    for seen in [Some(A), None] {
        check(None, &[put(0, 3, A), read(1, 2, seen)]).unwrap();
    }
}

#[test]
fn what_one_read_saw_the_next_sees_too() {
    let history = [put(0, 9, A), read(1, 2, A), read(3, 4, None)];
    assert!(check(None, &history).is_err());
    let history = [put(0, 9, A), read(1, 2, None), read(3, 4, A)];
    check(None, &history).unwrap();
}

#[test]
fn two_swaps_of_one_value_cannot_both_be_done() {
    let both = [
        at(0, 3, A_TO_B, Answer::Done),
        at(1, 2, A_TO_C, Answer::Done),
    ];
    assert!(check(Some(A), &both).is_err());
    let one = [
        at(0, 3, A_TO_B, Answer::Done),
        at(1, 2, A_TO_C, Answer::Refused),
    ];
    check(Some(A), &one).unwrap();
}

#[test]
fn two_creations_cannot_both_be_done() {
    let both = [
        at(0, 3, Call::Create(A), Answer::Done),
        at(1, 2, Call::Create(B), Answer::Done),
    ];
    assert!(check(None, &both).is_err());
}

#[test]
fn a_creation_that_was_refused_by_itself_is_refused() {
    // As a server answers that repeats a request whose first try was done.
    let history = [at(0, 1, Call::Create(A), Answer::Refused), read(2, 3, A)];
    assert!(check(None, &history).is_err());
}

#[test]
fn what_is_unknown_may_happen_late_or_never() {
    let unknown = at(0, 1, Call::Put(A), Answer::Unknown);
    check(None, &[unknown, read(2, 3, None)]).unwrap();
    check(None, &[unknown, read(2, 3, A)]).unwrap();
    check(None, &[unknown, read(2, 3, None), read(4, 5, A)]).unwrap();
    assert!(check(None, &[unknown, read(2, 3, A), read(4, 5, None)]).is_err());
    let early = at(2, 3, Call::Put(A), Answer::Unknown);
    assert!(check(None, &[early, read(0, 1, A)]).is_err());
}

#[test]
fn an_unknown_swap_happens_only_where_its_condition_holds() {
    let unknown = at(0, 1, A_TO_B, Answer::Unknown);
    assert!(check(Some(C), &[unknown, read(2, 3, B)]).is_err());
    check(Some(A), &[unknown, read(2, 3, B)]).unwrap();
}

#[test]
fn an_unknown_read_says_nothing() {
    check(None, &[at(0, 1, Call::Read, Answer::Unknown)]).unwrap();
}

/// Calls that overlap as chance has it, each done at one moment within: linearizable by how it is made.
fn made(calls: Vec<(u8, u8, u8)>) -> Vec<Operation> {
    let (mut held, mut made) = (None, Vec::new());
    for (index, (kind, before, behind)) in calls.into_iter().enumerate() {
        let index = index as u64;
        let (call, answer) = step(&mut held, kind, Value(index));
        let moment = 1_000 + index * 10;
        let unique = |moment: u64| moment * 1_000 + index;
        let called = unique(moment - u64::from(before));
        made.push(at(
            called,
            unique(moment + u64::from(behind) + 1),
            call,
            answer,
        ));
    }
    made
}

fn step(held: &mut Option<Value>, kind: u8, value: Value) -> (Call, Answer) {
    let call = match (kind % 5, *held) {
        (0, _) => return (Call::Read, Answer::Held(*held)),
        (1, _) => Call::Create(value),
        (2, Some(from)) => Call::Swap { from, to: value },
        (3, _) => Call::Delete,
        _ => Call::Put(value),
    };
    if matches!(call, Call::Create(_)) && held.is_some() {
        return (call, Answer::Refused);
    }
    *held = (call != Call::Delete).then_some(value);
    let answer = if kind > 200 {
        Answer::Unknown
    } else {
        Answer::Done
    };
    (call, answer)
}

proptest! {
    #[test]
    fn histories_that_were_made_in_an_order_are_linearizable(
        calls in prop::collection::vec((any::<u8>(), 0..60_u8, 0..60_u8), 0..80),
    ) {
        prop_assert!(check(None, &made(calls)).is_ok());
    }

    #[test]
    fn a_value_that_nobody_wrote_is_refused(
        calls in prop::collection::vec((any::<u8>(), 0..30_u8, 0..30_u8), 1..40),
        reader in any::<prop::sample::Index>(),
    ) {
        let mut history = made(calls);
        let reader = reader.index(history.len());
        history[reader].call = Call::Read;
        history[reader].answer = Answer::Held(Some(Value(u64::MAX)));
        prop_assert!(check(None, &history).is_err());
    }

    /// Against every order that there is.
    #[test]
    fn the_answer_is_that_of_trying_every_order(
        calls in prop::collection::vec((any::<u8>(), 0..30_u8, 0..30_u8), 1..6),
        reader in any::<prop::sample::Index>(),
        held in 0..6_u64,
    ) {
        let mut history = made(calls);
        let reader = reader.index(history.len());
        history[reader].call = Call::Read;
        history[reader].answer = Answer::Held((held > 0).then(|| Value(held - 1)));
        prop_assert_eq!(check(None, &history).is_ok(), some_order_explains(None, &history));
    }
}

fn some_order_explains(held: Option<Value>, left: &[Operation]) -> bool {
    if left.iter().all(|it| it.answer == Answer::Unknown) {
        return true;
    }
    (0..left.len()).any(|index| {
        let mut others = left.to_vec();
        let next = others.remove(index);
        let known = others.iter().filter(|it| it.answer != Answer::Unknown);
        let in_time = known.into_iter().all(|it| next.called < it.answered);
        let then = super::after(held, &next);
        in_time && then.is_ok_and(|held| some_order_explains(held, &others))
    })
}
