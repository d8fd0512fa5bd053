//! The worker: a thread with a stack large enough for deep trees.
//!
//! Parse, lower, prove and drop all happen here, so that neither a small caller's stack nor a panic
//! of ours takes down the compiler; only flat data leaves it.

use std::cell::Cell;
use std::thread;

use crate::diagnostic::Diagnostic;

/// The parser's debug build overflows 2 MiB on ordinary queries; the limits on depth are chosen
/// for this size.
const STACK: usize = 64 << 20;

thread_local! {
    static ON_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on a worker, or in place when this already is one.
///
/// # Errors
/// A panic becomes the diagnostic that asks for a report.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Box<Diagnostic>> {
    if ON_WORKER.get() {
        return Ok(work());
    }
    thread::scope(|scope| {
        let spawned = thread::Builder::new()
            .name("watertight-analysis".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || {
                ON_WORKER.set(true);
                work()
            });
        match spawned {
            Ok(handle) => handle
                .join()
                .map_err(|cause| Box::new(Diagnostic::bug(panic_text(&*cause)))),
            Err(error) => Err(Box::new(Diagnostic::bug(format!(
                "no thread for the analysis: {error}"
            )))),
        }
    })
}

fn panic_text(cause: &(dyn std::any::Any + Send)) -> String {
    cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("the analysis panicked")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_in_place_when_nested_and_turns_a_panic_into_a_diagnostic() {
        assert_eq!(run(|| run(|| 3).unwrap()).unwrap(), 3);
        let failed: Result<(), _> = run(|| panic!("broken"));
        assert!(failed.unwrap_err().message.contains("broken"));
    }
}
