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

use super::answer::{Refusal, cut, sort_out};
use super::catalogue::{Attack, Control, Leak, On, Tenant as Session};
use super::rows::{Maker, Rows};
use super::script::{Played, Script};
use super::target::literal;

/// Where every attack begins.
const SAVEPOINT: &str = "watertight_attack";

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

/// What a statement of a script is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Prepares the attack.
    Before,
    /// Asks whether the session has a tenant.
    WasSet,
    /// Looks at B's rows.
    Measure,
    /// The same, when the attack is over.
    MeasureAfter,
    /// Sets the session up: never refused.
    Ours,
    /// The session turns to another tenant.
    Turn,
    Attack,
}

impl Step {
    fn after(self) -> Self {
        match self {
            Self::Measure => Self::MeasureAfter,
            other => other,
        }
    }
}

impl Replay<'_> {
    /// Sets the savepoint that every attack goes back to.
    pub(super) async fn begin(&mut self) -> Result<()> {
        self.must(&format!("SAVEPOINT {SAVEPOINT}")).await
    }

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
        let ran = self.inside(aimed, who).await;
        // A prepared statement outlives what is rolled back.
        if aimed.sql.iter().any(|sql| sql.contains("PREPARE ")) {
            let back = format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}");
            self.must(&back).await?;
            let _ = self.run("DEALLOCATE watertight_attack").await?;
        }
        ran
    }

    async fn inside(&mut self, aimed: &Aimed<'_>, who: As) -> Result<Ran> {
        let attack = aimed.attack;
        let mut script = Script::from_savepoint(SAVEPOINT);
        let mut steps = Vec::new();
        let mut add = |step: Step, sql: &str| {
            steps.push(step);
            script.step(sql);
        };
        for sql in &aimed.before {
            add(Step::Before, sql);
        }
        if who == As::Attacker && attack.tenant == Session::None {
            add(Step::WasSet, &self.was_set());
        }
        let measures = self.measures(aimed);
        for (step, sql) in &measures {
            add(*step, sql);
        }
        let role = quote(self.role);
        let (take_on, lay_down) = if self.superuser {
            let on = format!("SET LOCAL SESSION AUTHORIZATION {role}");
            (on, "SET LOCAL SESSION AUTHORIZATION DEFAULT")
        } else {
            (format!("SET LOCAL ROLE {role}"), "SET LOCAL ROLE NONE")
        };
        add(Step::Ours, &take_on);
        let (first, rest) = self.sessions(attack.tenant, who);
        if let Some(first) = first {
            add(Step::Ours, &self.session_tenant(&first));
        }
        for (index, sql) in aimed.sql.iter().enumerate() {
            if index > 0
                && let Some(rest) = &rest
            {
                add(Step::Turn, &self.session_tenant(rest));
            }
            add(Step::Attack, sql);
        }
        if matches!(attack.leak, Leak::Changed | Leak::Gained) {
            add(Step::Ours, lay_down);
            for (step, sql) in &measures {
                add(step.after(), sql);
            }
        }
        let played = script.play(&mut *self.connection).await?;
        self.read(aimed, &steps, played)
    }

    /// What the steps gave, in their order.
    fn read(&self, aimed: &Aimed<'_>, steps: &[Step], played: Played) -> Result<Ran> {
        let attack = aimed.attack;
        let [a, b] = self.maker.tenants;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let (mut affected, mut shown) = (0, Vec::new());
        let mut first = true;
        let mut answers = played.answers.into_iter();
        for step in steps {
            // What the attack is after has to be there before it begins.
            if *step == Step::Attack && std::mem::take(&mut first) {
                before.sort();
                if attack.leak == Leak::Changed && before.is_empty() {
                    return Ok(Ran::Unfit("no row of the other tenant is there".to_owned()));
                }
            }
            let Some(mut answer) = answers.next() else {
                let Some(refusal) = played.refusal else {
                    anyhow::bail!("the server did not answer every statement");
                };
                return Ok(match step {
                    Step::Before => Ran::Unfit(format!(
                        "it could not be prepared: {}",
                        refusal.told(self.private)
                    )),
                    Step::Measure | Step::MeasureAfter => self.unmeasured(&refusal),
                    Step::Attack => Ran::Refused(refusal),
                    Step::WasSet | Step::Ours | Step::Turn => {
                        anyhow::bail!("{}", refusal.told(self.private))
                    }
                });
            };
            match step {
                Step::WasSet if !answer.rows.is_empty() => {
                    return Ok(Ran::Unfit(
                        "the session has a tenant already: by a default, or because the rows could not be made without one"
                            .to_owned(),
                    ));
                }
                Step::Before | Step::WasSet | Step::Ours => {}
                Step::Measure => before.append(&mut answer.rows),
                Step::MeasureAfter => after.append(&mut answer.rows),
                // What B itself was shown is no leak.
                Step::Turn => shown.clear(),
                Step::Attack if matches!(attack.leak, Leak::Marks | Leak::Rows) => {
                    shown.append(&mut answer.rows);
                }
                Step::Attack => affected += answer.affected,
            }
        }
        let victim = if attack.tenant == Session::Other {
            a
        } else {
            b
        };
        let leaked = match attack.leak {
            // An argument that comes back is no row.
            Leak::Marks => shown.into_iter().find(|row| {
                row.contains(&victim.mark)
                    || (attack.on != On::KeyedFunction && row.contains(&victim.id))
            }),
            Leak::Rows => shown.into_iter().next(),
            Leak::Runs => {
                let wrote = !aimed.sql.iter().any(|sql| sql.starts_with("INSERT")) || affected > 0;
                wrote.then(|| aimed.sql.join("; "))
            }
            Leak::Changed | Leak::Gained => {
                after.sort();
                (before != after).then(|| aimed.sql.join("; "))
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

    fn session_tenant(&self, id: &str) -> String {
        let setting = &self.maker.catalog.config().tenant.setting;
        format!(
            "SELECT set_config({}, {}, true)",
            literal(setting),
            literal(id)
        )
    }

    fn was_set(&self) -> String {
        let setting = &self.maker.catalog.config().tenant.setting;
        format!(
            "SELECT 1 WHERE current_setting({}, true) IS NOT NULL",
            literal(setting)
        )
    }

    /// Asks for B's rows: their places, or their number.
    fn measures(&self, aimed: &Aimed<'_>) -> Vec<(Step, String)> {
        let what = match aimed.attack.leak {
            Leak::Changed => "tableoid::text || ctid::text",
            Leak::Gained => "count(*)::text",
            _ => return Vec::new(),
        };
        let tables: Vec<&Relation> = match aimed.table {
            Some(table) => vec![table],
            None => self.rows.tenanted(&self.maker),
        };
        let [_, b] = self.maker.tenants;
        let mut asked = Vec::new();
        // For an owner whom policies hold for; a superuser needs none, and must not spoil `none`.
        if !self.superuser {
            asked.push((Step::Ours, self.session_tenant(&b.id)));
        }
        for table in tables {
            let Some(column) = self.maker.tenant(table) else {
                continue;
            };
            let sql = format!(
                "SELECT {what} FROM {} WHERE {} = {}::{}",
                table.qualified(),
                quote(&column.name),
                literal(&b.id),
                self.maker.type_of(table, &column.name)
            );
            asked.push((Step::Measure, sql));
        }
        asked
    }
}

fn unfit(why: &str) -> Result<Option<Outcome>> {
    Ok(Some(Outcome::NotApplicable(why.to_owned())))
}

fn named(aimed: &Aimed<'_>) -> String {
    format!("the attack `{}` on {}", aimed.attack.id, aimed.place)
}
