use watertight::{DbResult, Scope, unproved};

async fn bodies(db: &mut Scope<'_>) -> DbResult<Vec<String>> {
    unproved!("SELECT body FROM notes", reason = "all notes").scalars().fetch_all(db).await
}

fn main() {}
