//! The two messages that bracket a scope: how it begins and how it commits.
//!
//! Invariant: each is one simple-query message, built only from names that were checked when the
//! pool was built, from numbers, from hexadecimal digits and from a tenant's restricted text.
//! Literals instead of bind values, because poolers and Citus forward `SET LOCAL` only so.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::{SubsecRound as _, Utc};
use watertight_audit::AuditKey;

use super::pooler::Pooler;
use crate::audit::{Effect, Origin};
use crate::id::TenantId;
use crate::statement::Catalog;

/// Whether a scope may change data; enforced by the server as well (`READ ONLY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

/// The parts of the begin message that are the same for every scope of a pool.
#[derive(Debug)]
pub(crate) struct Messages {
    /// `SET LOCAL …;` for everything the proofs assume about the session.
    assumptions: String,
    statement_timeout: Duration,
    idle_timeout: Duration,
    /// The role that tenants' scopes take on, with its quotes.
    role: Option<String>,
    /// The tenant setting as a quoted, dotted name.
    quoted_setting: String,
    /// The tenant setting as the text of a literal.
    setting: &'static str,
    audit: Option<Auditing>,
    pooler: Pooler,
}

/// That changes commit together with a record of them.
#[derive(Debug, Default)]
pub(crate) struct Auditing {
    /// Those records have a MAC.
    pub(crate) key: Option<AuditKey>,
}

/// The message that ends a scope with a commit.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) text: String,
    /// How many of its commands must have completed for the changes to be stored.
    pub(crate) stored_after: u32,
}

/// A name from the catalog that can't be used in a message.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a name that watertight can send to PostgreSQL")]
pub(crate) struct BadName(String);

impl Messages {
    pub(crate) fn new(
        catalog: &Catalog,
        statement_timeout: Duration,
        idle_timeout: Duration,
        audit: Option<Auditing>,
        role: Option<&str>,
        pooler: Pooler,
    ) -> Result<Self, BadName> {
        let parts = catalog.settings.setting.split('.').collect::<Vec<_>>();
        if parts.len() < 2 {
            return Err(BadName(catalog.settings.setting.to_owned()));
        }
        let quoted = parts
            .into_iter()
            .map(quote_name)
            .collect::<Result<Vec<_>, _>>()?;
        // The path that names were resolved with at compile time: another one would find another
        // table of the same name. `pg_temp` is named, and last: otherwise PostgreSQL searches
        // temporary tables first (manual, 20.11.1).
        let mut search_path = String::new();
        for schema in catalog.settings.search_path {
            search_path.push_str(&quote_name(schema)?);
            search_path.push_str(", ");
        }
        let mut assumptions = String::new();
        if !pooler.names_statements() {
            // The server connection is another one each time. What sqlx's macros send has a name, which
            // some client may have given there before.
            assumptions.push_str("DEALLOCATE ALL; ");
        }
        if pooler.mixes() {
            // What a connection of ours sets when it connects; poolers do not all carry it over.
            assumptions.push_str(
                "SET LOCAL client_encoding = 'UTF8'; SET LOCAL DateStyle = 'ISO, MDY'; \
                 SET LOCAL TimeZone = 'UTC'; SET LOCAL extra_float_digits = 2; ",
            );
        }
        // A generic plan computes an expression over parameters alone (`10 / $1`) for each row, and may
        // do so in front of the tenant's condition; a plan of its own computes it once, before any row.
        let _ = write!(
            assumptions,
            "SET LOCAL search_path = {search_path}pg_temp; \
             SET LOCAL standard_conforming_strings = on; \
             SET LOCAL row_security = on; \
             SET LOCAL transform_null_equals = off; \
             SET LOCAL plan_cache_mode = force_custom_plan; \
             SET LOCAL statement_timeout = {}; \
             SET LOCAL idle_in_transaction_session_timeout = {}; ",
            millis(statement_timeout),
            millis(idle_timeout),
        );
        Ok(Self {
            assumptions,
            statement_timeout,
            idle_timeout,
            role: role.map(quote_name).transpose()?,
            quoted_setting: quoted.join("."),
            setting: catalog.settings.setting,
            audit,
            pooler,
        })
    }

    /// Whether a prepared statement may have a name.
    pub(crate) const fn names_statements(&self) -> bool {
        self.pooler.names_statements()
    }

    /// Whether changes commit together with a record of them.
    pub(crate) const fn audits(&self) -> bool {
        self.audit.is_some()
    }

