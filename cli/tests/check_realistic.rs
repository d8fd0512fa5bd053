//! A help desk of several modules, as it should be and with one fault each: `check` tells of the fault
//! where it stands, and of nothing else.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::path::Path;

use common::{Folder, run, stderr};
use serde_json::Value;

/// What is replaced in the safe project: file, text, the text in its place.
type Change = (&'static str, &'static str, &'static str);
/// What is told of: code, severity, file, and the line.
type Told = (&'static str, &'static str, &'static str, &'static str);

const FAULTS: [(&str, &[Change], &[Told]); 9] = [
    ("as it should be", &[], &[]),
    (
        "a tenant in the schema, renamed, in a flattened part",
        &[(
            "src/tools/arguments.rs",
            "    pub newest_first: bool,\n}",
            "    pub newest_first: bool,\n    #[serde(flatten)]\n    pub place: Place,\n}\n\n#[derive(Deserialize, JsonSchema)]\npub struct Place {\n    #[serde(rename = \"workspaceId\")]\n    pub place: Option<Uuid>,\n}",
        )],
        &[(
            "W1201",
            "HIGH",
            "src/tools/arguments.rs",
            "pub place: Option<Uuid>,",
        )],
    ),
    (
        "a query without its tenant, on a table without row-level security",
        &[
            (
                "src/store/tickets.rs",
                " WHERE id = $1 AND organization_id = $2\")\n        .bind(id)\n        .bind(identity.organization)",
                " WHERE id = $1\")\n        .bind(id)",
            ),
            (
                "migrations/0002_isolation.sql",
                "ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;\nALTER TABLE tickets FORCE ROW LEVEL SECURITY;\nCREATE POLICY own ON tickets\n    USING (organization_id = nullif(current_setting('desk.organization', true), '')::uuid);\n",
                "",
            ),
        ],
        &[
            (
                "W0202",
                "HIGH",
                "src/store/tickets.rs",
                "let done = sqlx::query(\"UPDATE tickets SET status = 'closed' WHERE id = $1\")",
            ),
            (
                "W1010",
                "MEDIUM",
                "migrations/0001_desk.sql",
                "CREATE TABLE tickets (",
            ),
        ],
    ),
    (
        "a setting of the session",
        &[(
            "src/store/mod.rs",
            "'desk.organization', $1, true)",
            "'desk.organization', $1, false)",
        )],
        &[(
            "W1220",
            "HIGH",
            "src/store/mod.rs",
            "sqlx::query(\"SELECT set_config('desk.organization', $1, false)\")",
        )],
    ),
    (
        "a pool that resets what it lends when it lends it",
        &[
            (
                "src/store/mod.rs",
                "'desk.organization', $1, true)",
                "'desk.organization', $1, false)",
            ),
            (
                "src/main.rs",
                "        .max_connections(8)\n",
                "        .max_connections(8)\n        .before_acquire(|connection, _| {\n            Box::pin(async move {\n                sqlx::query(\"RESET desk.organization\").execute(connection).await?;\n                Ok(true)\n            })\n        })\n",
            ),
        ],
        &[(
            "W1220",
            "HIGH",
            "src/store/mod.rs",
            "sqlx::query(\"SELECT set_config('desk.organization', $1, false)\")",
        )],
    ),
    (
        "no row-level security",
        &[(
            "migrations/0002_isolation.sql",
            "ALTER TABLE comments ENABLE ROW LEVEL SECURITY;\nALTER TABLE comments FORCE ROW LEVEL SECURITY;\nCREATE POLICY own ON comments\n    USING (organization_id = nullif(current_setting('desk.organization', true), '')::uuid);\n",
            "",
        )],
        &[(
            "W1010",
            "MEDIUM",
            "migrations/0001_desk.sql",
            "CREATE TABLE comments (",
        )],
    ),
    (
        "an error that names the tenant, through a name",
        &[(
            "src/tools/mod.rs",
            "            return Err(DeskError::NoTicket(ticket_id).into());",
            "            let text = format!(\"{} has no ticket {ticket_id}\", identity.organization);\n            return Err(ErrorData::invalid_params(text, None));",
        )],
        &[(
            "W1230",
            "MEDIUM",
            "src/tools/mod.rs",
            "let text = format!(\"{} has no ticket {ticket_id}\", identity.organization);",
        )],
    ),
    (
        "records of calls without a tenant",
        &[
            (
                "migrations/0001_desk.sql",
                "CREATE TABLE tool_calls (\n    organization_id uuid NOT NULL,\n    id uuid NOT NULL DEFAULT gen_random_uuid(),",
                "CREATE TABLE tool_calls (\n    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),",
            ),
            (
                "migrations/0001_desk.sql",
                "    called_at timestamptz NOT NULL DEFAULT now(),\n    PRIMARY KEY (organization_id, id)\n",
                "    called_at timestamptz NOT NULL DEFAULT now()\n",
            ),
            (
                "migrations/0002_isolation.sql",
                "\nALTER TABLE tool_calls ENABLE ROW LEVEL SECURITY;\nALTER TABLE tool_calls FORCE ROW LEVEL SECURITY;\nCREATE POLICY own ON tool_calls\n    USING (organization_id = nullif(current_setting('desk.organization', true), '')::uuid);\n",
                "",
            ),
            (
                "src/audit.rs",
                "(organization_id, tool, subject) VALUES ($1, $2, $3)",
                "(tool, subject) VALUES ($1, $2)",
            ),
            ("src/audit.rs", "        .bind(identity.organization)\n", ""),
        ],
        &[(
            "W1240",
            "LOW",
            "migrations/0001_desk.sql",
            "CREATE TABLE tool_calls (",
        )],
    ),
    (
        "records that nothing writes",
        &[(
            "src/audit.rs",
            "    sqlx::query(\"INSERT INTO tool_calls (organization_id, tool, subject) VALUES ($1, $2, $3)\")\n        .bind(identity.organization)\n        .bind(tool)\n        .bind(&identity.subject)\n        .execute(db)\n        .await?;\n",
            "    let _ = db;\n    tracing::info!(tool, subject = identity.subject, \"called\");\n",
        )],
        &[("W1240", "LOW", "src/tools/mod.rs", "async fn search(")],
    ),
];

fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copied(&entry.path(), &target),
            false => {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }
}

