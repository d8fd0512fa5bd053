//! A statement that carries its proof.
//!
//! Invariant: the text is the one that was proved, byte for byte, and is what the executor sends.

use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, Encode, Postgres, Type, TypeInfo as _};

use crate::db::{DbError, DbErrorKind, DbResult};
use crate::id::{TenantId, TenantKind};

/// A proved statement, written by the macros as a constant.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    pub(super) sql: &'static str,
    pub(super) catalog: &'static str,
    pub(super) name: &'static str,
    pub(super) parameters: usize,
    pub(super) tenant: bool,
    pub(super) unproved: Option<&'static str>,
    /// What the proof rests on; without a list, everything.
    pub(super) relations: Option<&'static [&'static str]>,
    /// Parameters that take no float.
    uncast: &'static [u32],
    /// Parameters that take no text.
    untexted: &'static [u32],
    /// The first parameter that got a text all the same.
    text: Option<u32>,
    /// How many values were looked at while they were bound.
    seen: u32,
    /// The first parameter that got a float all the same.
    float: Option<u32>,
}

impl Statement {
    /// `sql` was proved against the catalog with the id `catalog`; `name` is the function it
    /// stands in, for the log.
    #[must_use]
    pub const fn new(sql: &'static str, catalog: &'static str, name: &'static str) -> Self {
        Self {
            sql,
            catalog,
            name,
            parameters: 0,
            tenant: false,
            unproved: None,
            relations: None,
            uncast: &[],
            untexted: &[],
            seen: 0,
            float: None,
            text: None,
        }
    }

    /// The number of parameters that the caller binds.
    #[must_use]
    pub const fn parameters(mut self, parameters: usize) -> Self {
        self.parameters = parameters;
        self
    }

    /// The last parameter is `$tenant`, which the executor binds.
    #[must_use]
    pub const fn tenant(mut self) -> Self {
        self.tenant = true;
        self
    }

    /// The statement rests on the database's policies alone, for this reason.
    #[must_use]
    pub const fn unproved(mut self, reason: &'static str) -> Self {
        self.unproved = Some(reason);
        self
    }

    /// The relations that the proof rests on, schema-qualified as SQL spells them. While the database
    /// protects one of them less than was proved, the statement does not run.
    #[must_use]
    pub const fn relations(mut self, relations: &'static [&'static str]) -> Self {
        self.relations = Some(relations);
        self
    }

    /// These parameters stand without a cast and the filter carries the proof. There a float would
    /// make the server turn a `numeric` column into a float, before the filter and with another
    /// tenant's value in the error if that fails.
    #[must_use]
    pub const fn uncast(mut self, numbers: &'static [u32]) -> Self {
        self.uncast = numbers;
        self
    }

    /// These parameters are cast where a row asks for the value, to a type that reads a text as the
    /// session is set. A text that is no such value would fail for that row, whoever's it is.
    #[must_use]
    pub const fn untexted(mut self, numbers: &'static [u32]) -> Self {
        self.untexted = numbers;
        self
    }

    /// Looks at the type of the next value that is bound: the statement decides when it is run.
    pub(super) fn look_at<'t, T: Encode<'t, Postgres> + Type<Postgres>>(&mut self, value: &T) {
        self.seen = self.seen.saturating_add(1);
        if self.float.is_none() && self.uncast.contains(&self.seen) {
            let ty = value.produces().unwrap_or_else(T::type_info);
            self.float = is_float(ty.name()).then_some(self.seen);
        }
        if self.text.is_none() && self.untexted.contains(&self.seen) {
            let ty = value.produces().unwrap_or_else(T::type_info);
            self.text = is_text(ty.name()).then_some(self.seen);
        }
    }

    /// Checks that the caller bound exactly its own parameters, then binds `$tenant` last.
    pub(super) fn complete(
        &self,
        mut arguments: PgArguments,
        tenant: Option<&TenantId>,
    ) -> DbResult<PgArguments> {
        if arguments.len() != self.parameters {
            return Err(self.misused(format!(
                "takes {} values and {} were bound",
                self.parameters,
                arguments.len()
            )));
        }
        if let Some(number) = self.float {
            return Err(self.misused(format!(
                "got a float for `${number}`, which stands without a cast: write \
                 `${number}::numeric` beside a numeric column, else `${number}::float8`"
            )));
        }
        if let Some(number) = self.text {
            return Err(self.misused(format!(
                "got a text for `${number}`, which is cast where a row asks for it: bind a value of \
                 the type that it is cast to"
            )));
        }
        if self.tenant {
            let tenant = tenant.ok_or_else(|| self.misused("needs a tenant".to_owned()))?;
            bind_tenant(&mut arguments, tenant)
                .map_err(|cause| DbError::with_cause(DbErrorKind::Internal, cause))?;
        }
        Ok(arguments)
    }

    /// The code around the statement is wrong, not the caller's input.
    pub(super) fn misused(&self, how: String) -> DbError {
        let cause = format!("the statement of `{}` {how}", self.name);
        DbError::with_cause(DbErrorKind::Internal, cause)
    }
}

