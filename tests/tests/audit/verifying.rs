//! What `audit verify` names, what it can't tell, and what `audit export` writes.

use super::*;

#[tokio::test]
async fn an_untouched_trail_is_as_it_was_written() {
    let (database, anchor) = World::used().await;
    let (status, text) = verify(&database, &anchor);
    assert_eq!(status, 0, "{text}");
    for tenant in [ACME, BETA] {
        let line = format!(
            "ok       tenant {tenant}: 10 calls in 1 chain, and 5 writes, as they were written"
        );
        assert!(text.contains(&line), "{text}");
    }
    let (status, text) = audit(database.app_url(), &["verify", "--tenant", ACME]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("without --anchor"), "{text}");
    let (status, text) = audit(database.app_url(), &["verify"]);
    assert!(status == 2 && text.contains("--tenant"), "{text}");
    // The owner is held to row-level security as well, one tenant at a time.
    let (status, text) = audit(database.owner_url(), &["verify"]);
    assert!(status == 2 && text.contains("--tenant"), "{text}");
    assert_eq!(
        audit(database.owner_url(), &["verify", "--tenant", ACME]).0,
        0
    );
    // Who called, as it was verified, and what the caller says of itself.
    let clients = "SELECT DISTINCT concat_ws(' ', client, agent) FROM watertight.audit WHERE kind = 'completion'";
    assert_eq!(rows(&database, clients).await, ["crm-app rmcp"]);
}

#[tokio::test]
async fn whatever_is_done_to_the_table_is_named() {
    let (database, anchor) = World::used().await;
    let of = |what: &str| format!("tenant_id = '{ACME}' AND {what}");
    let [third, fourth, sixth] = [
        reference(&database, 3).await,
        reference(&database, 4).await,
        reference(&database, 6).await,
    ];
    // Whoever can do this can do that as well.
    tamper(
        &database,
        "SELECT 1; DROP INDEX watertight.audit_link; SELECT 1",
    )
    .await;
    // Each with its mend, so that the next begins with a clean trail.
    let cases = [
        (
            format!("UPDATE watertight.audit SET outcome = 'refused' WHERE {}", of("seq = 3")),
            format!("UPDATE watertight.audit SET outcome = 'ok' WHERE {}", of("seq = 3")),
            format!("reference {third}"),
            "changed: record ",
        ),
        (
            format!("UPDATE watertight.audit SET tenant_id = 'nobody' WHERE {}", of("seq = 3")),
            format!("UPDATE watertight.audit SET tenant_id = '{ACME}' WHERE tenant_id = 'nobody'"),
            "number 3 of writer".to_owned(),
            "removed: ",
        ),
        (
            format!("UPDATE watertight.audit SET seq = 7 - seq WHERE {}", of("seq IN (3, 4)")),
            format!("UPDATE watertight.audit SET seq = 7 - seq WHERE {}", of("seq IN (3, 4)")),
            format!("reference {fourth}, is number 3 and was written as 4"),
            "reordered: record ",
        ),
        (
            "CREATE TABLE kept AS SELECT * FROM watertight.audit WHERE seq = 6; \
             INSERT INTO watertight.audit (tenant_id, kind, reference, at, recorded_at, writer, seq, mac) \
             SELECT tenant_id, kind, 'forged', at, recorded_at + interval '1 second', writer, seq, mac FROM kept"
                .to_owned(),
            "DELETE FROM watertight.audit WHERE reference = 'forged'".to_owned(),
            "reference forged".to_owned(),
            "inserted: record ",
        ),
        (
            format!(
                "UPDATE watertight.audit SET subject = 'mallory' WHERE {}",
                of(&format!("kind = 'effect' AND reference = '{sixth}'"))
            ),
            format!(
                "UPDATE watertight.audit SET subject = '=user' WHERE {}",
                of(&format!("kind = 'effect' AND reference = '{sixth}'"))
            ),
            format!("reference {sixth}"),
            "changed: record ",
        ),
        (
            format!(
                "UPDATE watertight.audit SET tenant_id = 'nobody' WHERE {}",
                of(&format!("kind = 'effect' AND reference = '{fourth}' AND ordinal = 2"))
            ),
            format!("UPDATE watertight.audit SET tenant_id = '{ACME}' WHERE tenant_id = 'nobody'"),
            format!("the call with reference {fourth} left records of 1 of its 2 writes"),
            "removed: ",
        ),
        (
            format!("UPDATE watertight.audit SET tenant_id = 'nobody' WHERE {}", of("seq > 8")),
            format!("UPDATE watertight.audit SET tenant_id = '{ACME}' WHERE tenant_id = 'nobody'"),
            "ends at 8, and 10 was published".to_owned(),
            "cut off: ",
        ),
    ];
    for (attack, mend, expected, kind) in cases {
        tamper(&database, &attack).await;
        let (status, text) = verify(&database, &anchor);
        assert_eq!(status, 1, "{attack}\n{text}");
        let named = text
            .lines()
            .any(|line| line.contains(kind) && line.contains(&expected));
        assert!(named, "{attack}\n{expected}\n{text}");
        assert!(
            text.contains(&format!("ok       tenant {BETA}")) || kind.starts_with("inserted"),
            "{text}"
        );
        tamper(&database, &mend).await;
        let (status, text) = verify(&database, &anchor);
        assert_eq!(status, 0, "{mend}\n{text}");
    }
}