#[test]
fn each_fault_of_a_real_project_is_told_where_it_stands_and_nothing_else_is() {
    let safe = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/check/desk/safe");
    for (name, changes, expected) in FAULTS {
        let folder = Folder::new("desk");
        copied(&safe, &folder.0);
        for (file, from, to) in changes {
            let path = folder.0.join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{name}: {file}");
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        }
        let output = run(&folder.0, &["check", "--format", "json"], "");
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{name}: {}", stderr(&output)));
        let (mut told, mut reviews) = (Vec::new(), Vec::new());
        for finding in report["findings"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let file = text(&finding["place"]["name"]);
            let line = finding["place"]["start"]["line"].as_u64().unwrap_or(1);
            let source = std::fs::read_to_string(folder.0.join(&file)).unwrap_or_default();
            let line = source.lines().nth(usize::try_from(line).unwrap() - 1);
            let line = line.unwrap_or_default().trim().to_owned();
            match finding["verdict"] == "finding" {
                true => told.push((
                    text(&finding["code"]),
                    text(&finding["severity"]),
                    file,
                    line,
                )),
                false => reviews.push(text(&finding["code"])),
            }
        }
        told.sort();
        let owned = |it: &Told| {
            (
                it.0.to_owned(),
                it.1.to_owned(),
                it.2.to_owned(),
                it.3.to_owned(),
            )
        };
        let expected: Vec<_> = expected.iter().map(owned).collect();
        assert_eq!(told, expected, "{name}: {report:#}");
        // No lock file is in a fixture.
        assert_eq!(reviews, ["W1260"], "{name}: {report:#}");
        assert_eq!(
            output.status.code(),
            Some(i32::from(!expected.is_empty())),
            "{name}"
        );
        assert!(report["summary"]["clear"].as_u64().unwrap() > 5, "{name}");
    }
}
