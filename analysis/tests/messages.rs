//! What a person reads who made one of the common mistakes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use watertight_analysis::render;

/// The rendered refusals of a statement over the schema of the fixtures.
fn refusal(sql: &str) -> String {
    let problems = common::judge(&common::catalog(), sql).unwrap_err();
    let rendered: Vec<String> = problems
        .iter()
        .map(|problem| render(problem, sql))
        .collect();
    format!("{sql}\n\n{}", rendered.join("\n"))
}

#[test]
fn common_mistakes() {
    let mistakes = [
        (
            "no_condition",
            "SELECT id, ref FROM orders WHERE status = $status",
        ),
        ("no_where_at_all", "SELECT id FROM orders o ORDER BY id"),
        (
            "condition_under_or",
            "SELECT id FROM orders WHERE tenant_id = $tenant OR status = 'x'",
        ),
        (
            "or_needs_brackets",
            "SELECT id FROM orders WHERE status = 'a' OR status = 'b' LIMIT 3",
        ),
        (
            "tenant_from_caller",
            "SELECT id FROM orders o WHERE tenant_id = $org AND total > 1",
        ),
        (
            "join_without_tenant",
            "SELECT o.ref, i.sku\nFROM orders o\nLEFT JOIN order_items i ON i.order_id = o.id\nWHERE o.tenant_id = $tenant",
        ),
        (
            "preserved_side_in_on",
            "SELECT t.id FROM tickets t LEFT JOIN users u ON u.tenant_id = t.tenant_id AND t.tenant_id = $tenant",
        ),
        (
            "exists_without_tenant",
            "SELECT t.id FROM tickets t WHERE t.tenant_id = $tenant AND EXISTS (SELECT 1 FROM ticket_comments c WHERE c.ticket_id = t.id)",
        ),
        ("unknown_table", "SELECT nmae FROM custmers"),
        ("unknown_column", "SELECT statsu FROM customers"),
        ("update_everything", "UPDATE tasks SET done = true"),
        (
            "insert_for_caller",
            "INSERT INTO tasks (tenant_id, title) VALUES ($org, 'x')",
        ),
        (
            "insert_without_tenant",
            "INSERT INTO tasks (title) VALUES ('x')",
        ),
        (
            "move_to_tenant",
            "UPDATE tasks SET tenant_id = $org WHERE tenant_id = $tenant",
        ),
        (
            "cascade",
            "DELETE FROM tickets WHERE tenant_id = $tenant AND id = $id",
        ),
        (
            "upsert_on_id",
            "INSERT INTO tasks (id, tenant_id, title) VALUES ($id, $tenant, 'mine') ON CONFLICT (id) DO UPDATE SET title = excluded.title",
        ),
        (
            "leaky_cast",
            "SELECT id FROM orders WHERE tenant_id = $tenant AND (meta ->> 'score')::int > 10",
        ),
        ("set_config", "SELECT set_config('app.tenant_id', $x, true)"),
        (
            "extension_function",
            "SELECT st_area(title) FROM deals WHERE tenant_id = $tenant",
        ),
        ("definer_view", "SELECT * FROM v_open_tickets"),
        ("definer_function", "SELECT customer_count()"),
        (
            "write_global",
            "INSERT INTO products (sku, name, category, price) VALUES ('a', 'b', 'c', 1)",
        ),
        ("undeclared", "SELECT value FROM system_settings"),
        (
            "undeclared_by_tenant",
            "SELECT name FROM legacy_accounts WHERE org_id = $tenant",
        ),
        ("two_statements", "SELECT 1; DELETE FROM tasks"),
        ("not_a_query", "TRUNCATE tasks"),
        ("metadata", "SELECT relname FROM pg_class"),
        ("mixed_parameters", "SELECT $1, $name"),
    ];
    for (name, sql) in mistakes {
        insta::assert_snapshot!(name, refusal(sql));
    }
}

#[test]
fn a_derivation_names_the_conditions() {
    let catalog = common::catalog();
    let sql = "SELECT i.sku, c.name, p.name FROM orders o \
        JOIN order_items i ON i.order_id = o.id AND i.tenant_id = o.tenant_id \
        JOIN customers c ON c.id = o.customer_id JOIN products p ON p.sku = i.sku \
        WHERE o.tenant_id = $tenant AND o.id = $id";
    let proof = common::judge(&catalog, sql).unwrap();
    let lines: Vec<String> = proof
        .occurrences
        .iter()
        .map(|o| format!("{} {}: {}", o.relation, o.class, o.reasons.join("; ")))
        .collect();
    insta::assert_snapshot!("derivation", lines.join("\n"));
}

/// The statement that the first help of a refusal proposes.
fn mended(catalog: &watertight_analysis::Catalog, sql: &str) -> Option<String> {
    let problems = common::judge(catalog, sql).unwrap_err();
    let helps = problems.iter().flat_map(|problem| &problem.help);
    let mut mends = helps.filter_map(|help| help.strip_prefix("write: "));
    mends.next().map(ToOwned::to_owned)
}

#[test]
fn what_the_help_says_to_write_is_proved() {
    let catalog = common::catalog();
    for sql in [
        "SELECT id FROM orders WHERE tenant_id = $tenant AND (meta ->> 'score')::int > 10",
        "SELECT o.id FROM orders AS o WHERE o.tenant_id = $tenant AND (o.meta ->> 'score')::int > 10 ORDER BY o.id",
        "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id AND c.tenant_id = o.tenant_id WHERE o.tenant_id = $tenant AND c.name LIKE $q AND 10 / o.total > 1",
        "UPDATE orders SET status = 'x' WHERE tenant_id = $tenant AND (meta ->> 'score')::int > 10",
        "DELETE FROM tasks t WHERE t.tenant_id = $tenant AND (t.title LIKE $q)",
        "INSERT INTO tasks (tenant_id, title) VALUES ($tenant, 'a'), ($org, 'x'), (($org), 'y')",
        "INSERT INTO tasks (title, tenant_id) VALUES ('x', $org::uuid) RETURNING id",
        "INSERT INTO tasks (tenant_id, title) SELECT $org, t.subject FROM tickets t WHERE t.tenant_id = $tenant",
        "INSERT INTO tasks (tenant_id, title) SELECT t.tenant_id, t.subject FROM tickets t WHERE t.id = $id",
        "INSERT INTO tasks (title) VALUES ('x'), (('y'))",
        "INSERT INTO tasks (title) SELECT (t.subject) FROM tickets t WHERE t.tenant_id = $tenant UNION SELECT $title",
        "MERGE INTO tasks t USING (SELECT $title::text AS title) s ON t.title = s.title WHEN MATCHED THEN UPDATE SET done = true",
        "MERGE INTO tasks t USING (SELECT $title::text AS title) s ON t.tenant_id = $tenant AND t.title = s.title WHEN NOT MATCHED THEN INSERT (tenant_id, title) VALUES ($org, s.title)",
        "SELECT id FROM orders WHERE (placed_at, placed_at + interval '1 day') OVERLAPS ($from::timestamptz, $to::timestamptz)",
    ] {
        let mut text = sql.to_owned();
        for _ in 0..3 {
            if common::judge(&catalog, &text).is_ok() {
                break;
            }
            text = mended(&catalog, &text).unwrap_or_else(|| panic!("no mend: {}", refusal(&text)));
        }
        assert!(
            common::judge(&catalog, &text).is_ok(),
            "{sql}\n{}",
            refusal(&text)
        );
    }
}
