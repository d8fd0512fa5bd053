//! `$tenant` in tables without row-level security.

use watertight::{DbResult, Scope, WriteScope, tenant_query};

#[tenant_query("SELECT body FROM notes WHERE tenant_id = $tenant AND customer_id = $customer")]
pub async fn notes_of(db: &mut Scope<'_>, customer: i64) -> DbResult<Vec<String>>;

#[tenant_query(
    "SELECT c.name, n.body
     FROM customers AS c
     JOIN notes AS n ON n.customer_id = c.id AND n.tenant_id = c.tenant_id
     WHERE c.tenant_id = $tenant"
)]
pub async fn with_notes(db: &mut Scope<'_>) -> DbResult<Vec<(String, String)>>;

#[tenant_query(
    "INSERT INTO notes (tenant_id, customer_id, body) VALUES ($tenant, $customer, $body)"
)]
pub async fn write_note(db: &mut WriteScope<'_>, customer: i64, body: &str) -> DbResult<()>;

pub fn main() {}
