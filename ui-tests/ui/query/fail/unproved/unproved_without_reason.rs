use watertight::{DbResult, Scope, unproved};

async fn names(db: &mut Scope<'_>) -> DbResult<Vec<String>> {
    unproved!("SELECT name FROM customers").scalars().fetch_all(db).await
}

fn main() {}
