//! Who decides whether a statement may run: the prover, or, to see that the oracle can fail, nobody.

use crate::schema::{Kind, Schema};
use watertight_analysis::config::TenantKind;
use watertight_analysis::migrations::Migration;
use watertight_analysis::{Catalog, Config, Prepared, TenantBinding, prepare, prove, render};

/// Which statements are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// Those that are proved.
    Prover,
    /// All that can be parsed.
    Everything,
}

/// Why a statement is run.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub rls: bool,
    pub reasons: String,
    /// Which output columns the proof marks as computed from a tenant column.
    pub columns: Option<Vec<bool>>,
}

/// Why it is not.
#[derive(Clone, Debug)]
pub struct Refused {
    pub code: String,
    pub headline: String,
    pub text: String,
}

/// The catalog as the prover sees the schema's migrations.
pub fn catalog(schema: &Schema) -> Catalog {
    let mut config = Config::default();
    config.tenant.kind = match schema.kind {
        Kind::Uuid | Kind::Domain => TenantKind::Uuid,
        Kind::Bigint => TenantKind::Bigint,
        Kind::Text | Kind::Varchar | Kind::Citext => TenantKind::Text,
    };
    let migrations: Vec<Migration> = schema
        .migrations()
        .into_iter()
        .zip(1..)
        .map(|((path, text), version)| Migration {
            name: path.trim_end_matches(".sql").to_owned(),
            path,
            version,
            text,
        })
        .collect();
    Catalog::build(&config, &migrations)
}

/// Turns named parameters into numbers, or says why the text is not accepted.
pub fn prepared(catalog: &Catalog, sql: &str) -> Result<Prepared, Refused> {
    prepare(sql, TenantBinding::LastParameter, catalog.config())
        .map_err(|diagnostics| refused(&diagnostics, sql))
}

impl Judge {
    pub fn judge(self, catalog: &Catalog, prepared: &Prepared) -> Result<Accepted, Refused> {
        match self {
            Judge::Everything => Ok(Accepted {
                rls: false,
                reasons: "nobody judged".to_owned(),
                columns: None,
            }),
            Judge::Prover => match prove(catalog, prepared) {
                Ok(proof) => Ok(Accepted {
                    columns: proof
                        .columns
                        .as_ref()
                        .map(|columns| columns.iter().map(|c| c.from_tenant).collect()),
                    rls: matches!(proof.grade, watertight_analysis::prove::Grade::Rls),
                    reasons: proof
                        .occurrences
                        .iter()
                        .map(|o| {
                            format!("{} ({}): {}\n", o.relation, o.class, o.reasons.join("; "))
                        })
                        .collect(),
                }),
                Err(diagnostics) => Err(refused(&diagnostics, &prepared.source)),
            },
        }
    }
}

fn refused(diagnostics: &[watertight_analysis::Diagnostic], sql: &str) -> Refused {
    let first = diagnostics.first();
    Refused {
        code: first.map_or_else(|| "none".to_owned(), |d| d.code.to_string()),
        headline: first.map_or_else(String::new, |d| d.message.clone()),
        text: diagnostics
            .iter()
            .map(|d| render(d, sql))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}
