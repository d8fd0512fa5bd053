//! `cargo watertight scan`: any MCP server, in any language, over the protocol.
//!
//! Stages: `client` agrees on a revision, `inventory` reads what is offered, `look` judges what is
//! published, `probe` asks as two identities. Invariant: the server is not trusted. Its texts reach
//! the report only through `shown`, and its answers are bounded before they are kept.

mod args;
mod arguments;
mod ask;
mod atoms;
mod client;
mod decode;
mod http;
mod identity;
mod inventory;
mod known;
mod look;
mod pace;
mod pattern;
mod probe;
mod progress;
mod shown;
mod state;
mod stdio;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use watertight_analysis::Code;
use watertight_analysis::finding::{Finding, Place};
use watertight_analysis::words::Extra;

pub(crate) use args::{SCAN_HELP, ScanArgs};
use client::{About, Client, Era, line_of};
use http::Endpoint;
use identity::Identity;
use inventory::{Inventory, LISTS, Listed};
use pace::Pace;
use probe::{Out, Scene};
use progress::Progress;
use shown::shown;
use state::State;
use wire::Failure;

use crate::output::Report;
use crate::project;

pub(crate) fn run(args: &ScanArgs) -> Result<ExitCode> {
    let found = project::found_config(args.config.as_deref())?;
    let (extra, base) = match &found {
        Some((config, base)) => (Extra::from_config(config), base.clone()),
        None => (
            Extra {
                tenant_column: "tenant_id".to_owned(),
                ..Extra::default()
            },
            PathBuf::new(),
        ),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime can't be started")?;
    let report = runtime.block_on(scan(args, &extra))?;
    // A server that does not end with its pipes is not waited for.
    runtime.shutdown_background();
    args.manners.finish(report, &base)
}

async fn scan(args: &ScanArgs, extra: &Extra) -> Result<Report> {
    let (first, other) = identity::identities(&args.who, extra)?;
    let secret = !first.headers.is_empty() || other.is_some();
    let endpoint = match &args.url {
        Some(url) => Some(Arc::new(Endpoint::new(url, secret, args.plain_http)?)),
        None => None,
    };
    let place = endpoint.as_ref().map_or_else(
        || {
            format!(
                "the program `{}`",
                shown(args.stdio.first().map_or("", String::as_str))
            )
        },
        |it| it.place(),
    );
    let pace = Arc::new(Pace::new(&args.limits));
    let progress = Progress::new();
    let (first, other) = (Arc::new(first), other.map(Arc::new));
    let connect = async |identity: &Arc<Identity>| -> Result<(Client, About)> {
        let line = line_of(endpoint.as_ref(), &args.stdio, identity, pace.max_bytes)?;
        Client::connect(line, Arc::clone(identity), Arc::clone(&pace), args.era)
            .await
            .map_err(|failure| unreached(&place, &failure))
    };
    let (client, about) = connect(&first).await?;
    let offered = inventory::read(&client, &about)
        .await
        .map_err(|failure| unreached(&place, &failure))?;
    let allowed = args.allowed_tools();
    let named: Vec<&String> = allowed.iter().chain(&args.skip_tool).collect();
    let mut looked = look::look(&offered, &about.instructions, extra);
    let mut out = Out::default();
    let mut lines = vec![
        ("server", server(&place, &about)),
        ("protocol", protocol(&client.era)),
        ("offered", summary(&offered)),
    ];
    if let Some(other) = other.filter(|_| !args.no_probe) {
        let (second, about_second) = connect(&other).await?;
        let theirs = inventory::read(&second, &about_second)
            .await
            .map_err(|failure| unreached(&place, &failure))?;
        are_offered(&named, &[&offered, &theirs])?;
        // What is offered to the second alone is looked at as well.
        let more = look::look(&theirs, &about_second.instructions, extra);
        merge(&mut looked, more);
        let nobody = match &endpoint {
            Some(endpoint) if !first.headers.is_empty() => Some(
                Client::connect(
                    client::Line::Http(Arc::clone(endpoint)),
                    Arc::new(Identity::default()),
                    Arc::clone(&pace),
                    args.era,
                )
                .await
                .map(|(client, _)| client),
            ),
            _ => None,
        };
        let mut state = state_of(args, &place, &first, &other)?;
        if state.count() > 0 {
            lines.push((
                "resumed",
                format!("{} questions were put before", state.count()),
            ));
        }
        tell_incomplete(&[&offered, &theirs], &mut out);
        let mut scene = Scene {
            clients: [client.clone(), second.clone()],
            identities: [Arc::clone(&first), Arc::clone(&other)],
            inventories: [offered, theirs],
            instructions: [about.instructions.clone(), about_second.instructions],
            nobody,
            extra,
            limits: &args.limits,
            allowed: &allowed,
            skipped: &args.skip_tool,
            completes: about.offers("completions"),
            subscribes: about.capabilities.pointer("/resources/subscribe")
                == Some(&Value::Bool(true))
                && client.era != Era::Stateless,
            pace: Arc::clone(&pace),
            progress: &progress,
            state: &mut state,
            memory: Default::default(),
            public: BTreeSet::new(),
            out,
        };
        scene.run().await;
        out = std::mem::take(&mut scene.out);
        drop(scene);
        if let Some(problem) = state.problem() {
            out.unseen(format!("the state could not be kept: {problem}"), "--state");
        }
        second.close().await;
    } else {
        are_offered(&named, &[&offered])?;
        tell_incomplete(&[&offered], &mut out);
        let why = if args.no_probe {
            "--no-probe was given"
        } else {
            "probes need a second identity, such as --other-token-env; only what is published was looked at"
        };
        out.unseen(why, "what it answers");
    }
    client.close().await;
    progress.end();
    lines.push(("requests", pace.calls().to_string()));
    if let Some(limit) = pace.reached() {
        out.unseen(format!("the limit {limit} is reached"), "the rest");
    }
    Ok(report(lines, looked, out))
}

/// A tool that is named has to be there: a name that is misspelt would leave out what it was meant for.
fn are_offered(named: &[&String], inventories: &[&Inventory]) -> Result<()> {
    let lists: Vec<&Listed> = inventories.iter().filter_map(|it| it.first()).collect();
    // What was not listed may be there.
    if lists.iter().any(|listed| listed.incomplete.is_some()) {
        return Ok(());
    }
    let entries = lists.iter().flat_map(|listed| &listed.entries);
    let offered: BTreeSet<&str> = entries
        .filter_map(|tool| tool.get("name").and_then(Value::as_str))
        .collect();
    let Some(missing) = named.iter().find(|name| !offered.contains(name.as_str())) else {
        return Ok(());
    };
    let tools: Vec<String> = offered.iter().take(40).map(|name| shown(name)).collect();
    let tools = match tools.is_empty() {
        true => "the server offers none".to_owned(),
        false => format!("the server offers {}", tools.join(", ")),
    };
    Err(anyhow!(
        "there is no tool `{}`: {tools}; `cargo watertight explain` lists the rules that --allow takes too",
        shown(missing)
    ))
}

fn report(lines: Vec<(&'static str, String)>, looked: look::Looked, mut out: Out) -> Report {
    for (why, what) in std::mem::take(&mut out.unseen) {
        let count = what.len();
        let names: Vec<String> = what.into_iter().collect();
        let message = if count == 1 {
            format!("{} was not looked at: {why}", names.concat())
        } else {
            format!("{count} parts were not looked at: {why}")
        };
        let mut finding = Finding::new(
            Code::NOT_LOOKED_AT,
            Place::object("server", "not looked at"),
            message,
        )
        .review()
        .about(why);
        if count > 1 {
            finding = finding.note(names.join(", "));
        }
        out.find(finding);
    }
    let mut clear = out.clear();
    let mut findings = looked.findings;
    findings.extend(out.findings);
    let accused: BTreeSet<Place> = findings.iter().map(|it| it.place.clone()).collect();
    clear.extend(looked.clear);
    clear.retain(|it| !accused.contains(&it.place));
    clear.sort_by(|a, b| a.place.cmp(&b.place));
    Report {
        command: "scan",
        about: lines,
        findings,
        clear,
        anchors: BTreeMap::new(),
        ..Report::default()
    }
}

fn merge(looked: &mut look::Looked, more: look::Looked) {
    for finding in more.findings {
        let print = finding.fingerprint();
        if !looked.findings.iter().any(|it| it.fingerprint() == print) {
            looked.findings.push(finding);
        }
    }
    for clear in more.clear {
        if !looked.clear.contains(&clear) {
            looked.clear.push(clear);
        }
    }
}

fn state_of(args: &ScanArgs, place: &str, first: &Identity, other: &Identity) -> Result<State> {
    let mut parts: Vec<Vec<u8>> = vec![place.as_bytes().to_vec()];
    for identity in [first, other] {
        let headers = identity.headers.iter();
        // Names alone: a token is another one tomorrow, for the same person.
        parts.push(
            headers
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>()
                .join(",")
                .into_bytes(),
        );
        let marks = identity.marks.iter().map(|it| it.text.as_str());
        parts.push(marks.collect::<Vec<_>>().join("\n").into_bytes());
        let env = identity.env.iter().map(|(name, _)| name.as_str());
        parts.push(env.collect::<Vec<_>>().join("\n").into_bytes());
    }
    parts.extend(args.stdio.iter().map(|it| it.as_bytes().to_vec()));
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    State::open(args.state.as_deref(), &parts)
}

fn unreached(place: &str, failure: &Failure) -> anyhow::Error {
    let help = match failure {
        Failure::Denied(_) => "; give a token with --token-env, or a header with --header",
        Failure::Status(404 | 405, _) => {
            "; is it the address of the MCP endpoint, often /mcp? The transport of 2024-11-05 with /sse is not spoken"
        }
        Failure::Malformed(_) => "; is it the address of the MCP endpoint, often /mcp?",
        _ => "",
    };
    anyhow!("{place} can't be scanned: {}{help}", failure.reason())
}

fn server(place: &str, about: &About) -> String {
    match shown(&about.name).as_str() {
        "" => place.to_owned(),
        name => format!("{name} at {place}"),
    }
}

fn protocol(era: &Era) -> String {
    match era {
        Era::Stateless => wire::STATELESS.to_owned(),
        Era::Initialized { version, session } => {
            let with = if session.is_some() {
                ", with a session"
            } else {
                ""
            };
            format!("{}{with}", shown(version))
        }
    }
}

fn summary(inventory: &Inventory) -> String {
    let parts: Vec<String> = LISTS
        .iter()
        .zip(inventory)
        .map(|(list, listed)| {
            let count = listed.entries.len();
            format!("{count} {}{}", list.kind, if count == 1 { "" } else { "s" })
        })
        .collect();
    parts.join(", ")
}

fn tell_incomplete(inventories: &[&Inventory], out: &mut Out) {
    for inventory in inventories {
        for (list, listed) in LISTS.iter().zip(inventory.iter()) {
            if let Some(why) = &listed.incomplete {
                out.unseen(format!("the list is not whole: {why}"), list.method);
            }
        }
    }
}
