//! `scan` before servers that no SDK would make: it stays bounded, prints nothing that it should not,
//! waits where it is asked to, and finds what rests on details of the protocol.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![cfg(feature = "scan")]

mod common;
#[path = "scan/fake.rs"]
mod fake;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use common::{Folder, run, stderr, stdout};
use fake::{Request, response, serve};
use serde_json::{Value, json};

const FIRST: &str = "first-secret-token";
const OTHER: &str = "other-secret-token";
const BOTH: [&str; 4] = ["--token", FIRST, "--other-token", OTHER];

fn scan(url: &str, more: &[&str]) -> std::process::Output {
    let folder = Folder::new(&format!("hostile-{:?}", std::thread::current().id()));
    let mut arguments = vec!["scan", url, "--rate", "2000"];
    arguments.extend(more);
    run(&folder.0, &arguments, "")
}

fn told(url: &str, more: &[&str]) -> Value {
    let mut arguments = BOTH.to_vec();
    arguments.extend(["--format", "json"]);
    arguments.extend(more);
    let output = scan(url, &arguments);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)))
}

fn codes(report: &Value) -> Vec<(String, String, String)> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|it| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (
                text(&it["code"]),
                text(&it["place"]["name"]),
                text(&it["verdict"]),
            )
        })
        .collect()
}

fn has(report: &Value, code: &str, place: &str, verdict: &str) -> bool {
    let wanted = (code.to_owned(), place.to_owned(), verdict.to_owned());
    codes(report).contains(&wanted)
}

/// The rows of whoever has a token: two ids that are nobody else's.
fn ids(token: &str) -> [&'static str; 2] {
    if token == FIRST {
        [
            "0a1b2c3d-0000-4000-8000-00000000a001",
            "0a1b2c3d-0000-4000-8000-00000000a002",
        ]
    } else {
        [
            "9f8e7d6c-0000-4000-8000-00000000b001",
            "9f8e7d6c-0000-4000-8000-00000000b002",
        ]
    }
}

fn own_rows(request: &Request) -> Vec<u8> {
    let rows: Vec<Value> = ids(&request.token)
        .iter()
        .map(|id| json!({ "id": id }))
        .collect();
    request.text(&json!(rows).to_string())
}

/// A server with one leak, and texts that are meant to harm who reads them.
fn leaking(request: &Request) -> Vec<u8> {
    if request.token.is_empty() {
        return response("401 Unauthorized", "", "");
    }
    match request.method.as_str() {
        "server/discover" => request.discovered(),
        "tools/list" => request.tools(
            &[
                ("list_notes", &[], true),
                ("get_note", &["note_id"], true),
                (
                    "evil\u{1b}[2J\u{202e}\u{7}name",
                    &["org_\u{1b}[31mid"],
                    false,
                ),
            ],
            json!({}),
        ),
        "tools/call" => match request.tool() {
            "list_notes" => own_rows(request),
            "get_note" => {
                let id = request.argument("note_id");
                let known = [ids(FIRST), ids(OTHER)].concat().contains(&id);
                if known {
                    let text = format!(
                        "file XK-{}-77 \u{1b}]0;title\u{7} {}",
                        &id[32..],
                        request.token
                    );
                    request.text(&text)
                } else {
                    request.failure(&format!("no note for {} \u{1b}[5m", request.token))
                }
            }
            other => panic!("{other} was called"),
        },
        _ => request.error("no such method"),
    }
}

#[test]
fn nothing_of_the_server_reaches_a_terminal_and_no_secret_a_report() {
    let url = serve(leaking);
    for format in ["text", "json", "sarif", "github", "junit", "markdown"] {
        let mut arguments = BOTH.to_vec();
        arguments.extend(["--format", format]);
        let output = scan(&url, &arguments);
        let all = format!("{}{}", stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(1), "{format}: {all}");
        assert!(all.contains("get_note"), "{format}: {all}");
        for bad in ["\u{1b}", "\u{7}", "\u{202e}", FIRST, OTHER, "\\u001b"] {
            assert!(!all.contains(bad), "{format} prints {bad:?}: {all}");
        }
    }
}

#[test]
fn help_teaches() {
    let help = stdout(&scan("--help", &[]));
    for text in ["--other-token-env", "--allow-tool", "W1320", "Exit status"] {
        assert!(help.contains(text), "{text}: {help}");
    }
}

