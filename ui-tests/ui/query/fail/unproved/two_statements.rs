use watertight::{DbResult, Scope, unproved};

async fn names(db: &mut Scope<'_>) -> DbResult<Vec<String>> {
    unproved!("SELECT name FROM customers; SELECT body FROM notes", reason = "both").scalars().fetch_all(db).await
}

fn main() {}