    /// `BEGIN`, everything that the proofs assume, and the tenant.
    pub(crate) fn begin(&self, mode: Mode, tenant: &TenantId) -> String {
        let access = match mode {
            Mode::Read => "READ ONLY",
            Mode::Write => "READ WRITE",
        };
        let role = match &self.role {
            Some(role) => format!("SET LOCAL ROLE {role}; "),
            None => String::new(),
        };
        format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED {access}; {role}{}SET LOCAL {} = '{}'",
            self.assumptions,
            self.quoted_setting,
            tenant.as_setting(),
        )
    }

    /// Has the server end what goes on past `left`: the credentials of a scope may expire before its
    /// usual limits are reached.
    pub(crate) fn push_end(&self, text: &mut String, left: Duration) {
        for (setting, usual) in [
            ("statement_timeout", self.statement_timeout),
            ("idle_in_transaction_session_timeout", self.idle_timeout),
        ] {
            if left < usual {
                // Writing to a String can't fail.
                let _ = write!(text, "; SET LOCAL {setting} = {}", millis(left));
            }
        }
    }

    /// `BEGIN` for system work: no tenant, whatever the session had.
    pub(crate) fn begin_system(&self, mode: Mode) -> String {
        let access = match mode {
            Mode::Read => "READ ONLY",
            Mode::Write => "READ WRITE",
        };
        format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED {access}; {}SET LOCAL {} = ''",
            self.assumptions, self.quoted_setting,
        )
    }

    /// Asserts the tenant, records the effect if there is one, commits.
    ///
    /// The assertion divides by zero when the setting is not the scope's tenant any more. It also
    /// fails in an aborted transaction, where a bare `COMMIT` would roll back and report success,
    /// and outside a transaction, where the setting is empty.
    ///
    /// The second value is to be told how the commit ended.
    pub(crate) fn commit(
        &self,
        tenant: &TenantId,
        origin: Option<&Origin>,
    ) -> (End, Option<Effect>) {
        let mut text = format!(
            "SELECT 1 / (pg_catalog.current_setting('{}', true) IS NOT DISTINCT FROM '{}')::pg_catalog.int4; ",
            self.setting,
            tenant.as_setting(),
        );
        let effect = match (&self.audit, origin) {
            (Some(audit), Some(origin)) => Some(push_effect(&mut text, audit, tenant, origin)),
            _ => None,
        };
        let commands = if effect.is_some() { 3 } else { 2 };
        (self.end(text, commands), effect)
    }

    /// Records the effect under no tenant, commits.
    pub(crate) fn commit_system(&self, origin: &Origin) -> End {
        let mut text = format!(
            "SELECT 1 / (pg_catalog.current_setting('{}', true) IS NOT DISTINCT FROM '')::pg_catalog.int4; ",
            self.setting,
        );
        if self.audit.is_some() {
            text.push_str(
                "INSERT INTO watertight.system_audit (kind, reference, tool, issuer, subject) VALUES ('effect', ",
            );
            push_origin(&mut text, origin);
            text.push_str("); ");
            return self.end(text, 3);
        }
        self.end(text, 2)
    }

    /// Appends the commit, and the question whether the session is as it was: without a tenant, and
    /// without what outlives a transaction. Its answer comes with the commit's own. A rolled back
    /// transaction takes all of this with it, so only a commit asks.
    fn end(&self, mut text: String, stored_after: u32) -> End {
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "COMMIT; SELECT coalesce(pg_catalog.current_setting('{}', true), '') = '' \
             AND pg_catalog.pg_my_temp_schema() = 0 \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_cursors) \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_listening_channels())",
            self.setting,
        );
        if self.pooler.mixes() {
            // Closing our connection would not close the server's.
            let _ = write!(text, "; SET {} = ''", self.quoted_setting);
        }
        End { text, stored_after }
    }
}

/// Appends the audit record that commits together with the change.
fn push_effect(text: &mut String, audit: &Auditing, tenant: &TenantId, origin: &Origin) -> Effect {
    let (ordinal, effect) = origin.effect();
    // The precision of the column, or the MAC would be over another time.
    let at = Utc::now().trunc_subsecs(6);
    text.push_str(
        "INSERT INTO watertight.audit (kind, reference, tool, issuer, subject, home_tenant, at, recorded_at, ordinal, mac) \
         VALUES ('effect', ",
    );
    push_origin(text, origin);
    text.push_str(", ");
    match origin.home_tenant() {
        Some(home) => push_text(text, home),
        None => text.push_str("NULL"),
    }
    let mac = audit.key.as_ref().map(|key| {
        let record = watertight_audit::Effect {
            reference: origin.reference().to_string(),
            ordinal,
            at: at.timestamp_micros(),
            recorded_at: at.timestamp_micros(),
            tool: origin.tool_name().map(storable),
            issuer: origin.issuer().map(storable),
            subject: origin.subject().map(storable),
            home_tenant: origin.home_tenant().map(storable),
        };
        record.mac(&key.tenant(&tenant.as_setting()))
    });
    let at = at.format("%Y-%m-%dT%H:%M:%S%.6fZ");
    let _ = match mac {
        Some(mac) => write!(
            text,
            ", '{at}', '{at}', {ordinal}, pg_catalog.decode('{mac}', 'hex')); "
        ),
        None => write!(text, ", '{at}', '{at}', {ordinal}, NULL); "),
    };
    effect
}

/// As [`push_text`] stores it.
fn storable(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').collect()
}