/// Whether a type is a float or an array of them.
fn is_float(name: &str) -> bool {
    let floats = ["float4", "float8", "real", "double precision"];
    floats.contains(&element(name).as_str())
}

/// Whether a type is a text or an array of them; what is cast from an unknown type is read as a text too.
fn is_text(name: &str) -> bool {
    let texts = [
        "text",
        "varchar",
        "character varying",
        "char",
        "bpchar",
        "character",
        "name",
        "citext",
        "unknown",
    ];
    texts.contains(&element(name).as_str())
}

/// A type of PostgreSQL as sqlx or the user spells it, in small letters; of an array the type of its
/// elements.
fn element(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    let name = name.strip_suffix("[]").unwrap_or(name);
    let name = name.strip_prefix('_').unwrap_or(name);
    name.trim_matches('"').to_owned()
}

fn bind_tenant(
    arguments: &mut PgArguments,
    tenant: &TenantId,
) -> Result<(), sqlx::error::BoxDynError> {
    match tenant.kind() {
        TenantKind::Uuid => match tenant.as_uuid() {
            Some(id) => arguments.add(id),
            None => Err("the tenant is not a uuid".into()),
        },
        TenantKind::Bigint => match tenant.as_bigint() {
            Some(id) => arguments.add(id),
            None => Err("the tenant is not a bigint".into()),
        },
        TenantKind::Text => match tenant.as_text() {
            Some(id) => arguments.add(id),
            None => Err("the tenant is not a text".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(count: i64) -> PgArguments {
        let mut arguments = PgArguments::default();
        for value in 0..count {
            arguments.add(value).unwrap();
        }
        arguments
    }

    #[test]
    fn the_tenant_is_bound_last_and_only_where_it_is_used() {
        let tenant = TenantId::bigint(7);
        let plain = Statement::new("SELECT $1", "id", "f").parameters(1);
        assert_eq!(
            plain.complete(arguments(1), Some(&tenant)).unwrap().len(),
            1
        );
        let with = plain.tenant();
        assert_eq!(with.complete(arguments(1), Some(&tenant)).unwrap().len(), 2);
    }

    #[test]
    fn a_value_too_few_or_too_many_is_refused_before_anything_is_sent() {
        // One too many would take the place of the tenant.
        let statement = Statement::new("SELECT $1, $2", "id", "f")
            .parameters(1)
            .tenant();
        for count in [0, 2] {
            let error = statement.complete(arguments(count), Some(&TenantId::bigint(7)));
            assert_eq!(error.unwrap_err().kind(), DbErrorKind::Internal);
        }
    }

    #[test]
    fn a_float_is_refused_where_nothing_casts_it() {
        let guarded = Statement::new("SELECT $1, $2", "id", "f")
            .parameters(2)
            .uncast(&[2]);
        let run = |look: &dyn Fn(&mut Statement)| {
            let mut statement = guarded;
            look(&mut statement);
            statement.complete(arguments(2), None).map(|_| ())
        };
        run(&|it| {
            it.look_at(&1.5_f64);
            it.look_at(&7_i64);
        })
        .unwrap();
        for second in [
            &(|it: &mut Statement| it.look_at(&1.5_f64)) as &dyn Fn(&mut Statement),
            &|it| it.look_at(&1.5_f32),
            &|it| it.look_at(&None::<f64>),
            &|it| it.look_at(&vec![1.5_f64]),
        ] {
            let refused = run(&|it| {
                it.look_at(&7_i64);
                second(it);
            });
            assert_eq!(refused.unwrap_err().kind(), DbErrorKind::Internal);
        }
    }

    #[test]
    fn a_text_is_refused_where_a_row_asks_for_its_cast() {
        let guarded = Statement::new("SELECT $1, $2", "id", "f")
            .parameters(2)
            .untexted(&[2]);
        let run = |look: &dyn Fn(&mut Statement)| {
            let mut statement = guarded;
            statement.look_at(&"of the first nothing is said");
            look(&mut statement);
            statement.complete(arguments(2), None).map(|_| ())
        };
        run(&|it| it.look_at(&7_i64)).unwrap();
        for second in [
            &(|it: &mut Statement| it.look_at(&"x")) as &dyn Fn(&mut Statement),
            &|it| it.look_at(&"x".to_owned()),
            &|it| it.look_at(&None::<String>),
            &|it| it.look_at(&vec!["x".to_owned()]),
        ] {
            assert_eq!(run(second).unwrap_err().kind(), DbErrorKind::Internal);
        }
    }

    #[test]
    fn a_statement_with_a_tenant_does_not_run_without_one() {
        let statement = Statement::new("SELECT $1", "id", "f").tenant();
        assert!(statement.complete(arguments(0), None).is_err());
    }
}
