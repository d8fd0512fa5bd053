//! The program as people start it: standard streams, `--serve`, help, mistakes.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

use helpdesk::demo::client::{Client, Era};
use helpdesk::seed::ORGANISATIONS;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};
use watertight_devdb::DevDb;

fn helpdesk() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helpdesk"));
    command.env_remove("DATABASE_URL").env("NO_COLOR", "1");
    command
}

fn run(arguments: &[&str]) -> Output {
    helpdesk().args(arguments).output().unwrap()
}

fn interrupt(child: &mut Child) {
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    assert!(child.wait().unwrap().success());
}

#[test]
fn help_teaches() {
    let output = run(&["--help"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for word in [
        "--serve",
        "--stdio",
        "--org",
        "Authorization: Bearer",
        "DATABASE_URL",
        "NO_COLOR",
    ] {
        assert!(text.contains(word), "{word} is not in\n{text}");
    }
}

#[test]
fn mistakes_are_told_on_standard_error() {
    for (arguments, word) in [
        (
            &["--stdio", "--org", "Fabrikam"][..],
            "Northwind Traders\", \"Contoso Bank",
        ),
        (&["--stdio"], "--org"),
        (&["--addr", "127.0.0.1:0"], "--serve"),
        (&["--serve", "--stdio", "--org", "x"], "cannot be used with"),
        (&["--serve", "--addr", "nowhere"], "nowhere"),
    ] {
        let output = run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && output.stdout.is_empty(),
            "{arguments:?}"
        );
        assert!(text.contains(word), "{arguments:?}: {text}");
    }
}

#[test]
fn standard_streams_serve_one_organisation() {
    let mut child = helpdesk()
        .args(["--stdio", "--org", "contoso bank"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    // Every line is protocol: a log line in between would not parse.
    let mut ask = |message: Value| -> Value {
        writeln!(input, "{message}").unwrap();
        if message.get("id").is_none() {
            return Value::Null;
        }
        serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap()
    };
    let hello = ask(
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" }
    } }),
    );
    assert_eq!(
        hello.pointer("/result/serverInfo/name"),
        Some(&json!("helpdesk")),
        "{hello}"
    );
    ask(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let call = |id: i64, arguments: Value| {
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": { "name": "list_customers", "arguments": arguments } })
    };
    let own = ask(call(1, json!({ "limit": 3 })));
    let text = own.to_string();
    assert!(text.contains("CTB-C") && !text.contains("NWT-C"), "{text}");
    let foreign = ORGANISATIONS[0].tenant.to_string();
    let refused = ask(call(2, json!({ "limit": 3, "tenant_id": foreign })));
    assert_eq!(
        refused.pointer("/result/isError"),
        Some(&json!(true)),
        "{refused}"
    );
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn serve_prints_one_line_and_serves_until_interrupted() {
    // On a server that was there before, to see that nothing is left behind on it.
    let host = DevDb::start().await.unwrap();
    let mut child = helpdesk()
        .args(["--serve", "--addr", "127.0.0.1:0"])
        .env("DATABASE_URL", host.admin_url())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let serve: Value = serde_json::from_str(&line).unwrap();

    let url = serve["url"].as_str().unwrap();
    let metadata = reqwest::get(serve["metadata_url"].as_str().unwrap())
        .await
        .unwrap();
    let metadata: Value = metadata.json().await.unwrap();
    assert_eq!(metadata["resource"], url);
    for (shown, organisation) in serve["organisations"]
        .as_array()
        .unwrap()
        .iter()
        .zip(&ORGANISATIONS)
    {
        assert_eq!(shown["name"], organisation.name);
        assert_eq!(shown["tenant_id"], organisation.tenant.to_string());
        for era in Era::ALL {
            let client = Client::connect(url, shown["token"].as_str().unwrap(), era)
                .await
                .unwrap();
            let answer = client
                .call("list_customers", json!({ "limit": 2 }))
                .await
                .unwrap();
            assert!(answer.text.contains(organisation.prefix), "{}", answer.text);
            client.close().await;
        }
    }

    interrupt(&mut child);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "more than one line on standard output");
    let mut admin = PgConnection::connect(host.admin_url()).await.unwrap();
    const LEFT: &str = "SELECT count(*) FROM pg_database WHERE datname LIKE 'wt\\_%'";
    let left: i64 = sqlx::query_scalar(LEFT)
        .fetch_one(&mut admin)
        .await
        .unwrap();
    assert_eq!(left, 0, "a database was left behind");
}
