//! The worker: a thread with a stack large enough for deep trees.
//!
//! Parse, lower, prove and drop all happen here, so that neither a small caller's stack nor a panic
//! of ours takes down the compiler; only flat data leaves it. A worker runs one piece of work at a
//! time and belongs to one caller meanwhile, so callers never wait for each other.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::diagnostic::Diagnostic;

/// The parser's debug build overflows 2 MiB on ordinary queries; the limits on depth are chosen
/// for this size.
const STACK: usize = 64 << 20;
const NAME: &str = "watertight-analysis";

/// How many workers wait for more. A compiler needs one; an editor's macro server has several
/// callers at once.
const KEPT: usize = 4;
/// How long a worker waits for more before it ends: an editor stays open for days, and a worker
/// keeps the pages of the deepest tree it has seen.
const PATIENCE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// A worker that somebody holds; it ends when this is dropped.
struct Kept {
    id: thread::ThreadId,
    jobs: Sender<Job>,
}

/// The workers that nobody holds.
static IDLE: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

fn idle() -> MutexGuard<'static, Vec<Kept>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

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
            .name(NAME.to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || {
                ON_WORKER.set(true);
                work()
            });
        match spawned {
            Ok(handle) => handle.join().map_err(|cause| panicked(&*cause)),
            Err(error) => Err(no_thread(&error)),
        }
    })
}

/// Runs `work` on a worker that is kept for the next call. All that `work` asks of the analysis
/// runs there in place, so a thousand statements start one thread instead of a thousand, and use
/// the same stack.
///
/// # Errors
/// A panic becomes the diagnostic that asks for a report; the next call gets another worker.
pub fn on_kept_worker<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Box<Diagnostic>> {
    if ON_WORKER.get() {
        return Ok(work());
    }
    // Not inside of the `match`, where the lock would be held while a thread starts.
    let waiting = idle().pop();
    let worker = match waiting {
        Some(worker) => worker,
        None => start().map_err(|error| no_thread(&error))?,
    };
    let (reply, answer) = channel();
    let job = Box::new(move || {
        // What `work` owned is dropped with it, and what it borrowed was shared and is not written.
        let _ = reply.send(catch_unwind(AssertUnwindSafe(work)));
    });
    let gone = || Box::new(Diagnostic::bug("the worker of the analysis is gone"));
    worker.jobs.send(job).map_err(|_| gone())?;
    match answer.recv() {
        Ok(Ok(done)) => {
            let mut idle = idle();
            if idle.len() < KEPT {
                idle.push(worker);
            }
            Ok(done)
        }
        Ok(Err(cause)) => Err(panicked(&*cause)),
        Err(_) => Err(gone()),
    }
}

fn start() -> std::io::Result<Kept> {
    let (jobs, taken) = channel();
    let spawned = thread::Builder::new()
        .name(NAME.to_owned())
        .stack_size(STACK)
        .spawn(move || serve(&taken))?;
    Ok(Kept {
        id: spawned.thread().id(),
        jobs,
    })
}

/// Works until its holder lets go of it, or nobody has wanted it for long.
fn serve(jobs: &Receiver<Job>) {
    ON_WORKER.set(true);
    let own = thread::current().id();
    loop {
        match jobs.recv_timeout(PATIENCE) {
            Ok(job) => job(),
            Err(RecvTimeoutError::Disconnected) => return,
            // Whoever holds it now is about to send something. Taken off the list, nobody can.
            Err(RecvTimeoutError::Timeout) => idle().retain(|worker| worker.id != own),
        }
    }
}

fn no_thread(error: &std::io::Error) -> Box<Diagnostic> {
    Box::new(Diagnostic::bug(format!(
        "no thread for the analysis: {error}"
    )))
}

fn panicked(cause: &(dyn Any + Send)) -> Box<Diagnostic> {
    let text = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("the analysis panicked");
    Box::new(Diagnostic::bug(text.to_owned()))
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

    #[test]
    fn a_kept_worker_is_used_again_and_runs_in_place_when_nested() {
        // Other tests may hold the worker meanwhile, so one of a few calls meets it again.
        let first = on_kept_worker(|| thread::current().id()).unwrap();
        assert_ne!(first, thread::current().id());
        let again = (0..100).any(|_| on_kept_worker(|| thread::current().id()).unwrap() == first);
        assert!(again);
        let nested = || {
            let here = thread::current().id();
            run(|| thread::current().id()).unwrap() == here
                && on_kept_worker(|| thread::current().id()).unwrap() == here
        };
        assert!(on_kept_worker(nested).unwrap());
    }

    #[test]
    fn a_panic_on_a_kept_worker_is_a_diagnostic_and_the_next_call_works() {
        for round in 0..20 {
            let failed: Result<(), _> = on_kept_worker(move || panic!("broken {round}"));
            let message = failed.unwrap_err().message;
            assert!(message.contains(&format!("broken {round}")), "{message}");
            assert_eq!(on_kept_worker(move || round).unwrap(), round);
        }
    }

    #[test]
    fn callers_do_not_wait_for_each_other() {
        // All of them are inside at once, or the barrier never opens.
        let inside = std::sync::Arc::new(std::sync::Barrier::new(12));
        thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    let inside = std::sync::Arc::clone(&inside);
                    on_kept_worker(move || inside.wait()).unwrap();
                });
            }
        });
        assert!(idle().len() <= KEPT);
    }
}
