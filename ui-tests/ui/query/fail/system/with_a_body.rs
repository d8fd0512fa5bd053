use watertight::{DbResult, SystemScope, system_query};

#[system_query(role = "auth", tables(api_keys), reason = "login")]
async fn all(db: &mut SystemScope<'_>) -> DbResult<()> {
    sqlx::query("SELECT tenant_id FROM api_keys").execute(db).await?;
    Ok(())
}

fn main() {}
