use watertight::tenant_query;

#[tenant_query("SELECT name FROM customers")]
struct Names;

fn main() {}
