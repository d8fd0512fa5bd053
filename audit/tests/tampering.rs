//! Every way to tamper with a trail is found and named, and an untouched trail is clean.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failing helper fails its test"
)]

use proptest::prelude::*;
use watertight_audit::{
    AuditKey, CallVerifier, Calls, Chain, ChainVerifier, Completion, Effect, Finding, Floor, Head,
    KeyRing, Said, StoredCompletion, StoredEffect, TenantKey,
};

fn whole() -> AuditKey {
    AuditKey::new([7; 32])
}

fn key() -> TenantKey {
    whole().tenant("acme")
}

fn record(number: i64) -> Completion {
    Completion {
        reference: format!("r{number}"),
        at: 1_000 * number,
        recorded_at: 1_000 * number,
        tool: Some("list".to_owned()),
        rows: Some(number),
        ..Completion::default()
    }
}

/// A chain of this length as the table has it, and its head.
fn chain(length: i64) -> (Vec<StoredCompletion>, Head) {
    let mut chain = Chain::new(key(), "w1");
    let rows = (1..=length)
        .map(|number| {
            let record = record(number);
            let link = chain.link(&record);
            let (seq, mac) = (link.seq, Some(link.mac));
            StoredCompletion {
                id: 100 + number,
                seq,
                mac,
                record,
            }
        })
        .collect();
    (rows, chain.head("acme").unwrap())
}

/// As a query returns them: by number, then by row.
fn verify(mut rows: Vec<StoredCompletion>, published: &[Head]) -> (u64, Vec<Finding>) {
    rows.sort_by_key(|row| (row.seq, row.id));
    let mut verifier = ChainVerifier::new(key(), "w1", published.to_vec());
    rows.into_iter().for_each(|row| verifier.push(row));
    verifier.finish()
}

fn changed(id: i64) -> Finding {
    let reference = format!("r{}", id - 100);
    Finding::Changed { id, reference }
}

#[test]
fn an_untouched_chain_is_clean() {
    let (rows, head) = chain(9);
    assert_eq!(verify(rows.clone(), &[head]), (9, vec![]));
    let older = {
        let mut chain = Chain::new(key(), "w1");
        (1..=4).for_each(|number| drop(chain.link(&record(number))));
        chain.head("acme").unwrap()
    };
    assert_eq!(verify(rows, &[older]), (9, vec![]));
}

#[test]
fn a_removed_record_is_named_by_its_number_and_its_neighbour() {
    let (mut rows, _) = chain(9);
    rows.remove(4);
    let (verified, findings) = verify(rows, &[]);
    assert_eq!(verified, 7);
    let removed = Finding::Removed {
        writer: "w1".to_owned(),
        from: 5,
        to: 5,
        after: Some("r4".to_owned()),
    };
    let loose = Finding::Loose {
        id: 106,
        reference: "r6".to_owned(),
    };
    assert_eq!(findings, [removed, loose]);
}

#[test]
fn a_removed_beginning_is_found_unless_it_was_given_up() {
    let (rows, _) = chain(9);
    let floor = {
        let mut chain = Chain::new(key(), "w1");
        (1..=3).for_each(|number| drop(chain.link(&record(number))));
        chain.head("acme").unwrap()
    };
    let rest = rows[3..].to_vec();
    let (_, findings) = verify(rest.clone(), &[]);
    assert!(
        matches!(
            findings[0],
            Finding::Removed {
                from: 1,
                to: 3,
                after: None,
                ..
            }
        ),
        "{findings:?}"
    );
    let head = floor;
    let floor = |before| Floor {
        head: head.clone(),
        before,
    };
    let mut verifier = ChainVerifier::new(key(), "w1", vec![]).after(&floor(4_000));
    rest.into_iter().for_each(|row| verifier.push(row));
    assert_eq!(verifier.finish(), (6, vec![]));
    // A head below the floor is of a record that was older than what was given up, or the floor is wrong.
    let below = |before| {
        let heads = vec![head.clone()];
        ChainVerifier::new(key(), "w1", heads)
            .after(&floor(before))
            .finish()
            .1
    };
    assert_eq!(below(3_001), []);
    let given_up = Finding::GivenUp {
        writer: "w1".to_owned(),
        published: 3,
    };
    assert_eq!(below(3_000), [given_up]);
}

