//! Schemas that are right, of which nothing is to be told and which every attack leaves as they are.

/// The audit trail that the runtime makes.
const AUDIT: &str = include_str!("../../../runtime/src/audit/schema.sql");

/// Each with its name, for the owner to run.
pub(crate) fn schemas() -> Vec<(&'static str, String)> {
    let desk = concat!(
        include_str!("../../../examples/helpdesk/migrations/0001_organisations.sql"),
        include_str!("../../../examples/helpdesk/migrations/0002_desk.sql")
    );
    let month = "CREATE TABLE IF NOT EXISTS watertight.audit_2026_11 PARTITION OF watertight.audit FOR VALUES FROM ('2026-11-01') TO ('2026-12-01'); \
                 ALTER TABLE watertight.audit_2026_11 ENABLE ROW LEVEL SECURITY; ALTER TABLE watertight.audit_2026_11 FORCE ROW LEVEL SECURITY; \
                 REVOKE ALL ON watertight.audit_2026_11 FROM PUBLIC, app;";
    let audit = AUDIT
        .replace("{setting}", "app.tenant_id")
        .replace("{application_role}", "app")
        .replace("{partitions}", month);
    vec![
        (
            "crm_uuid",
            include_str!("../fixtures/clean/crm_uuid.sql").to_owned(),
        ),
        (
            "billing_bigint",
            include_str!("../fixtures/clean/billing_bigint.sql").to_owned(),
        ),
        (
            "projects_text",
            include_str!("../fixtures/clean/projects_text.sql").to_owned(),
        ),
        (
            "prisma_camel_case",
            include_str!("../fixtures/clean/prisma_camel_case.sql").to_owned(),
        ),
        (
            "accounts_helpers",
            include_str!("../fixtures/clean/accounts_helpers.sql").to_owned(),
        ),
        ("helpdesk", desk.to_owned()),
        ("helpdesk with the audit trail", format!("{desk}\n{audit}")),
    ]
}
