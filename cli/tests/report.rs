//! `report`: the map of the example, a project with findings and hostile names, and the page in a real
//! browser: nothing loaded, nothing run, nothing on the console.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::path::Path;
use std::process::Command;

use common::{Folder, run, stderr, stdout};
use serde_json::Value;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn json(folder: &Path, arguments: &[&str], status: i32) -> Value {
    let arguments: Vec<&str> = [&["report", "--format", "json"], arguments].concat();
    let output = run(folder, &arguments, "");
    assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// A workspace that nobody compiles: names, comments and SQL try to be markup, one statement is refused,
/// one tool is rmcp's own, and one file is reached by no `mod`.
fn hostile(name: &str) -> Folder {
    let source = r##"
use watertight::{mcp_tool, tenant_query, unproved, DbResult, Scope, ToolContext, ToolResult};

/// </style><script>document.title = "owned"</script> "quoted" & <img src=x onerror="document.title='owned'">
#[mcp_tool(requires = "notes:read", read_only)]
async fn list_notes(cx: ToolContext) -> ToolResult<Vec<String>> {
    let mut db = cx.read().await?;
    let all = unproved!("SELECT body FROM notes", reason = "<b onclick=alert(1)>because</b> it is \u{202e}safe");
    Ok(helper(&mut db).await?)
}

async fn helper(db: &mut Scope<'_>) -> DbResult<Vec<String>> {
    if true { return titles(db).await; }
    every(db).await
}

#[tenant_query("SELECT body FROM notes WHERE body <> '<script>alert(1)</script>'")]
async fn titles(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

#[tenant_query("SELECT title FROM \"<img src=x onerror=alert(1)>\"")]
async fn every(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

struct Desk;

impl Desk {
    #[rmcp::tool(description = "javascript:alert(1)")]
    async fn raw(&self) -> String { String::new() }
}

#[cfg(test)]
mod tests {
    #[mcp_tool]
    async fn only_in_tests(cx: ToolContext) -> ToolResult<()> { Ok(()) }
}
"##;
    let migration = r#"
CREATE TABLE notes (tenant_id uuid NOT NULL, id bigserial PRIMARY KEY, body text NOT NULL UNIQUE);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY "<svg onload=alert(1)>" ON notes USING (tenant_id = current_setting('app.tenant_id')::uuid);
CREATE TABLE "<img src=x onerror=alert(1)>" (tenant_id uuid NOT NULL, title text);
CREATE TABLE "javascript:alert(1)" (code text);
COMMENT ON TABLE "javascript:alert(1)" IS '@global "><script>alert(1)</script>';
"#;
    Folder::new(&format!("report-{name}"))
        .with(
            "Cargo.toml",
            "[package]\nname = \"theirs\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n",
        )
        .with("migrations/0001_init.sql", migration)
        .with("src/lib.rs", source)
        .with(
            "src/stray.rs",
            "fn x() { unproved!(\"SELECT 1\", reason = \"none of it\"); }",
        )
}

#[test]
fn the_example_is_told_as_it_is() {
    let report = json(workspace(), &["-p", "helpdesk"], 0);
    assert_eq!(report["state"], "look");
    let statements = report["statements"].as_array().unwrap();
    let reached = |name: &str| -> Vec<&str> {
        let tools = report["tools"].as_array().unwrap();
        let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
        assert_eq!(tool["guarded"], true);
        let numbers = tool["statements"].as_array().unwrap().iter();
        let functions = numbers.map(|it| {
            statements[it.as_u64().unwrap() as usize]["function"]
                .as_str()
                .unwrap()
        });
        functions
            .map(|it| it.rsplit("::").next().unwrap())
            .collect()
    };
    assert_eq!(reached("close_ticket"), ["close", "insert_message"]);
    assert_eq!(
        reached("get_ticket"),
        ["messages_of", "tags_of", "ticket_by_id"]
    );
    assert_eq!(reached("export_customers"), ["export_customers"]);
    let exceptions = report["exceptions"].as_array().unwrap();
    assert!(
        exceptions
            .iter()
            .any(|it| it["reason"] == "one price list for every organisation"),
        "{exceptions:#?}"
    );
}

#[test]
fn what_is_wrong_is_told_and_fails() {
    let folder = hostile("findings");
    let report = json(&folder.0, &[], 1);
    assert_eq!(report["state"], "bad");
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings[0]["code"], "W0101", "{findings:#?}");
    assert_eq!(findings[0]["state"], "bad");
    let tools: Vec<&str> = report["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(tools, ["list_notes", "raw"]);
    assert_eq!(report["tools"][1]["guarded"], false);
    assert!(
        report["unseen"][0]["file"]
            .as_str()
            .unwrap()
            .ends_with("stray.rs"),
        "{report:#?}"
    );
}

#[test]
fn a_report_is_the_same_each_time_but_for_the_day() {
    let folder = hostile("same");
    let mut report = json(&folder.0, &[], 1);
    report["made"] = "2027-06-30".into();
    report["title"] = "theirs".into();
    let text = serde_json::to_string_pretty(&report).unwrap();
    insta::assert_snapshot!(
        "report_json",
        text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
    );
}

#[test]
fn nothing_of_a_project_is_markup() {
    let folder = hostile("markup");
    let output = run(&folder.0, &["report"], "");
    let page = stdout(&output);
    for markup in [
        "<script",
        "<img",
        "<b onclick",
        "<svg onload",
        "\u{202e}",
        "javascript:alert(1)\"",
    ] {
        assert!(!page.contains(markup), "{markup}");
    }
    assert_eq!(page.matches("</style>").count(), 1);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    // Nothing is asked of a network, and nothing can be: the policy of the page says so.
    for link in ["http:", "https:", "url(", "@import", "src="] {
        let own = page.replace("&lt;img src=x onerror", "");
        assert!(!own.contains(link), "{link}");
    }
    assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"));
}

/// What a browser makes of the page, and what it had to complain about.
fn browse(page: &Path, more: &[&str]) -> Option<(String, String)> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let browser = names
        .iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())?;
    let profile = page.with_extension("profile");
    let output = Command::new(browser)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
        ])
        .args(["--enable-logging=stderr", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(more)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    Some((stdout(&output), stderr(&output)))
}

#[test]
fn a_browser_shows_it_and_has_nothing_to_complain_of() {
    let folder = hostile("browser");
    let page = folder.0.join("report.html");
    let pages = [
        (folder.0.as_path(), vec![]),
        (workspace(), vec!["-p", "helpdesk"]),
    ];
    for (from, arguments) in pages {
        let to = page.to_str().unwrap();
        let arguments: Vec<&str> = [vec!["report", "--output", to], arguments].concat();
        let output = run(from, &arguments, "");
        assert!(output.status.code() < Some(2), "{}", stderr(&output));
        let Some((dom, log)) = browse(&page, &["--dump-dom"]) else {
            eprintln!("skipped: chromium is not installed");
            return;
        };
        // What the page's policy refuses, and what fails in a script, is on the console.
        let console: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("CONSOLE"))
            .collect();
        assert!(console.is_empty(), "{console:#?}");
        assert!(
            dom.contains("id=\"map\"") && !dom.contains("owned</title>"),
            "{dom}\n{log}"
        );
        for (name, size) in [("wide", "1280,1400"), ("narrow", "500,1400")] {
            let picture = folder.0.join(format!("{name}.png"));
            let shot = format!("--screenshot={}", picture.display());
            browse(&page, &[&shot, &format!("--window-size={size}")]).unwrap();
            // A page whose style was refused is black on white, and small.
            assert!(
                std::fs::metadata(&picture).unwrap().len() > 60_000,
                "{name}"
            );
        }
        let pdf = folder.0.join("report.pdf");
        browse(&page, &[&format!("--print-to-pdf={}", pdf.display())]).unwrap();
        assert!(std::fs::read(&pdf).unwrap().starts_with(b"%PDF"));
    }
    // The check of the console can fail: a page that does what its policy forbids is complained of.
    let text = std::fs::read_to_string(&page).unwrap();
    std::fs::write(
        &page,
        text.replace("<footer>", "<footer><script>1</script>"),
    )
    .unwrap();
    let (_, log) = browse(&page, &["--dump-dom"]).unwrap();
    assert!(log.contains("CONSOLE"), "{log}");
}

