use watertight::{DbResult, Scope, WriteScope, tenant_query};

// Three mistakes in one declared function, each with its own error.
#[tenant_query("SELECT body FROM notes WHERE customer_id = $custmer")]
async fn search(db: &mut Scope<'_>, customer: i64, limit: i64) -> DbResult<Vec<String>>;

// And one in each of two statements of a body.
#[tenant_query]
async fn tidy(db: &mut WriteScope<'_>) -> DbResult<()> {
    sqlx::query("DELETE FROM notes").execute(db).await?;
    sqlx::query("UPDATE costumers SET plan = 'free'").execute(db).await?;
    Ok(())
}

fn main() {
    // The functions are still there: no error about a missing name.
    let _ = (search, tidy);
}
