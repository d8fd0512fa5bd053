//! Replays attacks: each in a savepoint, with the rights of the application role, for tenant A.
//!
//! Invariant: "held" is said only where the attack could have shown something: the same statements as
//! tenant B showed or changed what A's did not, or the refusal is the defence itself. Everything else
//! is not applicable, with the reason. What an attack did is rolled back before the next one.

use anyhow::{Context, Result};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use watertight_analysis::catalog::{Relation, quote};
use watertight_analysis::config::TenantKind;
use watertight_analysis::finding::Place;

use super::answer::{Refusal, cut, shown, sort_out};
use super::catalogue::{Attack, Control, Leak, On, Tenant as Session};
use super::rows::{Maker, Rows};
use super::target::literal;

/// What came of an attack on an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Held,
    /// What showed it.
    Leaked(String),
    /// Why there was nothing to try.
    NotApplicable(String),
}

/// An attack made out for one object.
pub(super) struct Aimed<'a> {
    pub(super) attack: &'a Attack,
    pub(super) place: Place,
    /// The table whose rows of B are looked at before and after; all of them where it is none.
    pub(super) table: Option<&'a Relation>,
    pub(super) sql: Vec<String>,
    pub(super) before: Vec<String>,
    /// The constraint that is to refuse, and whether it surely applies to the row.
    pub(super) constraint: Option<(String, bool)>,
}

/// What the attacks run with.
pub(super) struct Replay<'a> {
    pub(super) connection: &'a mut PgConnection,
    pub(super) maker: Maker<'a>,
    pub(super) rows: &'a Rows,
    pub(super) role: &'a str,
    /// Whether the login may take on a session of the role, as opposed to the role alone.
    pub(super) superuser: bool,
    /// Whether messages of the server may hold values of real rows.
    pub(super) private: bool,
}

/// Who runs the statements.
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    /// Tenant A, or what the attack has in its place.
    Attacker,
    /// Tenant B, for whom they must work.
    Control,
}

/// What the statements did.
enum Ran {
    /// There was nothing to run them on.
    Unfit(String),
    Refused(Refusal),
    Done {
        leaked: Option<String>,
        affected: u64,
    },
}

