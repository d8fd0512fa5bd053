use watertight::{DbResult, Scope, unproved};

async fn names(db: &mut Scope<'_>) -> DbResult<Vec<String>> {
    unproved!("SELECT pg_read_file('/etc/passwd')", reason = "to see").scalars().fetch_all(db).await
}

fn main() {}