/// With a live database, what `doctor` finds there stands beside the rest, and the password does not.
#[cfg(feature = "database")]
#[tokio::test]
async fn a_live_database_is_a_part_of_it() {
    let folder = hostile("live");
    let devdb = watertight_devdb::DevDb::start().await.unwrap();
    let database = devdb.database().await.unwrap();
    let migration = std::fs::read_to_string(folder.0.join("migrations/0001_init.sql")).unwrap();
    database.execute_as_owner(&migration).await.unwrap();
    database
        .execute_as_owner(
            "ALTER TABLE notes NO FORCE ROW LEVEL SECURITY; GRANT SELECT ON notes TO app",
        )
        .await
        .unwrap();
    let url = database.admin_url();
    let report = json(&folder.0, &["--database-url", url, "--role", "app"], 1);
    let live = &report["database"];
    assert_eq!(live["state"], "bad", "{live:#}");
    assert!(
        live["about"].to_string().contains("application role"),
        "{live:#}"
    );
    let findings = report["findings"].as_array().unwrap();
    let not_forced = findings.iter().find(|it| it["code"] == "W1012").unwrap();
    assert_eq!(not_forced["source"], "doctor");
    let output = run(
        &folder.0,
        &["report", "--database-url", url, "--role", "app"],
        "",
    );
    let page = stdout(&output);
    assert!(
        page.contains("row-level security of <code>public.notes</code> is enabled but not forced"),
        "{page}"
    );
    let password = url.split(['@', ':']).nth(2).unwrap();
    assert!(
        password.len() > 8 && !page.contains(password),
        "the password is on the page"
    );
}

