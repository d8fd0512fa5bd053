//! Every tool, as both of two synthetic tenants: what a project's own tests look like with
//! `watertight-test`. And that such a test can fail.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

use helpdesk::{desk::SCOPES, tools};
use serde_json::{Value, json};
use watertight_test::{TestBed, TestTenant};

/// The same ids in both tenants: keys begin with the tenant, so this is allowed, and one call with
/// one id shows whose row comes back.
const CUSTOMER: &str = "11111111-2222-4333-8444-555555555555";
const TICKET: &str = "66666666-7777-4888-8999-aaaaaaaaaaaa";

async fn bed() -> TestBed {
    TestBed::builder(watertight::catalog!(), tools::all())
        .migrations("migrations")
        .scopes(SCOPES)
        .seed(rows)
        .start()
        .await
        .unwrap()
}

fn rows(tenant: &TestTenant) -> String {
    let (id, name) = (tenant.id_text(), tenant.name());
    format!(
        "INSERT INTO organisations (id, name) VALUES ('{id}', '{name} inc');
         INSERT INTO ticket_numbers (tenant_id) VALUES ('{id}');
         INSERT INTO agents (tenant_id, name, email) VALUES ('{id}', '{name}''s agent', 'agent@desk.test');
         INSERT INTO customers (tenant_id, id, reference, name, email, plan)
             VALUES ('{id}', '{CUSTOMER}', '{name}-C1', '{name} and sons', 'mail@{name}.test', 'pro');
         INSERT INTO tickets (tenant_id, id, number, customer_id, subject, assignee_id)
             SELECT '{id}', '{TICKET}', 1, '{CUSTOMER}', 'An invoice of {name}', a.id FROM agents a;
         INSERT INTO messages (tenant_id, ticket_id, author, body)
             VALUES ('{id}', '{TICKET}', 'customer', 'The invoice is not for {name}.');
         INSERT INTO tags (tenant_id, name) VALUES ('{id}', 'only {name}');
         INSERT INTO ticket_tags (tenant_id, ticket_id, tag_id) SELECT '{id}', '{TICKET}', g.id FROM tags g"
    )
}

#[tokio::test]
async fn every_tool_keeps_the_tenants_apart() {
    let bed = bed().await;
    let calls: [(&str, Value); 13] = [
        ("list_customers", json!({})),
        ("get_customer", json!({ "customer_id": CUSTOMER })),
        ("export_customers", json!({})),
        (
            "upsert_customer",
            json!({ "email": "new@x.test", "name": "New", "plan": "free" }),
        ),
        ("list_tickets", json!({})),
        ("search_tickets", json!({ "words": "invoice" })),
        ("get_ticket", json!({ "ticket": TICKET })),
        ("agent_workload", json!({})),
        (
            "create_ticket",
            json!({ "customer_id": CUSTOMER, "subject": "s", "body": "b" }),
        ),
        ("reply_to_ticket", json!({ "ticket": TICKET, "body": "b" })),
        (
            "assign_ticket",
            json!({ "ticket": TICKET, "assignee": "agent@desk.test" }),
        ),
        (
            "close_ticket",
            json!({ "ticket": TICKET, "resolution": "r" }),
        ),
        ("create_tag", json!({ "name": "fresh" })),
    ];
    for (tool, arguments) in calls {
        bed.assert_isolated(tool, arguments).await;
    }
}

#[tokio::test]
async fn a_session_opens_its_own_tenants_rows() {
    let bed = bed().await;
    for tenant in bed.tenants() {
        let session = bed.session(tenant).await.unwrap();
        assert_eq!(session.tenant(), tenant.id());
        assert!(session.has_scope("tickets:write"));
        assert!(bed.pool().read(&session).await.is_ok());
    }
}

#[tokio::test]
async fn a_leak_is_found() {
    let bed = bed().await;
    let database = bed.database();
    database
        .execute_as_owner("ALTER TABLE customers DISABLE ROW LEVEL SECURITY")
        .await
        .unwrap();
    let problems = bed
        .check_isolated("export_customers", json!({}))
        .await
        .unwrap();
    let text = problems.join("\n");
    assert!(text.contains("alder's answer holds birch's"), "{text}");
    assert!(text.contains("birch's answer holds alder's"), "{text}");
    assert!(text.contains("birch and sons"), "{text}");
}

#[tokio::test]
async fn a_foreign_write_is_found() {
    let bed = bed().await;
    let database = bed.database();
    // A trigger is a way to reach another tenant's rows behind a statement's back.
    database
        .execute_as_admin(
            "CREATE FUNCTION everywhere() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
             BEGIN UPDATE tickets SET subject = subject || '!'; RETURN NULL; END $$;
             CREATE TRIGGER everywhere AFTER INSERT ON tags
             FOR EACH STATEMENT EXECUTE FUNCTION everywhere()",
        )
        .await
        .unwrap();
    let problems = bed
        .check_isolated("create_tag", json!({ "name": "fresh" }))
        .await
        .unwrap();
    assert!(
        problems
            .join("\n")
            .contains("alder's call changed birch's rows"),
        "{problems:?}"
    );
}

#[tokio::test]
async fn what_shows_nothing_is_no_success() {
    let bed = bed().await;
    let nothing = bed.check_isolated("price_list", json!({})).await.unwrap();
    assert!(
        nothing.join("\n").contains("neither returned nor changed"),
        "{nothing:?}"
    );
    let failed = bed
        .check_isolated("get_customer", json!({ "customer_id": "no id" }))
        .await
        .unwrap();
    assert!(
        failed.join("\n").contains("alder's call failed"),
        "{failed:?}"
    );
    let unknown = bed.check_isolated("no_such_tool", json!({})).await.unwrap();
    assert!(unknown.join("\n").contains("failed"), "{unknown:?}");
}

#[tokio::test]
#[should_panic(expected = "`price_list` is not shown to be isolated")]
async fn the_assertion_fails_the_test() {
    bed().await.assert_isolated("price_list", json!({})).await;
}
