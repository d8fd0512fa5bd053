//! Panics of tools: caught at the tool's edge, and told without the values that they print.
//!
//! Invariant: of a panic within a call, the log gets the place, and the text only if it was fixed at
//! compile time; `assert_eq!` and `unwrap` print values, and a tool's values are a tenant's.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Write as _;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

use futures_util::FutureExt as _;

tokio::task_local! {
    /// Where the call that runs here has panicked.
    static CALL: Arc<Mutex<Option<String>>>;
}

/// Texts of panics outside of calls are withheld as well.
static EVERYWHERE: AtomicBool = AtomicBool::new(false);

/// Withholds the texts of all panics of this process that were formatted from values, also of those
/// in tasks that a tool has spawned. [`init`](super::init) does so.
///
/// Panics within a call are told so in any case, as soon as a server has served one.
pub fn withhold_panic_texts() {
    EVERYWHERE.store(true, Ordering::Relaxed);
    install();
}

/// Runs the work of a call. The error is what the log may say of its panic.
pub(crate) async fn watch<T>(work: impl Future<Output = T>) -> Result<T, String> {
    install();
    let place = Arc::new(Mutex::new(None));
    let watched = CALL.scope(Arc::clone(&place), AssertUnwindSafe(work).catch_unwind());
    watched.await.map_err(|payload| {
        let place = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let place = place.unwrap_or_else(|| "an unknown place".to_owned());
        format!("panicked at {place}: {}", fixed_text(&*payload))
    })
}

/// A text without arguments is in the binary; any other was made of values.
fn fixed_text(payload: &(dyn Any + Send)) -> &'static str {
    match payload.downcast_ref::<&'static str>() {
        Some(text) => text,
        None => "(its text is withheld, because it was formatted from values)",
    }
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A hook can't be set while panicking; the next call sets it.
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| tell(info, &*before)));
    });
}

fn tell(info: &PanicHookInfo<'_>, before: &(dyn Fn(&PanicHookInfo<'_>) + Send + Sync)) {
    let in_call = CALL.try_with(Arc::clone).ok();
    if in_call.is_none() && !EVERYWHERE.load(Ordering::Relaxed) {
        return before(info);
    }
    let mut place = match info.location() {
        Some(at) => format!("{}:{}:{}", at.file(), at.line(), at.column()),
        None => "an unknown place".to_owned(),
    };
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        // Names of functions and places, no values.
        let _ = write!(place, "\n{trace}");
    }
    let logged = tracing::dispatcher::has_been_set();
    match in_call {
        // Whoever catches it logs it, under the call's reference.
        Some(call) if logged => {
            *call.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        }
        call => {
            eprintln!("panicked at {place}: {}", fixed_text(info.payload()));
            if let Some(call) = call {
                *call.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_text_that_was_formatted_is_withheld() {
        let value = String::from("canary");
        let told: Result<(), _> = watch(async { panic!("no {value}") }).await;
        let told: String = told.unwrap_err();
        assert!(!told.contains("canary"), "{told}");
        assert!(
            told.contains("panics.rs:") && told.contains("withheld"),
            "{told}"
        );
        let told = watch(async { assert_eq!(value, "other") })
            .await
            .unwrap_err();
        assert!(!told.contains("canary"), "{told}");
    }

    #[tokio::test]
    async fn a_text_that_is_in_the_binary_is_told() {
        let told: Result<(), _> = watch(async { panic!("the list is empty") }).await;
        let told: String = told.unwrap_err();
        assert!(told.ends_with(": the list is empty"), "{told}");
        assert_eq!(watch(async { 7 }).await, Ok(7));
    }
}
