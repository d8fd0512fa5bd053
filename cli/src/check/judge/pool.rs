//! Connections: what outlives the transaction of its tenant, and what goes beside the scope.

use watertight_analysis::finding::Level;
use watertight_analysis::words::{Extra, classify};
use watertight_analysis::{Code, config::Config};

use super::super::facts::{Executor, FileFacts, Hook, PoolUseKind, Statement};
use super::setting::{GAP, Setting, settings};
use super::texts::Resolved;
use super::{Judge, finding};

/// Hooks of a package's pools that take the tenant back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hooks {
    pub(super) before_acquire: bool,
    pub(super) after_release: bool,
}

/// Settings of sessions that decide whose rows are seen.
const POWERFUL: [&str; 4] = [
    "role",
    "session_authorization",
    "search_path",
    "row_security",
];

impl Judge<'_> {
    pub(super) fn pools(&mut self) {
        let workspace = self.workspace;
        for file in &workspace.files {
            let watertight = self.is_watertight(file.package);
            for pool in file.pools.iter().filter(|it| !it.test) {
                match pool.what {
                    PoolUseKind::Opened if watertight => {
                        let name = pool.callee.join("::");
                        let told = finding(
                            Code::BESIDE_SCOPE,
                            file,
                            &pool.span,
                            format!("`{name}` opens connections beside the scope"),
                        )
                        .note("nothing proves what is sent on them, and nothing sets the tenant there")
                        .help("a `TenantPool` for tools, a `SystemPool` before there is a tenant")
                        .about(format!("{name} {}", pool.span.start));
                        self.found(told);
                    }
                    PoolUseKind::Dropped => {
                        let told = finding(
                            Code::DROPPED_BEGIN,
                            file,
                            &pool.span,
                            "`begin` stands in a timeout or a `select!`, so it can be dropped after it was sent",
                        )
                        .note("sqlx up to 0.9.0 then gives the connection back with the transaction open")
                        .help("`tokio::spawn` the `begin` and await its handle, so that it always ends")
                        .about(format!("begin {}", file.shown))
                        .review();
                        self.found(told);
                    }
                    PoolUseKind::Opened | PoolUseKind::Hooked(_) => {}
                }
            }
        }
    }

    /// What the hooks of a package's pools take back.
    pub(super) fn hooks(&self, package: usize) -> Hooks {
        let mut hooks = Hooks::default();
        for file in self
            .workspace
            .files
            .iter()
            .filter(|it| it.package == package)
        {
            for statement in file.statements.iter().filter(|it| !it.test) {
                let Some(hook) = statement.hook else {
                    continue;
                };
                let resets = self
                    .written(file, statement)
                    .iter()
                    .any(|text| settings(text).iter().any(|it| it.resets));
                match hook {
                    Hook::BeforeAcquire => hooks.before_acquire |= resets,
                    Hook::AfterRelease => hooks.after_release |= resets,
                    Hook::AfterConnect => {}
                }
            }
        }
        hooks
    }

    /// The texts of a statement, with gaps.
    pub(super) fn written(&self, file: &FileFacts, statement: &Statement) -> Vec<String> {
        match self.resolve(file, &statement.text) {
            Resolved::Known(found) => found.into_iter().map(|it| it.literal.value).collect(),
            Resolved::Made { parts, .. } => vec![parts.join(&GAP.to_string())],
            Resolved::Unknown(_) => Vec::new(),
        }
    }

    /// Judges the settings that a statement makes.
    pub(super) fn settings(
        &mut self,
        file: &FileFacts,
        statement: &Statement,
        text: &str,
        hooks: Hooks,
    ) {
        let found = settings(text);
        let Some(schema) = self.schema(file.package) else {
            return;
        };
        let begins = statement.callee.last().is_some_and(|it| it == "begin_with");
        for setting in &found {
            if setting.resets || !is_tenants(setting, &schema.extra, schema.catalog.config()) {
                continue;
            }
            let flag = setting.decided_by.and_then(|number| {
                let binds = statement.binds.as_ref()?;
                binds.get(number.checked_sub(1)?)?.flag
            });
            match setting.local.or(flag) {
                Some(true) if begins && !statement.spawned => {
                    self.begin_with(file, statement, setting)
                }
                Some(true) if !begins && statement.executor == Executor::Pool => {
                    self.without_effect(file, statement, setting);
                }
                Some(true) => {}
                Some(false) => self.session(file, statement, setting, hooks),
                None => self.unknown_end(file, statement, setting),
            }
        }
    }

    /// A transaction that is begun by a statement, which nothing ends when its function is left early.
    pub(super) fn begun_by_hand(&mut self, file: &FileFacts, statement: &Statement, text: &str) {
        if file.foreign || statement.callee.last().is_some_and(|it| it == "begin_with") {
            return;
        }
        let words = |part: &str| part.trim().to_ascii_uppercase();
        let begins = |part: &str| {
            let part = words(part);
            let first = part.split_whitespace().next().unwrap_or_default();
            first == "BEGIN" || part.starts_with("START TRANSACTION")
        };
        let ends = |part: &str| {
            let part = words(part);
            let first = part.split_whitespace().next().unwrap_or_default();
            matches!(first, "COMMIT" | "END" | "ROLLBACK")
        };
        let mut parts = text.split(';');
        if !parts.any(begins) || parts.any(ends) {
            return;
        }
        let told = finding(
            Code::DROPPED_BEGIN,
            file,
            &statement.text.span(),
            "this transaction is begun by hand: where its function is left before the end, by `?` or because a call is cancelled, the connection goes back with the transaction open, and the tenant that is set in it",
        )
        .help("`let mut tx = pool.begin().await?`, which is rolled back when it is dropped")
        .about(format!("{:?}", statement.function));
        let known = self
            .schema(file.package)
            .is_some_and(|it| it.tenant || it.configured);
        self.found(match known {
            true => told,
            false => told.review(),
        });
    }

    fn session(
        &mut self,
        file: &FileFacts,
        statement: &Statement,
        setting: &Setting,
        hooks: Hooks,
    ) {
        // A pool whose connections all have one constant serves nobody else.
        if statement.hook == Some(Hook::AfterConnect) && setting.constant {
            return;
        }
        let name = &setting.name;
        let mut told = finding(
            Code::SESSION_SETTING,
            file,
            &statement.text.span(),
            format!("`{name}` is set for the whole session, so the next borrower of the connection has it"),
        )
        .help(format!(
            "`SELECT set_config('{name}', $1, true)` in a transaction, with every statement of the tenant in the same one"
        ))
        .about(name.clone());
        told = match (hooks.before_acquire, hooks.after_release) {
            (true, false) => told.note(
                "the pool resets it when it lends a connection only: between, the connection keeps the tenant, and a transaction that was left open keeps it through the reset",
            ),
            (false, false) => told.note("no `after_release` of the pool takes it back, and no `before_acquire`"),
            (_, true) => told
                .note("`after_release` takes it back, unless a future is dropped while a `begin` is on its way")
                .review(),
        };
        if setting.constant && statement.hook.is_none() && !name.contains('.') {
            told = told.level(Level::Low).review();
        }
        self.found(told);
    }

    fn begin_with(&mut self, file: &FileFacts, statement: &Statement, setting: &Setting) {
        let told = finding(
            Code::DROPPED_BEGIN,
            file,
            &statement.text.span(),
            format!("`begin_with` sets `{}`, and can be dropped after it was sent", setting.name),
        )
        .note("sqlx up to 0.9.0 then gives the connection back with the transaction open, and the tenant set")
        .help("`tokio::spawn` the `begin_with` and await its handle, so that it always ends")
        .about(setting.name.clone());
        self.found(told);
    }

    fn without_effect(&mut self, file: &FileFacts, statement: &Statement, setting: &Setting) {
        let told = finding(
            Code::WITHOUT_SCOPE,
            file,
            &statement.text.span(),
            format!(
                "`{}` is set for one transaction, and sent on the pool itself: the transaction ends with it",
                setting.name
            ),
        )
        .note("the next statement runs on any connection, where the tenant is not set")
        .help("`let mut tx = pool.begin().await?`, and `.execute(&mut *tx)` for this and for what follows")
        .about(setting.name.clone());
        self.found(told);
    }

    fn unknown_end(&mut self, file: &FileFacts, statement: &Statement, setting: &Setting) {
        let told = finding(
            Code::SESSION_SETTING,
            file,
            &statement.text.span(),
            "whether this setting ends with its transaction is decided at run time",
        )
        .help("`true` as the third argument of `set_config`, as a literal")
        .about(setting.name.clone())
        .review();
        self.found(told);
    }
}

/// Whether a setting decides whose rows are seen.
fn is_tenants(setting: &Setting, extra: &Extra, config: &Config) -> bool {
    let name = setting.name.as_str();
    if name.is_empty() || name == config.tenant.setting.to_lowercase() {
        return true;
    }
    if POWERFUL.contains(&name) {
        // A constant search path is part of the configuration.
        return !setting.constant || matches!(name, "role" | "session_authorization");
    }
    let Some((_, last)) = name.rsplit_once('.') else {
        return false;
    };
    classify(last, extra).is_some()
        || ["user_id", "user", "uid", "sub", "claims", "claim", "jwt"].contains(&last)
        || name.starts_with("request.jwt")
}
