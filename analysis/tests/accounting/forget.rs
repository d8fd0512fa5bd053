//! Runs in a copy of the crate in which the lowering can forget one position at a time: the statement is
//! proved as it is, and refused as a fault of ours when the position is forgotten.

mod common;

use std::sync::atomic::Ordering;

use watertight_analysis::{Code, forget};

#[test]
fn what_the_lowering_forgets_is_a_fault_of_ours() {
    let catalog = common::catalog();
    let mut count = 0;
    let mut problems = Vec::new();
    for line in include_str!("positions.txt").lines() {
        let Some((name, sql)) = line.split_once(": ") else {
            continue;
        };
        let Some(position) = forget::POSITIONS.iter().position(|known| *known == name) else {
            problems.push(format!("{name}: no place in the lowering is patched for it"));
            continue;
        };
        count += 1;
        forget::FORGOTTEN.store(usize::MAX, Ordering::SeqCst);
        if let Err(refused) = common::judge(&catalog, sql) {
            problems.push(format!("{name}: not proved as it is: {}\n{sql}", refused[0].message));
            continue;
        }
        forget::FORGOTTEN.store(position, Ordering::SeqCst);
        match common::judge(&catalog, sql) {
            Ok(_) => problems.push(format!("{name}: proved, although it was forgotten\n{sql}")),
            Err(refused) if refused.iter().all(|problem| problem.code != Code::ACCOUNTING) => {
                problems.push(format!("{name}: refused for another reason: {}\n{sql}", refused[0].message));
            }
            Err(_) => {}
        }
    }
    forget::FORGOTTEN.store(usize::MAX, Ordering::SeqCst);
    assert!(count >= forget::POSITIONS.len(), "{count} statements for {} positions", forget::POSITIONS.len());
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}