#[test]
fn a_report_for_people() {
    let url = serve(leaking);
    let output = scan(&url, &BOTH);
    let text = stdout(&output).replace(&url, "http://127.0.0.1:PORT/mcp");
    insta::assert_snapshot!(text);
}

#[test]
fn an_answer_without_end_and_one_that_never_comes() {
    let url = serve(|request| {
        if request.method == "server/discover" {
            let mut endless =
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec();
            endless.extend(b"data: x\n".repeat(400_000));
            return endless;
        }
        request.error("no")
    });
    let output = scan(&url, &["--max-bytes", "100000"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("--max-bytes"),
        "{}",
        stderr(&output)
    );

    let url = serve(|_| {
        std::thread::sleep(std::time::Duration::from_secs(30));
        Vec::new()
    });
    let begun = Instant::now();
    let output = scan(&url, &["--timeout", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(begun.elapsed().as_secs() < 10);
    assert!(
        stderr(&output).contains("no answer came in time"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_redirect_is_not_followed_with_the_token() {
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let elsewhere = serve(move |request| {
        count.fetch_add(1, Ordering::Relaxed);
        request.discovered()
    });
    let url = serve(move |_| {
        response(
            "307 Temporary Redirect",
            &format!("location: {elsewhere}\r\n"),
            "",
        )
    });
    let output = scan(&url, &["--token", FIRST]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(reached.load(Ordering::Relaxed), 0);
}

#[test]
fn a_schema_that_nests_without_end_is_told() {
    let url = serve(|request| match request.method.as_str() {
        "server/discover" => request.discovered(),
        "tools/list" => {
            let mut schema = json!({ "type": "string" });
            for _ in 0..100 {
                schema = json!({ "anyOf": [schema] });
            }
            let defs: serde_json::Map<String, Value> = (0..3000)
                .map(|at| {
                    (
                        format!("L{at}"),
                        json!({ "$ref": format!("#/$defs/L{}", at + 1) }),
                    )
                })
                .collect();
            let deep = json!({ "name": "deep", "inputSchema": { "properties": { "x": { "$ref": "#/$defs/L0" } }, "$defs": defs } });
            request.result(json!({ "tools": [deep, { "name": 7 }, null, { "name": "none" }] }))
        }
        _ => request.error("no"),
    });
    let report = told(&url, &["--no-probe"]);
    assert!(
        has(&report, "W1305", "deep.x", "needs review"),
        "{report:#}"
    );
    assert!(has(&report, "W1305", "none", "needs review"), "{report:#}");
}

#[test]
fn a_busy_server_is_given_time() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let url = serve(move |request| match request.method.as_str() {
        "server/discover" => request.discovered(),
        "tools/list" if count.fetch_add(1, Ordering::Relaxed) < 2 => {
            response("429 Too Many Requests", "retry-after: 1\r\n", "")
        }
        "tools/list" => request.tools(&[("list", &[], true)], json!({})),
        _ => request.error("no"),
    });
    let begun = Instant::now();
    let report = told(&url, &["--no-probe"]);
    assert_eq!(
        report["about"]["offered"]
            .as_str()
            .unwrap()
            .split(',')
            .next(),
        Some("1 tool")
    );
    assert_eq!(tries.load(Ordering::Relaxed), 3);
    assert!(begun.elapsed().as_secs() >= 2);
}

#[test]
fn what_differs_by_caller_and_is_public() {
    let url = serve(|request| {
        if request.token.is_empty() {
            return response("401 Unauthorized", "", "");
        }
        match request.method.as_str() {
            "server/discover" => request.discovered(),
            "tools/list" => {
                let own: &[(&str, &[&str], bool)] = if request.token == FIRST {
                    &[("list_notes", &[], true), ("admin", &[], false)]
                } else {
                    &[("list_notes", &[], true)]
                };
                request.tools(own, json!({ "cacheScope": "public", "ttlMs": 60_000 }))
            }
            "tools/call" => own_rows(request),
            _ => request.error("no"),
        }
    });
    let report = told(&url, &[]);
    assert!(has(&report, "W1316", "tools/list", "finding"), "{report:#}");
}

/// Says of another's note that it may not be read, and of one that is not there that it is not.
fn telling(request: &Request) -> Vec<u8> {
    if request.token.is_empty() {
        return response("401 Unauthorized", "", "");
    }
    match request.method.as_str() {
        "server/discover" => request.discovered(),
        "tools/list" => request.tools(
            &[("list_notes", &[], true), ("get_note", &["note_id"], true)],
            json!({}),
        ),
        "tools/call" if request.tool() == "list_notes" => own_rows(request),
        "tools/call" => {
            let id = request.argument("note_id");
            if ids(&request.token).contains(&id) {
                request.text(&format!("the text of {}", &id[32..]))
            } else if [ids(FIRST), ids(OTHER)].concat().contains(&id) {
                request.failure("you may not read this note")
            } else {
                request.failure("there is no such note")
            }
        }
        _ => request.error("no"),
    }
}

#[test]
fn an_error_tells_what_exists() {
    let url = serve(telling);
    let report = told(&url, &[]);
    assert!(has(&report, "W1315", "get_note", "finding"), "{report:#}");
}

#[test]
fn a_server_without_any_filter_is_never_called_clear() {
    let requests = AtomicUsize::new(0);
    let url = serve(move |request| {
        if request.token.is_empty() {
            return response("401 Unauthorized", "", "");
        }
        let all = [ids(FIRST), ids(OTHER)].concat();
        // Differs from call to call, as a trace does.
        let trace = format!(
            "trace-{:08x}",
            77_777 * requests.fetch_add(1, Ordering::Relaxed)
        );
        match request.method.as_str() {
            "server/discover" => request.discovered(),
            "tools/list" => request.tools(
                &[("list_notes", &[], true), ("get_note", &["note_id"], true)],
                json!({}),
            ),
            "tools/call" if request.tool() == "list_notes" => {
                let rows: Vec<Value> = all.iter().map(|id| json!({ "id": id })).collect();
                request.text(&json!({ "trace": trace, "rows": rows }).to_string())
            }
            "tools/call" => match all.iter().find(|it| **it == request.argument("note_id")) {
                Some(id) => request.text(&format!("{trace} the file NK-{}-99 is here", &id[32..])),
                None => request.failure("not found"),
            },
            _ => request.error("no"),
        }
    });
    let report = told(&url, &[]);
    assert!(
        has(&report, "W1312", "list_notes", "needs review"),
        "{report:#}"
    );
    let clear = report["clear"].as_array().unwrap();
    for clear in clear.iter().filter(|it| it["place"]["kind"] == "tool") {
        assert_eq!(
            clear["reason"], "no argument of it names a tenant",
            "{report:#}"
        );
    }
}

#[test]
fn a_scan_goes_on_where_a_limit_ended_it() {
    let url = serve(telling);
    let folder = Folder::new("scan-state");
    let file = folder.0.join("state.json");
    let file = file.to_str().unwrap();
    let first = told(&url, &["--state", file, "--max-calls", "24"]);
    assert!(first.to_string().contains("--max-calls"), "{first:#}");
    let second = told(&url, &["--state", file]);
    assert!(has(&second, "W1315", "get_note", "finding"), "{second:#}");
    // A third run puts no question of these again, and still tells what they showed.
    let third = told(&url, &["--state", file]);
    assert!(has(&third, "W1315", "get_note", "finding"), "{third:#}");
    let requests = |it: &Value| {
        it["about"]["requests"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert!(requests(&third) < requests(&second), "{third:#}");
    let kept = std::fs::read_to_string(file).unwrap();
    assert!(!kept.contains(FIRST) && !kept.contains(OTHER), "{kept}");
    // It is of this server.
    let other = serve(leaking);
    let mut arguments = BOTH.to_vec();
    arguments.extend(["--state", file]);
    let output = scan(&other, &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("another server"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn nothing_is_called_that_is_not_marked_unless_it_is_named() {
    let called = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&called);
    let url = serve(move |request| match request.method.as_str() {
        "server/discover" => request.discovered(),
        "tools/list" => request.tools(&[("stir", &[], false)], json!({})),
        "tools/call" => {
            count.fetch_add(1, Ordering::Relaxed);
            request.text("stirred")
        }
        _ => request.error("no"),
    });
    let report = told(&url, &[]);
    assert_eq!(called.load(Ordering::Relaxed), 0);
    assert!(
        report.to_string().contains("tool stir was not looked at"),
        "{report:#}"
    );
    // A rule that is allowed is no tool.
    told(&url, &["--allow", "W1303"]);
    assert_eq!(called.load(Ordering::Relaxed), 0);
    // A name that nothing has is told before anything is called.
    for flag in ["--allow", "--allow-tool", "--skip-tool"] {
        let output = scan(
            &url,
            &[&BOTH[..], &["--allow", "stir", flag, "sitr"]].concat(),
        );
        assert_eq!(output.status.code(), Some(2));
        let told = stderr(&output);
        assert!(
            told.contains("there is no tool `sitr`: the server offers stir"),
            "{flag}: {told}"
        );
        assert_eq!(called.load(Ordering::Relaxed), 0, "{flag}");
    }
    for flag in ["--allow-tool", "--allow"] {
        let before = called.load(Ordering::Relaxed);
        told(&url, &[flag, "stir"]);
        assert!(called.load(Ordering::Relaxed) > before, "{flag}");
    }
}

#[test]
fn a_session_in_other_hands() {
    // Serves whoever has a session's id, as who opened it.
    let url = serve(|request| {
        let opened = request
            .session
            .strip_prefix("session-of-")
            .map(str::to_owned);
        match request.method.as_str() {
            "server/discover" => request.error("no such method"),
            _ if opened.is_none() && request.token.is_empty() => {
                response("401 Unauthorized", "", "")
            }
            "initialize" => {
                let result = json!({ "protocolVersion": "2025-06-18", "capabilities": { "tools": {} }, "serverInfo": { "name": "old" } });
                let body =
                    json!({ "jsonrpc": "2.0", "id": request.id, "result": result }).to_string();
                let headers = format!(
                    "content-type: application/json\r\nmcp-session-id: session-of-{}\r\n",
                    &request.token[..5]
                );
                response("200 OK", &headers, &body)
            }
            _ => match opened.as_deref() {
                Some(owner @ ("first" | "other")) => {
                    if request.method == "tools/list" {
                        request.tools(&[("list_notes", &[], true)], json!({}))
                    } else {
                        let owner = if owner == "first" { FIRST } else { OTHER };
                        request.text(&json!(ids(owner)).to_string())
                    }
                }
                _ => response("404 Not Found", "", ""),
            },
        }
    });
    let report = told(&url, &[]);
    assert!(has(&report, "W1313", "sessions", "finding"), "{report:#}");
    assert!(
        report
            .to_string()
            .contains("with the session of the first identity the other is shown")
    );
}

#[test]
fn a_session_that_the_server_drops_is_opened_again() {
    let uses: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let url = serve(move |request| {
        if request.token.is_empty() {
            return response("401 Unauthorized", "", "");
        }
        let mut uses = uses.lock().unwrap();
        match request.method.as_str() {
            "server/discover" => request.error("no such method"),
            "initialize" => {
                let session = format!("session-{}", uses.len());
                uses.insert(session.clone(), 0);
                let result = json!({ "protocolVersion": "2025-06-18", "capabilities": { "tools": {} }, "serverInfo": { "name": "old" } });
                let body = json!({ "jsonrpc": "2.0", "id": request.id, "result": result });
                let headers =
                    format!("content-type: application/json\r\nmcp-session-id: {session}\r\n");
                response("200 OK", &headers, &body.to_string())
            }
            _ => match uses.get_mut(&request.session) {
                Some(used) if *used < 12 => {
                    *used += 1;
                    leaking(request)
                }
                // With an answer in it, as the SDKs send it.
                _ => {
                    let error = json!({ "code": -32001, "message": "Session not found" });
                    let body = json!({ "jsonrpc": "2.0", "id": request.id, "error": error });
                    response(
                        "404 Not Found",
                        "content-type: application/json\r\n",
                        &body.to_string(),
                    )
                }
            },
        }
    });
    let report = told(&url, &[]);
    assert!(has(&report, "W1310", "get_note", "finding"), "{report:#}");
    let text = report.to_string();
    assert!(!text.contains("status 404"), "{report:#}");
    assert!(!text.contains("Session not found"), "{report:#}");
}

#[test]
fn what_can_not_be_reached_says_what_to_do() {
    for (url, help) in [
        ("http://127.0.0.1:1/mcp", "can't be scanned"),
        ("mcp.example.com", "https://host/mcp"),
        ("http://mcp.example.com/mcp", "--plain-http"),
    ] {
        let output = scan(url, &["--token", FIRST]);
        assert_eq!(output.status.code(), Some(2), "{url}");
        assert!(stderr(&output).contains(help), "{url}: {}", stderr(&output));
    }
    let url = serve(|_| response("401 Unauthorized", "", ""));
    let output = scan(&url, &[]);
    assert!(
        stderr(&output).contains("--token-env"),
        "{}",
        stderr(&output)
    );
    let output = scan("--stdio", &["no-such-program-here"]);
    assert_eq!(output.status.code(), Some(2));
}
