//! Keeps out of every log what other crates print of messages, statements and connections.
//!
//! Invariant: no event and no span of a listed crate reaches a subscriber, at any level, whatever
//! `RUST_LOG` says. Of a warning or an error it is told where it was written, and nothing of it.

use std::borrow::Cow;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

/// Crates that print arguments, results, statements, rows, headers or tokens.
const TALKATIVE: [&str; 12] = [
    "h2",
    "hyper",
    "hyper_util",
    "jsonwebtoken",
    "reqwest",
    "rmcp",
    "rustls",
    "sqlx",
    "sqlx_core",
    "sqlx_postgres",
    "tokio_rustls",
    "tower_http",
];

/// Where the whole of a database error is told.
const CAUSES: &str = "watertight::cause";
/// The target of everything that comes from the `log` crate by way of `tracing-log`. Where it comes from
/// stands in fields of the event.
const BRIDGED: &str = "log";
/// What this layer says itself.
const OWN: &str = "watertight::observe";

/// A layer that withholds, from every layer beside it, what other crates log of their messages.
///
/// rmcp logs each request with its arguments, sqlx what the server notices, hyper and rustls what
/// they send and receive. With this layer in the subscriber none of it is logged, whatever the
/// filters say:
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt as _;
/// use watertight::observe::Discretion;
///
/// let subscriber = tracing_subscriber::registry()
///     .with(Discretion::new())
///     .with(tracing_subscriber::fmt::layer());
/// # let _ = subscriber;
/// ```
///
/// A layer for OpenTelemetry (`tracing_opentelemetry::layer()`) goes beside it in the same way; the
/// spans of calls carry the fields that it looks for.
#[derive(Clone, Debug, Default)]
pub struct Discretion {
    withheld: Vec<String>,
    causes: bool,
}

impl Discretion {
    /// Withholds what rmcp, sqlx, hyper and their like log, and the whole of database errors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Withholds a further crate, or a module of one.
    #[must_use]
    pub fn withhold(mut self, target: impl Into<String>) -> Self {
        self.withheld.push(target.into());
        self
    }

    /// Lets through what the database said of an error, values and `DETAIL` included, at the target
    /// `watertight::cause` and the level `DEBUG`. For looking into one problem.
    #[must_use]
    pub fn tell_causes(mut self) -> Self {
        self.causes = true;
        self
    }

    fn withholds(&self, target: &str) -> bool {
        let within = |name: &str| {
            let rest = target.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        TALKATIVE.into_iter().any(within)
            || self.withheld.iter().any(|name| within(name))
            || (!self.causes && within(CAUSES))
    }
}

impl<S: Subscriber> Layer<S> for Discretion {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.withholds(metadata.target()) {
            true if matters(metadata) => Interest::sometimes(),
            true => Interest::never(),
            false => Interest::always(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        !self.withholds(metadata.target()) || matters(metadata)
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let written = Written::of(event);
        if !written.at().any(|at| self.withholds(at)) {
            return true;
        }
        if matters(event.metadata()) {
            let Written {
                target, file, line, ..
            } = &written;
            let (file, line) = (file.as_deref(), *line);
            tracing::warn!(target: OWN, from = %target, file, line, "withheld: it may hold values");
        }
        false
    }

    /// No opinion on levels.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        None
    }
}

/// Where an event was written.
#[derive(Debug)]
struct Written {
    target: Cow<'static, str>,
    module: Option<String>,
    file: Option<Cow<'static, str>>,
    line: Option<u64>,
}

impl Written {
    fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut written = Self {
            target: metadata.target().into(),
            module: None,
            file: metadata.file().map(Into::into),
            line: metadata.line().map(Into::into),
        };
        if metadata.target() == BRIDGED {
            // One that has no such fields is somebody's whose target has that name.
            event.record(&mut written);
        }
        written
    }

    /// A target may be anything; the module is where the line stands.
    fn at(&self) -> impl Iterator<Item = &str> {
        let module = self.module.as_deref();
        std::iter::once(&*self.target).chain(module)
    }
}

/// The fields that `tracing-log` gives an event.
impl Visit for Written {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "log.target" => self.target = value.to_owned().into(),
            "log.module_path" => self.module = Some(value.to_owned()),
            "log.file" => self.file = Some(value.to_owned().into()),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "log.line" {
            self.line = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// Worth a line of its own: something went wrong.
fn matters(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && *metadata.level() <= Level::WARN
}

/// Another subscriber is installed already. Add [`Discretion`] to that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyObserved;

impl fmt::Display for AlreadyObserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "another `tracing` subscriber is installed already; add \
             `.with(watertight::observe::Discretion::new())` to it",
        )
    }
}

impl std::error::Error for AlreadyObserved {}

/// Logs to standard error, with [`Discretion`], at the level that `RUST_LOG` says (`info`), and
/// withholds the texts of panics that were formatted from values.
///
/// # Errors
/// If the process has a subscriber already.
pub fn init() -> Result<(), AlreadyObserved> {
    let level = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        // Standard output belongs to the protocol over stdio.
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(Discretion::new())
        .with(level)
        .with(lines)
        .try_init()
        .map_err(|_| AlreadyObserved)?;
    super::withhold_panic_texts();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn logged(discretion: Option<Discretion>) -> String {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::registry()
            .with(discretion)
            .with(LevelFilter::TRACE)
            .with(
                tracing_subscriber::fmt::layer()
                    .with_ansi(false)
                    .with_writer(lines.clone()),
            );
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "rmcp::service", "canary-1");
            tracing::trace!(target: "rmcp", message = "canary-2");
            tracing::info!(target: "sqlx::postgres::notice", "canary-3");
            tracing::debug!(target: "watertight::cause", "canary-4");
            tracing::info!(target: "theirs::http", "canary-5");
            let span = tracing::info_span!(target: "rmcp::transport", "session", id = "canary-6");
            let _in = span.enter();
            tracing::info!(target: "rmcpx", "passes");
            // As `tracing-log` hands on what the `log` crate is given: the target is in a field.
            tracing::error!(target: "log", { "log.target" = "rustls::conn" }, "canary-7");
            tracing::trace!(target: "log", { "log.target" = "rustls::conn" }, "canary-8");
            tracing::warn!(target: "log", { "log.target" = "theirs" }, "canary-9");
            let module = "sqlx_core::query";
            tracing::info!(target: "log", { "log.target" = "own", "log.module_path" = module }, "canary-10");
            tracing::info!(target: "log", { "log.target" = "mine" }, "passes too");
            tracing::info!(target: "log", "passes as well");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn only_what_is_listed_is_withheld() {
        let all = logged(None);
        assert!(
            (1..=10).all(|n| all.contains(&format!("canary-{n}"))),
            "{all}"
        );
        let discreet = logged(Some(Discretion::new().withhold("theirs")));
        assert!(!discreet.contains("canary"), "{discreet}");
        for passed in ["passes", "passes too", "passes as well"] {
            assert!(discreet.contains(passed), "{discreet}");
        }
        let causes = logged(Some(Discretion::new().tell_causes()));
        assert!(
            causes.contains("canary-4") && causes.contains("canary-5"),
            "{causes}"
        );
        assert!(!causes.contains("canary-3"), "{causes}");
    }
}