#[tokio::test]
async fn a_cut_end_can_not_be_seen_without_an_anchor_and_that_is_said() {
    let (database, _) = World::used().await;
    tamper(&database, "DELETE FROM watertight.audit WHERE seq > 8").await;
    // The writes of the calls that are gone are still there, without a record of their call.
    let (status, text) = audit(database.admin_url(), &["verify"]);
    assert_eq!(status, 0, "{text}");
    assert!(
        text.contains("1 write without a record of the call"),
        "{text}"
    );
    assert!(
        text.contains("nothing can tell whether the newest records"),
        "{text}"
    );
}

#[tokio::test]
async fn a_tenants_trail_is_exported_alone() {
    let (database, _) = World::used().await;
    let (status, text) = audit(database.app_url(), &["export", "--tenant", ACME]);
    assert_eq!(status, 0, "{text}");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 10 + 5, "{text}");
    assert!(
        lines[0].starts_with(r#""at","kind","reference","tool""#),
        "{text}"
    );
    assert!(
        text.contains(r#","'=user","#),
        "a formula is defused: {text}"
    );
    let json = [
        "export",
        "--tenant",
        ACME,
        "--format",
        "jsonl",
        "--since",
        "2020-01-01",
    ];
    let (_, text) = audit(database.admin_url(), &json);
    let objects: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len(), 15);
    let call = objects
        .iter()
        .find(|it| it["kind"] == "completion" && it["tool"] == "add_notes");
    assert_eq!(call.unwrap()["arguments"], json!(["bodies"]));
    let (_, none) = audit(
        database.app_url(),
        &["export", "--tenant", ACME, "--until", "2020-01-01"],
    );
    assert_eq!(none.lines().count(), 1);
    let (status, text) = audit(
        database.app_url(),
        &["export", "--tenant", ACME, "--since", "soon"],
    );
    assert_eq!(status, 2, "{text}");
}

#[tokio::test]
async fn one_row_hides_nothing_of_the_other_trails() {
    let (database, anchor) = World::used().await;
    tamper(
        &database,
        "SELECT 1; DO $$ DECLARE c text; BEGIN FOR c IN SELECT conname FROM pg_constraint \
         WHERE conrelid = 'watertight.audit'::regclass AND pg_get_constraintdef(oid) ~ '9999' LOOP \
         EXECUTE format('ALTER TABLE watertight.audit DROP CONSTRAINT %I', c); END LOOP; END $$; SELECT 1",
    )
    .await;
    for (number, at, recorded_at) in [
        (1, "infinity", "2026-01-01"),
        (2, "-infinity", "infinity"),
        (3, "294276-12-31", "294276-12-31"),
        (4, "4000-01-01 BC", "2026-01-01"),
    ] {
        tamper(
            &database,
            &format!(
                "INSERT INTO watertight.audit (tenant_id, kind, reference, at, recorded_at, writer, seq, mac) VALUES \
                 ('c', 'effect', E'x\r\nok       tenant {number}', '{at}', '{recorded_at}', NULL, NULL, sha256('x')), \
                 ('c', 'completion', 'y{number}', '{at}', '{recorded_at}', 'w', {number}, sha256('x'))"
            ),
        )
        .await;
    }
    tamper(
        &database,
        &format!(
            "UPDATE watertight.audit SET outcome = 'x' WHERE tenant_id = '{BETA}' AND seq = 9"
        ),
    )
    .await;
    // A line that a crash cut off.
    let heads = anchor.path().join("heads.jsonl");
    let mut text = std::fs::read_to_string(&heads).unwrap();
    text.push_str("{\"at\":\"2026");
    std::fs::write(&heads, text).unwrap();
    let (status, text) = verify(&database, &anchor);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains(&format!("ok       tenant {ACME}")), "{text}");
    assert!(text.contains(&format!("TAMPERED tenant {BETA}")), "{text}");
    assert!(text.contains("TAMPERED tenant c"), "{text}");
    assert!(text.contains("has no end"), "{text}");
    assert!(!text.contains("\nok       tenant 1"), "{text}");
    // A trail that can't be read at all.
    tamper(
        &database,
        &format!(
            "INSERT INTO watertight.audit_floor VALUES ('{ACME}', 'w', 1, '', now(), ''); \
             ALTER TABLE watertight.audit_floor RENAME TO floors; \
             CREATE VIEW watertight.audit_floor AS SELECT tenant_id, writer, \
             seq / (tenant_id <> '{ACME}')::int AS seq, mac, before, proof FROM watertight.floors; \
             UPDATE watertight.audit SET outcome = 'ok' WHERE tenant_id = '{BETA}' AND seq = 9; \
             DELETE FROM watertight.audit WHERE tenant_id = 'c'"
        ),
    )
    .await;
    let (status, text) = verify(&database, &anchor);
    assert_eq!(status, 2, "{text}");
    assert!(text.contains(&format!("UNKNOWN  tenant {ACME}")), "{text}");
    assert!(text.contains(&format!("ok       tenant {BETA}")), "{text}");
}
