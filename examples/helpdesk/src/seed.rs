//! Fills an organisation with a few thousand rows, the same on every run.
//!
//! Invariant: names, subjects and ticket numbers repeat between organisations, because real ones do;
//! record ids, references and addresses never do, so a leak can be told from a coincidence.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

/// An organisation that uses the desk.
#[derive(Clone, Debug)]
pub struct Organisation {
    /// What people call it.
    pub name: &'static str,
    /// Which tenant it is.
    pub tenant: Uuid,
    /// Stands at the start of its customers' references.
    pub prefix: &'static str,
    /// The domain of its people's addresses.
    pub domain: &'static str,
}

/// The organisations of the demo.
pub const ORGANISATIONS: [Organisation; 2] = [
    Organisation {
        name: "Northwind Traders",
        tenant: Uuid::from_u128(0x6e6f_7274_6877_4e64_8a11_0c5e_71d3_9f02),
        prefix: "NWT",
        domain: "northwind.example",
    },
    Organisation {
        name: "Contoso Bank",
        tenant: Uuid::from_u128(0xc047_0505_ba4c_4d1e_9b7f_36a2_e8d0_54c1),
        prefix: "CTB",
        domain: "contoso.example",
    },
];

/// How many customers an organisation gets; it has twice as many tickets and four times as many
/// messages.
pub const CUSTOMERS: i32 = 1500;

/// Statements that fill one organisation. `{id:word}` is an id that depends on the organisation, the
/// word and `n`; the rest of the braces are the organisation's own texts.
const FILL: &str = include_str!("seed.sql");

/// Creates the organisations and their rows, as the owner of the tables and within each tenant.
///
/// # Errors
/// What the database answered.
pub async fn fill(owner_url: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(owner_url).await?;
    for organisation in &ORGANISATIONS {
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(AssertSqlSafe(statements(organisation)))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    sqlx::raw_sql("ANALYZE").execute(&mut connection).await?;
    connection.close().await
}

/// The API key of an organisation's nightly export. A real one would be random and shown once.
#[must_use]
pub fn api_key(organisation: &Organisation) -> String {
    format!("hd_{}_nightly_export", organisation.prefix.to_lowercase())
}

fn statements(organisation: &Organisation) -> String {
    let mut sql = FILL.to_owned();
    // Every id is an md5 of the organisation, the kind and the row's number: random to look at, never
    // the same in two organisations, and the same on every run.
    for kind in ["agent", "customer", "ticket", "message", "tag"] {
        let id = format!("md5('{} {kind} ' || n)::uuid", organisation.prefix);
        sql = sql.replace(&format!("{{{kind}}}"), &id);
    }
    sql.replace("{tenant}", &organisation.tenant.to_string())
        .replace("{name}", organisation.name)
        .replace("{prefix}", organisation.prefix)
        .replace("{domain}", organisation.domain)
        .replace("{api_key}", &api_key(organisation))
        .replace("{customers}", &CUSTOMERS.to_string())
}