#[test]
fn only_a_record_with_a_right_mac_can_become_a_floor() {
    let (rows, _) = chain(4);
    let newest = |rows: &[StoredCompletion]| {
        let mut verifier = ChainVerifier::new(key(), "w1", vec![]);
        rows.iter().for_each(|row| verifier.push(row.clone()));
        verifier.newest().map(|newest| newest.seq)
    };
    assert_eq!(newest(&rows), Some(4));
    // Whoever may insert can give any number and any MAC.
    let far = StoredCompletion {
        id: 900,
        seq: 1_000_000,
        mac: Some(key_of_nobody()),
        record: record(9),
    };
    assert_eq!(newest(&[rows.clone(), vec![far.clone()]].concat()), Some(4));
    assert_eq!(newest(&[far]), None);
    let mut changed = rows;
    changed[3].record.rows = None;
    assert_eq!(newest(&changed), Some(3));
}

fn key_of_nobody() -> watertight_audit::Mac {
    watertight_audit::Mac::from_bytes(&[9; 32]).unwrap()
}

#[test]
fn a_flood_of_forged_rows_is_named_and_does_not_take_for_ever() {
    let (rows, _) = chain(3);
    let forged = (0..50_000).map(|number| StoredCompletion {
        id: 1_000 + number,
        seq: 1,
        mac: Some(key_of_nobody()),
        record: record(number),
    });
    let begun = std::time::Instant::now();
    let (_, findings) = verify(rows.into_iter().chain(forged).collect(), &[]);
    assert_eq!(findings.len(), 50_000);
    assert!(begun.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn a_cut_tail_is_found_by_a_published_head_alone() {
    let (mut rows, head) = chain(9);
    rows.truncate(6);
    assert_eq!(
        verify(rows.clone(), &[]),
        (6, vec![]),
        "nothing can show it"
    );
    let cut = Finding::Cut {
        writer: "w1".to_owned(),
        last: 6,
        published: 9,
    };
    assert_eq!(verify(rows, std::slice::from_ref(&head)).1, [cut]);
    let gone = Finding::Cut {
        writer: "w1".to_owned(),
        last: 0,
        published: 9,
    };
    assert_eq!(verify(vec![], &[head]).1, [gone]);
}

#[test]
fn whoever_has_the_key_can_not_rewrite_what_was_published() {
    let (_, head) = chain(3);
    let mut forged = Chain::new(key(), "w1");
    let rows = (1..=3).map(|number| {
        let record = Completion {
            rows: Some(0),
            ..record(number)
        };
        let link = forged.link(&record);
        StoredCompletion {
            id: number,
            seq: link.seq,
            mac: Some(link.mac),
            record,
        }
    });
    let rewritten = Finding::Rewritten {
        writer: "w1".to_owned(),
        published: 3,
    };
    assert_eq!(verify(rows.collect(), &[head]).1, [rewritten]);
}

#[test]
fn two_records_that_changed_places_are_named_and_no_others() {
    let (mut rows, _) = chain(9);
    rows[3].seq = 5;
    rows[4].seq = 4;
    let (verified, findings) = verify(rows, &[]);
    let moved = |id, now, was| Finding::Moved {
        id,
        reference: format!("r{}", id - 100),
        now,
        was: Some(was),
    };
    assert_eq!(
        (verified, findings),
        (7, vec![moved(105, 4, 5), moved(104, 5, 4)])
    );
}

#[test]
fn rows_whose_ids_were_exchanged_stand_out_of_order() {
    let (mut rows, _) = chain(9);
    rows[3].id = 105;
    rows[4].id = 104;
    let moved = Finding::Moved {
        id: 104,
        reference: "r5".to_owned(),
        now: 5,
        was: None,
    };
    assert_eq!(verify(rows, &[]), (9, vec![moved]));
}

#[test]
fn what_was_put_in_is_named() {
    let (rows, _) = chain(5);
    let inserted = |id, reference: &str| Finding::Inserted {
        id,
        reference: reference.to_owned(),
    };
    // Without a MAC, as a copy, and under a number that is taken.
    for (row, expected) in [
        (
            StoredCompletion {
                id: 900,
                record: record(9),
                ..rows[0].clone()
            },
            "r9",
        ),
        (
            StoredCompletion {
                id: 900,
                ..rows[2].clone()
            },
            "r3",
        ),
        (
            StoredCompletion {
                id: 900,
                mac: None,
                ..rows[2].clone()
            },
            "r3",
        ),
    ] {
        let rows = [rows.clone(), vec![row]].concat();
        assert_eq!(verify(rows, &[]), (5, vec![inserted(900, expected)]));
    }
    // At the end, where its number is free, it can't be told from one whose contents were changed.
    let row = StoredCompletion {
        id: 900,
        seq: 6,
        record: record(9),
        ..rows[4].clone()
    };
    let rows = [rows, vec![row]].concat();
    let finding = Finding::Changed {
        id: 900,
        reference: "r9".to_owned(),
    };
    assert_eq!(verify(rows, &[]), (5, vec![finding]));
}

#[test]
fn a_changed_mac_does_not_accuse_the_next_record() {
    let (mut rows, _) = chain(5);
    rows[2].mac = rows[0].mac;
    assert_eq!(verify(rows, &[]), (4, vec![changed(103)]));
}

#[test]
fn another_tenants_key_verifies_nothing() {
    let (rows, _) = chain(3);
    let key = AuditKey::new([7; 32]).tenant("globex");
    let mut verifier = ChainVerifier::new(key, "w1", vec![]);
    rows.into_iter().for_each(|row| verifier.push(row));
    assert_eq!(verifier.finish().0, 0);
}

fn effects(count: i32) -> Vec<StoredEffect> {
    let stored = |ordinal| {
        let record = Effect {
            reference: "r1".to_owned(),
            ordinal,
            ..Effect::default()
        };
        let mac = Some(record.mac(&key()));
        StoredEffect {
            id: ordinal.into(),
            mac,
            record,
        }
    };
    (1..=count).map(stored).collect()
}

fn call(effects: &[StoredEffect], said: &[(&str, u64)]) -> (u64, u64, Vec<Finding>) {
    let mut calls = CallVerifier::new(KeyRing::new(whole()).tenant("acme"));
    let said: Vec<_> = said
        .iter()
        .map(|(ordinals, uncertain)| Said {
            ordinals: Some(ordinals.to_string()),
            uncertain: *uncertain,
            key: None,
        })
        .collect();
    calls.push("r1", effects, &said);
    let found = calls.finish();
    (found.verified, found.unsealed, found.findings)
}

#[test]
fn the_effects_of_a_call_are_those_that_it_says() {
    assert_eq!(call(&effects(2), &[("1-2", 0)]), (2, 0, vec![]));
    assert_eq!(
        call(&effects(2)[1..], &[("2", 0)]),
        (1, 0, vec![]),
        "the first one failed"
    );
    assert_eq!(
        call(&effects(1), &[("1", 1)]),
        (1, 0, vec![]),
        "it may not have committed"
    );
    assert_eq!(
        call(&effects(2), &[("1", 1)]),
        (2, 0, vec![]),
        "it may have committed"
    );
    assert_eq!(
        call(&effects(1), &[]),
        (1, 1, vec![]),
        "the process ended first"
    );
    let twice = [effects(1), effects(1)].concat();
    assert_eq!(
        call(&twice, &[("1", 0), ("1", 0)]),
        (2, 0, vec![]),
        "two calls of one reference"
    );
    let gone = Finding::EffectRemoved {
        reference: "r1".to_owned(),
        said: 2,
        found: 1,
    };
    assert_eq!(
        call(&effects(1), &[("1-2", 0)]).2,
        std::slice::from_ref(&gone)
    );
    let other = Finding::EffectRemoved {
        reference: "r1".to_owned(),
        said: 1,
        found: 0,
    };
    assert_eq!(
        call(&effects(2)[1..], &[("1", 1)]).2,
        [other],
        "one that may have committed stands for none that did"
    );
    let inserted = |id| Finding::Inserted {
        id,
        reference: "r1".to_owned(),
    };
    assert_eq!(call(&twice, &[("1-2", 0)]).2[0], inserted(1), "a copy");
    assert_eq!(
        call(&effects(3), &[("1-2", 0)]).2,
        [inserted(3)],
        "one too many"
    );
    let mut bare = effects(1);
    bare[0].mac = None;
    assert_eq!(call(&bare, &[]).2, [inserted(1)]);
    let mut altered = effects(1);
    altered[0].record.subject = Some("mallory".to_owned());
    assert!(matches!(
        call(&altered, &[("1", 0)]).2[0],
        Finding::Changed { id: 1, .. }
    ));
}

/// The key of before, which ended at 5,000, and row 105 was stored afterwards.
fn rotated() -> watertight_audit::TenantRing {
    let mut ring = KeyRing::new(AuditKey::new([8; 32]))
        .and(whole(), Some(5_000))
        .tenant("acme");
    ring.note_rows(|id| (id == whole().id()).then_some(105));
    ring
}

#[test]
fn what_an_earlier_key_says_of_the_time_after_it_is_named() {
    let writer = whole().writer("0123456789abcdef0123456789abcdef");
    let mut chain = Chain::new(key(), &writer);
    let rows: Vec<_> = (1..=7)
        .map(|number| {
            let record = match number {
                // Dated back: by its own account it is of the time before.
                6 => Completion {
                    recorded_at: 4_000,
                    ..record(number)
                },
                _ => record(number),
            };
            let link = chain.link(&record);
            StoredCompletion {
                id: 100 + number,
                seq: link.seq,
                mac: Some(link.mac),
                record,
            }
        })
        .collect();
    let ring = rotated();
    let keys: Vec<_> = ring.of_writer(&writer).collect();
    assert_eq!((keys.len(), keys[0].id), (1, whole().id()));
    let mut verifier = ChainVerifier::under(keys[0], &writer, vec![]);
    rows.into_iter().for_each(|row| verifier.push(row));
    assert_eq!(verifier.newest().unwrap().seq, 5);
    let retired = |number: i64| Finding::Retired {
        id: 100 + number,
        reference: format!("r{number}"),
    };
    assert_eq!(verifier.finish(), (5, vec![retired(6), retired(7)]));
}

#[test]
fn an_effect_is_under_the_key_of_its_call_and_of_its_time() {
    let judged = |effects: &[StoredEffect], said: Option<AuditKey>| {
        let mut calls = CallVerifier::new(rotated());
        let said: Vec<_> = said
            .map(|key| Said {
                ordinals: Some("1".to_owned()),
                uncertain: 0,
                key: Some(key.id()),
            })
            .into_iter()
            .collect();
        calls.push("r1", effects, &said);
        calls.finish()
    };
    let good = Calls {
        verified: 1,
        ..Calls::default()
    };
    assert_eq!(judged(&effects(1), Some(whole())), good);
    let retired = [Finding::Retired {
        id: 1,
        reference: "r1".to_owned(),
    }];
    // The call is under the key of now, and the effect was made with the one of before.
    let of_now = Some(AuditKey::new([8; 32]));
    assert_eq!(judged(&effects(1), of_now).findings[0], retired[0]);
    // Without a record of its call its own time counts, and its place among the rows.
    let mut late = effects(1);
    late[0].record.recorded_at = 5_001;
    late[0].mac = Some(late[0].record.mac(&key()));
    assert_eq!(judged(&late, None).findings, retired);
    let mut dated_back = effects(1);
    dated_back[0].id = 106;
    let found = judged(&dated_back, None);
    assert!(matches!(
        found.findings[0],
        Finding::Retired { id: 106, .. }
    ));
    // Of a call under a key that nobody gave nothing can be said.
    let unknown = judged(&effects(1), Some(AuditKey::new([9; 32])));
    assert_eq!((unknown.unknown, unknown.findings), (1, vec![]));
}

#[test]
fn copies_of_a_write_do_not_take_for_ever() {
    let one = effects(1).remove(0);
    let copies = vec![one; 3_000];
    let said: Vec<_> = (0..3_000)
        .map(|_| Said {
            ordinals: Some("1".to_owned()),
            ..Said::default()
        })
        .collect();
    let mut calls = CallVerifier::new(KeyRing::new(whole()).tenant("acme"));
    let begun = std::time::Instant::now();
    calls.push("r1", &copies, &said);
    assert_eq!(calls.finish().verified, 3_000);
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
}

/// Alters one thing of a record.
fn alter(record: &mut Completion, what: usize) {
    let other = || Some("other".to_owned());
    match what {
        0 => record.reference.push('x'),
        1 => record.at += 1,
        2 => record.tool = None,
        3 => record.issuer = other(),
        4 => record.subject = Some(String::new()),
        5 => record.home_tenant = other(),
        6 => record.client = other(),
        7 => record.arguments = other(),
        8 => record.outcome = other(),
        9 => record.error = other(),
        10 => record.rows = None,
        11 => record.duration_us = Some(0),
        12 => record.protocol = other(),
        13 => record.probe = true,
        14 => record.effects = 1,
        15 => record.recorded_at = 7,
        17 => record.agent = other(),
        18 => record.ordinals = other(),
        _ => record.uncertain = 1,
    }
}

proptest! {
    #[test]
    fn any_changed_field_is_found_at_its_record(length in 1_i64..30, at in 0_usize..30, what in 0_usize..19) {
        let (mut rows, _) = chain(length);
        let at = at % rows.len();
        let row = &mut rows[at];
        alter(&mut row.record, what);
        let expected = Finding::Changed { id: row.id, reference: row.record.reference.clone() };
        let (verified, findings) = verify(rows, &[]);
        prop_assert_eq!(verified, length as u64 - 1);
        prop_assert_eq!(findings, vec![expected]);
    }

    #[test]
    fn whatever_is_taken_out_of_the_middle_is_named(length in 3_i64..30, from in 1_usize..30, count in 1_usize..5) {
        let (mut rows, _) = chain(length);
        let from = 1 + from % (rows.len() - 2);
        let to = (from + count).min(rows.len() - 1);
        rows.drain(from..to);
        let (_, findings) = verify(rows, &[]);
        let (first, last) = (from as i64 + 1, to as i64);
        let named = matches!(findings[0], Finding::Removed { from, to, .. } if (from, to) == (first, last));
        prop_assert!(named, "{:?}", findings);
    }
}