fn push_origin(text: &mut String, origin: &Origin) {
    // 32 hexadecimal digits.
    let _ = write!(text, "'{}'", origin.reference());
    for value in [origin.tool_name(), origin.issuer(), origin.subject()] {
        text.push_str(", ");
        match value {
            Some(value) => push_text(text, value),
            None => text.push_str("NULL"),
        }
    }
}

/// Writes any text so that no quoting rule has to be trusted: these values come from tokens. Between
/// quotes stands only what can't end them in any string syntax or encoding; the rest is hexadecimal.
pub(crate) fn push_text(text: &mut String, value: &str) {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'\'' && byte != b'\\';
    if value.bytes().all(plain) {
        text.push('\'');
        text.push_str(value);
        text.push_str("'::pg_catalog.text");
        return;
    }
    text.push_str("pg_catalog.convert_from(pg_catalog.decode('");
    // A NUL can't be stored in a text; it is dropped rather than failing the commit.
    for byte in value.bytes().filter(|byte| *byte != 0) {
        text.push(hex_digit(byte >> 4));
        text.push(hex_digit(byte & 0xf));
    }
    text.push_str("', 'hex'), 'UTF8')");
}

fn hex_digit(half: u8) -> char {
    // Half a byte is always a digit.
    char::from_digit(u32::from(half), 16).unwrap_or('0')
}

/// Quotes a schema or the part of a setting's name. Only plain identifiers pass.
pub(crate) fn quote_name(name: &str) -> Result<String, BadName> {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !first || name.len() > 63 || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(BadName(name.to_owned()));
    }
    Ok(format!("\"{name}\""))
}

fn millis(duration: Duration) -> u32 {
    // PostgreSQL's timeouts are 32-bit; zero would switch them off.
    u32::try_from(duration.as_millis())
        .unwrap_or(u32::MAX)
        .clamp(1, i32::MAX.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Reference;
    use crate::statement::{Settings, TenantKind};

    fn messages(setting: &'static str) -> Result<Messages, BadName> {
        let settings = Settings {
            tenant_column: "tenant_id",
            tenant_kind: TenantKind::Text,
            setting,
            search_path: &["public"],
            application_role: "app",
            require_rls: false,
            relax_force: false,
            words: &[],
            not_tenant: &[],
            functions: &[],
        };
        let catalog = Catalog::new("c", settings, &[], &[]);
        Messages::new(
            &catalog,
            Duration::from_secs(5),
            Duration::from_secs(30),
            Some(Auditing::default()),
            Some("tenant"),
            Pooler::None,
        )
    }

    #[test]
    fn begin_is_one_message_that_ends_with_the_tenant() {
        let text = messages("app.tenant_id")
            .unwrap()
            .begin(Mode::Read, &TenantId::text("acme").unwrap());
        assert!(
            text.starts_with(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL ROLE \"tenant\"; "
            ),
            "{text}"
        );
        assert!(
            text.contains("plan_cache_mode = force_custom_plan; ")
                && text.contains("search_path = \"public\", pg_temp; "),
            "{text}"
        );
        assert!(
            text.ends_with(r#"SET LOCAL "app"."tenant_id" = 'acme'"#),
            "{text}"
        );
    }

    #[test]
    fn a_principal_can_not_leave_its_literal() {
        let origin =
            Origin::new(Reference::random()).principal("iss", "'); DROP TABLE customers; --");
        let text = messages("app.tenant_id")
            .unwrap()
            .commit(&TenantId::text("acme").unwrap(), Some(&origin))
            .0
            .text;
        assert!(!text.contains("DROP"), "{text}");
        assert!(text.contains("; COMMIT; SELECT "), "{text}");
        assert_eq!(text.matches('\'').count() % 2, 0, "{text}");
    }

    #[test]
    fn names_that_need_escaping_are_refused() {
        for bad in ["", "a\"b", "a b", "1a", "ä"] {
            assert!(quote_name(bad).is_err(), "{bad}");
        }
        assert!(messages("role").is_err());
        assert!(messages("app.tenant id").is_err());
    }

    #[test]
    fn text_stands_between_quotes_only_where_nothing_in_it_can_end_them() {
        let written = |value: &str| {
            let mut text = String::new();
            push_text(&mut text, value);
            text
        };
        assert_eq!(
            written("{\"a\": [1, ~]}"),
            "'{\"a\": [1, ~]}'::pg_catalog.text"
        );
        assert_eq!(written(""), "''::pg_catalog.text");
        for (value, digits) in [
            ("'", "27"),
            ("\\", "5c"),
            ("a\nb", "610a62"),
            ("\u{7f}", "7f"),
            ("é'", "c3a927"),
            ("x\0y", "7879"),
            ("\u{2019}", "e28099"),
        ] {
            let expected =
                format!("pg_catalog.convert_from(pg_catalog.decode('{digits}', 'hex'), 'UTF8')");
            assert_eq!(written(value), expected, "{value:?}");
        }
    }
}
