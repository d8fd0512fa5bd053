//! What a client carries for the server is sealed to its caller: cursors, handles, states.

use super::*;

#[tokio::test]
async fn a_cursor_is_its_own_principals_and_lists() {
    let world = World::new().await;
    let [alice, bob, eve] = [(ACME, "alice"), (ACME, "bob"), (BETA, "alice")];
    let client = async |(tenant, subject)| {
        world
            .endpoint
            .modern_client(&world.token(tenant, subject))
            .await
    };
    let (alice, bob, eve) = (client(alice).await, client(bob).await, client(eve).await);
    let page =
        |cursor: &str| Some(PaginatedRequestParams::default().with_cursor(Some(cursor.to_owned())));
    let first = alice.list_tools(None).await.unwrap();
    assert_eq!(first.tools.len(), 3);
    let cursor = first.next_cursor.unwrap();
    let second = alice.list_tools(page(&cursor)).await.unwrap();
    assert!(second.tools[0].name > first.tools[2].name);
    let all = alice.list_all_tools().await.unwrap();
    assert!(all.len() > 6 && all.is_sorted_by(|one, two| one.name < two.name));

    let garbage = refusal(alice.list_tools(page("AAAA")).await);
    assert_eq!(
        garbage.1,
        "invalid argument `cursor`: expected a cursor that this server gave you"
    );
    for other in [&bob, &eve] {
        assert_eq!(refusal(other.list_tools(page(&cursor)).await), garbage);
    }
    assert_eq!(refusal(alice.list_prompts(page(&cursor)).await), garbage);
    let mut changed = cursor.clone();
    changed.pop();
    assert_eq!(refusal(alice.list_tools(page(&changed)).await), garbage);
}

#[tokio::test]
async fn a_handle_of_a_tool_opens_for_its_own_principal_alone() {
    let world = World::new().await;
    let call = async |tenant, subject, cursor: Option<&str>| {
        let token = world.token(tenant, subject);
        world
            .endpoint
            .call(&token, "words", json!({ "cursor": cursor }))
            .await
    };
    let made = call(ACME, "alice", None).await.json()["result"]["structuredContent"].take();
    let cursor = made["result"].as_str().unwrap();
    assert!(call(ACME, "alice", Some(cursor)).await.is_result());
    let text = |answer: &watertight_e2e::endpoint::Answer| {
        assert!(!answer.is_result());
        answer
            .text()
            .split(" (reference")
            .next()
            .unwrap()
            .to_owned()
    };
    let garbage = text(&call(ACME, "alice", Some("AAAA")).await);
    assert_eq!(
        garbage,
        "invalid argument `cursor`: expected a handle that this server gave you"
    );
    for (tenant, subject) in [(ACME, "bob"), (BETA, "alice")] {
        assert_eq!(text(&call(tenant, subject, Some(cursor)).await), garbage);
    }
}

#[tokio::test]
async fn a_tenant_handle_that_is_not_the_callers_is_not_found() {
    let world = World::new().await;
    let call = async |(tenant, subject), tool: &str, arguments: Value| {
        let token = world.token(tenant, subject);
        world.endpoint.call(&token, tool, arguments).await
    };
    let alice = (ACME, "alice");
    let make = async |seconds: u64| {
        let arguments = json!({ "id": 1, "seconds": seconds });
        let made = call(alice, "point_at", arguments).await.json();
        made["result"]["structuredContent"]["result"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let handle = make(3600).await;
    let followed = call(alice, "follow", json!({ "handle": &handle })).await;
    assert!(
        followed.text().contains("acme note 1"),
        "{}",
        followed.text()
    );
    let refused = async |who, tool: &str, handle: &str| {
        let answer = call(who, tool, json!({ "handle": handle })).await;
        assert!(!answer.is_result());
        let text = answer.text();
        text.split(" (reference").next().unwrap().to_owned()
    };
    // Word for word as for a row that does not exist.
    let absent = call(alice, "point_at", json!({ "id": 100_000 }))
        .await
        .json();
    let absent = absent["result"]["structuredContent"]["result"]
        .as_str()
        .unwrap();
    let not_found = refused(alice, "follow", absent).await;
    assert_eq!(not_found, "not found");
    let expired = make(0).await;
    for (who, tool, handle) in [
        ((ACME, "bob"), "follow", handle.as_str()),
        ((BETA, "alice"), "follow", &handle),
        (alice, "follow_other", &handle),
        (alice, "follow", &expired),
        (alice, "follow", &handle[1..]),
        (alice, "follow", "1"),
        (alice, "follow", ""),
    ] {
        assert_eq!(refused(who, tool, handle).await, not_found);
    }
}

#[tokio::test]
async fn the_state_between_two_rounds_is_its_own_callers() {
    let world = World::new().await;
    let call = async |tenant, subject, tool: &str, item: &str, state: Option<&str>| {
        let mut message = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool, "arguments": { "item": item }, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {
                    "extensions": { "io.modelcontextprotocol/tasks": {} } },
                "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "0" },
            } },
        });
        if let Some(state) = state {
            message["params"]["requestState"] = json!(state);
        }
        if tool != "ask" {
            message["params"]["arguments"] = json!({});
        }
        let bearer = format!("Bearer {}", world.token(tenant, subject));
        let headers = [
            ("authorization", bearer.as_str()),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
        ];
        world.endpoint.post_with(&headers, &message).await.json()
    };
    let asked = call(ACME, "alice", "ask", "lamp", None).await;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let state = asked["result"]["requestState"].as_str().unwrap();
    assert!(!state.contains("lamp"), "{state}");
    let done = call(ACME, "alice", "ask", "lamp", Some(state)).await;
    assert_eq!(
        done["result"]["content"][0]["text"], "state of lamp",
        "{done}"
    );
    for (tenant, subject, item, state) in [
        (ACME, "bob", "lamp", state),
        (BETA, "alice", "lamp", state),
        (ACME, "alice", "chair", state),
        (ACME, "alice", "lamp", "state of lamp"),
    ] {
        let refused = call(tenant, subject, "ask", item, Some(state)).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
        let text = refused["error"]["message"].as_str().unwrap();
        assert!(text.starts_with("invalid parameters (reference "), "{text}");
    }
    // A task would be a handle that nobody sealed.
    let task = call(ACME, "alice", "postpone", "", None).await;
    assert_eq!(task["result"]["isError"], true, "{task}");
    assert!(!task.to_string().contains("canary"), "{task}");
}
