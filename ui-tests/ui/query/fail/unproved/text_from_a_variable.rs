use watertight::{DbResult, Scope, unproved};

async fn names(db: &mut Scope<'_>) -> DbResult<Vec<String>> {
    let text = "SELECT name FROM customers";
    unproved!(text, reason = "a report of staff").scalars().fetch_all(db).await
}

fn main() {}