impl Replay<'_> {
    async fn run(&mut self, sql: &str) -> Result<Result<u64, Refusal>> {
        let result = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut *self.connection)
            .await;
        sort_out(result.map(|done| done.rows_affected()))
    }

    async fn must(&mut self, sql: &str) -> Result<()> {
        match self.run(sql).await? {
            Ok(_) => Ok(()),
            Err(refusal) => anyhow::bail!("{}", refusal.told(self.private)),
        }
    }

    async fn rows(&mut self, sql: &str) -> Result<Result<Vec<String>, Refusal>> {
        let result = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .fetch_all(&mut *self.connection)
            .await;
        sort_out(result.map(|rows| rows.iter().map(shown).collect()))
    }

    /// Tries attacks, one after the other, and then what their refusals mean: a tenant that was set
    /// for that spoils a session in which none ever was.
    pub(super) async fn all(&mut self, aimed: &[&Aimed<'_>]) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for aimed in aimed {
            let outcome = self.attacked(aimed).await;
            outcomes.push(outcome.with_context(|| named(aimed))?);
        }
        let mut all = Vec::new();
        for (aimed, outcome) in aimed.iter().zip(outcomes) {
            all.push(match outcome {
                Some(outcome) => outcome,
                None => self.controlled(aimed).await.with_context(|| named(aimed))?,
            });
        }
        Ok(all)
    }

    /// What came of an attack; nothing where its control has to say.
    async fn attacked(&mut self, aimed: &Aimed<'_>) -> Result<Option<Outcome>> {
        let attack = aimed.attack;
        if attack.superuser && !self.superuser {
            return unfit(
                "needs a login that is superuser, which can take on a session of the role",
            );
        }
        if attack.tenant == Session::OtherCase
            && self.maker.catalog.config().tenant.kind != TenantKind::Text
        {
            return unfit("the tenant's identifier is no text");
        }
        let ran = self.in_savepoint(aimed, As::Attacker).await?;
        let refused = match ran {
            Ran::Unfit(why) => return Ok(Some(Outcome::NotApplicable(why))),
            Ran::Done {
                leaked: Some(row), ..
            } => return Ok(Some(Outcome::Leaked(cut(&row)))),
            Ran::Refused(refusal) => {
                if let Some(outcome) = self.judged(aimed, &refusal) {
                    return Ok(Some(outcome));
                }
                Some(refusal)
            }
            Ran::Done { affected: 0, .. } if attack.control == Control::Affects => {
                return unfit("the application role could change no row of its own this way");
            }
            Ran::Done { .. } => None,
        };
        if attack.control == Control::Same {
            return Ok(None);
        }
        Ok(Some(match refused {
            Some(refusal) => Outcome::NotApplicable(format!(
                "it could not be tried: {}",
                refusal.told(self.private)
            )),
            None if aimed.constraint.as_ref().is_some_and(|(_, sure)| !sure) => {
                Outcome::NotApplicable(
                    "the synthetic rows are not what the index is about".to_owned(),
                )
            }
            None => Outcome::Held,
        }))
    }

    /// Whether the same works for tenant B, without which a refusal of A means nothing.
    async fn controlled(&mut self, aimed: &Aimed<'_>) -> Result<Outcome> {
        let [_, b] = self.maker.tenants;
        Ok(match self.in_savepoint(aimed, As::Control).await? {
            Ran::Done {
                leaked: Some(_), ..
            } => Outcome::Held,
            Ran::Done { .. } => Outcome::NotApplicable(
                "the statement does nothing for the tenant whose rows they are either".to_owned(),
            ),
            // A constraint is asked after the policies, so the rows were reached.
            Ran::Refused(refusal)
                if matches!(aimed.attack.leak, Leak::Changed | Leak::Gained)
                    && refusal.is_of_constraint() =>
            {
                Outcome::Held
            }
            Ran::Refused(refusal)
                if aimed.attack.leak == Leak::Marks && refusal.contains(&b.mark) =>
            {
                Outcome::Held
            }
            Ran::Refused(refusal) => Outcome::NotApplicable(format!(
                "the tenant whose rows they are is refused too: {}",
                refusal.told(self.private)
            )),
            Ran::Unfit(why) => Outcome::NotApplicable(why),
        })
    }

    /// What a refusal of the attacker means by itself.
    fn judged(&self, aimed: &Aimed<'_>, refusal: &Refusal) -> Option<Outcome> {
        let attack = aimed.attack;
        let [a, b] = self.maker.tenants;
        let na = |why: String| Some(Outcome::NotApplicable(why));
        if refusal.is_of_circumstances() {
            return na(format!(
                "it could not be finished: {}",
                refusal.told(self.private)
            ));
        }
        if attack.leak == Leak::Marks && refusal.contains(&b.mark) {
            return Some(Outcome::Leaked(cut(&refusal.text())));
        }
        if attack.leak == Leak::Marks && refusal.code.starts_with("22") && refusal.contains(&a.mark)
        {
            return na("a row of its own failed first".to_owned());
        }
        if let (Leak::Refused, Some((name, _))) = (attack.leak, &aimed.constraint) {
            if refusal.constraint.as_deref() == Some(name.as_str()) {
                return Some(Outcome::Leaked(cut(&refusal.text())));
            }
            return na(format!(
                "it could not be tried: {}",
                refusal.told(self.private)
            ));
        }
        if attack.holds.contains(&refusal.code) {
            return Some(Outcome::Held);
        }
        // Policies are checked before constraints, so a constraint that refuses was reached past them;
        // but a trigger may have failed at something of its own.
        let reached = matches!(attack.leak, Leak::Changed | Leak::Gained)
            && refusal.is_of_constraint()
            && aimed
                .table
                .is_some_and(|table| table.triggers.is_empty() && table.rules.is_empty());
        // Without a WHERE a row of one's own may be what failed.
        let aims_at_b = matches!(attack.control, Control::Same) && attack.in_place;
        if reached && aims_at_b {
            return Some(Outcome::Leaked(cut(&format!(
                "no policy kept it, only a constraint of the table: {}",
                refusal.told(self.private)
            ))));
        }
        None
    }

    async fn in_savepoint(&mut self, aimed: &Aimed<'_>, who: As) -> Result<Ran> {
        self.must("SAVEPOINT watertight_attack").await?;
        let ran = self.inside(aimed, who).await;
        self.must("ROLLBACK TO SAVEPOINT watertight_attack").await?;
        // A prepared statement outlives the savepoint.
        if aimed.sql.iter().any(|sql| sql.contains("PREPARE ")) {
            let _ = self.run("DEALLOCATE watertight_attack").await?;
            self.must("ROLLBACK TO SAVEPOINT watertight_attack").await?;
        }
        self.must("RELEASE SAVEPOINT watertight_attack").await?;
        ran
    }

    async fn inside(&mut self, aimed: &Aimed<'_>, who: As) -> Result<Ran> {
        let attack = aimed.attack;
        for sql in &aimed.before {
            if let Err(refusal) = self.run(sql).await? {
                return Ok(Ran::Unfit(format!(
                    "it could not be prepared: {}",
                    refusal.told(self.private)
                )));
            }
        }
        if who == As::Attacker && attack.tenant == Session::None && self.was_set().await? {
            return Ok(Ran::Unfit(
                "the session has a tenant already: by a default, or because the rows could not be made without one"
                    .to_owned(),
            ));
        }
        let before = match self.measure(aimed).await? {
            Ok(before) => before,
            Err(refusal) => return Ok(self.unmeasured(&refusal)),
        };
        if attack.leak == Leak::Changed && before.is_empty() {
            return Ok(Ran::Unfit("no row of the other tenant is there".to_owned()));
        }
        let role = quote(self.role);
        let take_on = if self.superuser {
            format!("SET LOCAL SESSION AUTHORIZATION {role}")
        } else {
            format!("SET LOCAL ROLE {role}")
        };
        self.must(&take_on).await?;
        let [a, b] = self.maker.tenants;
        let victim = if attack.tenant == Session::Other {
            a
        } else {
            b
        };
        let (first, rest) = self.sessions(attack.tenant, who);
        if let Some(first) = first {
            self.session_tenant(&first).await?;
        }
        let mut affected = 0;
        let mut answers = Vec::new();
        for (index, sql) in aimed.sql.iter().enumerate() {
            if index > 0
                && let Some(rest) = &rest
            {
                self.session_tenant(rest).await?;
                // What B itself was shown is no leak.
                answers.clear();
            }
            let refused = if matches!(attack.leak, Leak::Marks | Leak::Rows) {
                match self.rows(sql).await? {
                    Ok(mut rows) => {
                        answers.append(&mut rows);
                        None
                    }
                    Err(refusal) => Some(refusal),
                }
            } else {
                match self.run(sql).await? {
                    Ok(count) => {
                        affected += count;
                        None
                    }
                    Err(refusal) => Some(refusal),
                }
            };
            if let Some(refusal) = refused {
                return Ok(Ran::Refused(refusal));
            }
        }
        let leaked = match attack.leak {
            // An argument that comes back is no row.
            Leak::Marks => answers.iter().find(|row| {
                row.contains(&victim.mark)
                    || (attack.on != On::KeyedFunction && row.contains(&victim.id))
            }),
            Leak::Rows => answers.first(),
            _ => None,
        };
        let leaked = match attack.leak {
            Leak::Marks | Leak::Rows => leaked.cloned(),
            Leak::Runs => {
                let wrote = !aimed.sql.iter().any(|sql| sql.starts_with("INSERT")) || affected > 0;
                wrote.then(|| aimed.sql.join("; "))
            }
            Leak::Changed | Leak::Gained => {
                self.must(if self.superuser {
                    "SET LOCAL SESSION AUTHORIZATION DEFAULT"
                } else {
                    "SET LOCAL ROLE NONE"
                })
                .await?;
                match self.measure(aimed).await? {
                    Ok(after) => (before != after).then(|| aimed.sql.join("; ")),
                    Err(refusal) => return Ok(self.unmeasured(&refusal)),
                }
            }
            Leak::Refused => None,
        };
        Ok(Ran::Done { leaked, affected })
    }

    /// The tenant that the session has first, and the one that it has for the rest.
    fn sessions(&self, tenant: Session, who: As) -> (Option<String>, Option<String>) {
        let [a, b] = self.maker.tenants;
        if who == As::Control {
            let theirs = if tenant == Session::Other { a } else { b };
            return (Some(theirs.id.clone()), None);
        }
        match tenant {
            Session::Other => (Some(b.id.clone()), None),
            Session::None => (None, None),
            Session::Own => (Some(a.id.clone()), None),
            Session::Empty => (Some(String::new()), None),
            Session::Pattern => (Some("%".to_owned()), None),
            Session::List => (Some(format!("{},{}", a.id, b.id)), None),
            Session::Longer => (Some(format!("{}-2", b.id)), None),
            Session::OtherCase => (Some(b.id.to_uppercase()), None),
            Session::OtherFirst => (Some(b.id.clone()), Some(a.id.clone())),
        }
    }

    fn unmeasured(&self, refusal: &Refusal) -> Ran {
        Ran::Unfit(format!(
            "the other tenant's rows could not be looked at: {}",
            refusal.told(self.private)
        ))
    }

    async fn session_tenant(&mut self, id: &str) -> Result<()> {
        let setting = self.maker.catalog.config().tenant.setting.clone();
        let sql = format!(
            "SELECT set_config({}, {}, true)",
            literal(&setting),
            literal(id)
        );
        self.must(&sql).await
    }

    async fn was_set(&mut self) -> Result<bool> {
        let setting = self.maker.catalog.config().tenant.setting.clone();
        let sql = format!(
            "SELECT 1 WHERE current_setting({}, true) IS NOT NULL",
            literal(&setting)
        );
        match self.rows(&sql).await? {
            Ok(rows) => Ok(!rows.is_empty()),
            Err(refusal) => anyhow::bail!("{}", refusal.told(self.private)),
        }
    }

    /// B's rows: their places, or their number.
    async fn measure(&mut self, aimed: &Aimed<'_>) -> Result<Result<Vec<String>, Refusal>> {
        let what = match aimed.attack.leak {
            Leak::Changed => "tableoid::text || ctid::text",
            Leak::Gained => "count(*)::text",
            _ => return Ok(Ok(Vec::new())),
        };
        let tables: Vec<&Relation> = match aimed.table {
            Some(table) => vec![table],
            None => self.rows.tenanted(&self.maker),
        };
        let [_, b] = self.maker.tenants;
        let b = b.id.clone();
        // For an owner whom policies hold for; a superuser needs none, and must not spoil `none`.
        if !self.superuser {
            self.session_tenant(&b).await?;
        }
        let mut found = Vec::new();
        for table in tables {
            let Some(column) = self.maker.tenant(table) else {
                continue;
            };
            let sql = format!(
                "SELECT {what} FROM {} WHERE {} = {}::{}",
                table.qualified(),
                quote(&column.name),
                literal(&b),
                self.maker.type_of(table, &column.name)
            );
            match self.rows(&sql).await? {
                Ok(rows) => found.extend(rows),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        found.sort();
        Ok(Ok(found))
    }
}

fn unfit(why: &str) -> Result<Option<Outcome>> {
    Ok(Some(Outcome::NotApplicable(why.to_owned())))
}

fn named(aimed: &Aimed<'_>) -> String {
    format!("the attack `{}` on {}", aimed.attack.id, aimed.place)
}
