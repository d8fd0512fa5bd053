use watertight::TenantIdentifier;

#[derive(TenantIdentifier)]
#[tool(not_tenant = "of another kind")]
struct Clinic(u64);

fn main() {
    let _ = |clinic: Clinic| clinic.0;
}