/// The schema of the trail, as `watertight::migrate` applies it.
#[cfg(feature = "database")]
const TRAIL: &str = include_str!("../../runtime/src/audit/schema.sql");

#[cfg(feature = "database")]
#[tokio::test]
async fn the_trail_of_a_live_database_is_told_as_it_is() {
    let folder = hostile("trail");
    let devdb = watertight_devdb::DevDb::start().await.unwrap();
    let database = devdb.database().await.unwrap();
    let migration = std::fs::read_to_string(folder.0.join("migrations/0001_init.sql")).unwrap();
    database.execute_as_owner(&migration).await.unwrap();
    let told = |url: &str| -> Vec<(String, String)> {
        let report = json(&folder.0, &["--database-url", url, "--role", "app"], 1);
        let facts = report["audit"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        facts
            .map(|it| {
                (
                    format!("{}: {}", text(&it["name"]), text(&it["value"])),
                    text(&it["state"]),
                )
            })
            .collect()
    };
    let has = |facts: &[(String, String)], text: &str, state: &str| {
        assert!(
            facts
                .iter()
                .any(|(told, is)| told.contains(text) && is == state),
            "{text} {state}: {facts:#?}"
        );
    };
    let admin = database.admin_url();
    has(&told(admin), "audit tables: there are none", "look");
    let trail = TRAIL
        .replace("{setting}", "app.tenant_id")
        .replace("{application_role}", "app")
        .replace("{partitions}", "");
    database.execute_as_owner(&trail).await.unwrap();
    let facts = told(admin);
    has(
        &facts,
        "row-level security that is enabled and forced",
        "good",
    );
    has(&facts, "can neither change nor remove them", "good");
    has(&facts, "none in the last 7 days", "look");
    // Who sees no row says so.
    has(&told(database.app_url()), "records: unknown", "look");
    let row = "INSERT INTO watertight.audit (tenant_id, kind, reference, at, recorded_at, writer, seq, mac)
        SELECT 'a', 'completion', 'r', now(), now() - interval '3 hours', 'w', n, ";
    let sealed = format!("{row} decode('00', 'hex') FROM generate_series(1, 5) AS n");
    database.execute_as_admin(&sealed).await.unwrap();
    let facts = told(admin);
    has(
        &facts,
        "5 calls and 0 writes of 1 tenant in the last 7 days, the newest 3 hours ago",
        "good",
    );
    has(&facts, "each of these 5 records has a MAC", "good");
    let bare = format!(
        "{row} NULL FROM generate_series(6, 7) AS n; GRANT DELETE ON watertight.audit TO app;
        ALTER TABLE watertight.audit_other NO FORCE ROW LEVEL SECURITY"
    );
    database.execute_as_admin(&bare).await.unwrap();
    let facts = told(admin);
    has(
        &facts,
        "2 of these 7 records have no MAC; the newest seal is 3 hours old",
        "look",
    );
    has(&facts, "`app` may DELETE on audit", "bad");
    has(&facts, "not enabled and forced on audit_other", "bad");
}
