//! What is read and listed is the caller's own: resources, prompts, completions.

use super::*;

#[tokio::test]
async fn a_foreign_uri_is_not_there() {
    let world = World::new().await;
    for (era, client) in world.clients(ACME).await.iter().enumerate() {
        let own = read(client, "note://1").await.unwrap();
        let contents =
            json!([{ "uri": "note://1", "mimeType": "text/plain", "text": "acme note 1" }]);
        assert_eq!(own["contents"], contents);
        assert_eq!(
            read(client, "notes://count").await.unwrap()["contents"][0]["text"],
            "150"
        );
        // Another tenant's, nobody's, no number, a number out of range, another spelling, a path,
        // and no resource at all.
        let expected = ([-32602, -32002][era], "not found".to_owned());
        for uri in [
            "note://151",
            "note://999999",
            "note://x",
            "note://0",
            "note://01",
            "note://1%2F",
            "note://1/..",
            "note://",
            "nothing://1",
            "",
        ] {
            assert_eq!(refusal(read(client, uri).await), expected, "{uri}");
        }
        for fault in ["fault://panic", "fault://leak", "fault://error"] {
            assert_eq!(
                refusal(read(client, fault).await),
                (-32603, "internal error".to_owned()),
                "{fault}"
            );
        }
    }
    let trail = world.trail("resource:note").await;
    assert!(
        trail.contains(&"resource:note ok -".to_owned()),
        "{trail:?}"
    );
    assert!(
        trail.contains(&"resource:note failed not_found".to_owned()),
        "{trail:?}"
    );
    let trail = world.trail("resource:fault").await;
    assert!(
        trail.contains(&"resource:fault panicked internal".to_owned()),
        "{trail:?}"
    );
    let trail = world.trail("resources/read").await;
    assert!(
        trail.contains(&"resources/read refused not_found".to_owned()),
        "{trail:?}"
    );
}

#[tokio::test]
async fn what_needs_another_scope_is_403() {
    let world = World::new().await;
    let token = world.token(ACME, "user");
    for (method, params, record) in [
        (
            "resources/read",
            json!({ "uri": "notes://secret" }),
            "resource:secret",
        ),
        ("prompts/get", json!({ "name": "hidden" }), "prompt:hidden"),
    ] {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = world.endpoint.post(&token, &message).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        answer.assert_safe();
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains("insufficient_scope"), "{challenge}");
        assert!(challenge.contains("scope=\"tickets:write\""), "{challenge}");
        let trail = world.trail(record).await;
        assert_eq!(trail, [format!("{record} refused denied")]);
    }
}

#[tokio::test]
async fn lists_show_what_the_caller_may_use_and_are_private() {
    let world = World::new().await;
    for client in &world.clients(ACME).await {
        let resources = client.list_resources(None).await.unwrap();
        let uris: Vec<_> = resources
            .resources
            .iter()
            .map(|it| it.uri.as_str())
            .collect();
        assert_eq!(uris, ["notes://count"]);
        let templates = client.list_resource_templates(None).await.unwrap();
        let names: Vec<_> = templates
            .resource_templates
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        assert_eq!(names, ["fault", "note"]);
        let note = serde_json::to_value(&templates.resource_templates[1]).unwrap();
        assert_eq!(
            note,
            json!({ "uriTemplate": "note://{id}", "name": "note", "title": "Note",
                    "description": "A note.", "mimeType": "text/plain" })
        );
        let listed = client.list_prompts(None).await.unwrap();
        assert_eq!(
            serde_json::to_value(&listed.prompts).unwrap(),
            json!([{ "name": "answer", "title": "Answer", "description": "Ask for an answer to a note.",
                "arguments": [
                    { "name": "id", "description": "The note's number.", "required": true },
                    { "name": "tone", "required": false },
                ] }])
        );
        for scope in [
            resources.cache_scope,
            templates.cache_scope,
            listed.cache_scope,
        ] {
            assert_eq!(scope, Some(CacheScope::Private));
        }
    }
}

#[tokio::test]
async fn prompts_are_made_of_the_callers_own_rows() {
    let world = World::new().await;
    for client in &world.clients(BETA).await {
        let made = client
            .get_prompt(prompt("answer", json!({ "id": "151", "tone": "short" })))
            .await
            .unwrap();
        let texts: Vec<Value> = made
            .messages
            .iter()
            .map(|message| serde_json::to_value(message).unwrap())
            .map(|message| json!([message["role"], message["content"]["text"]]))
            .collect();
        assert_eq!(
            texts,
            [
                json!(["user", "beta note 1"]),
                json!(["assistant", "I have read it."]),
                json!(["user", "Answer in one sentence."])
            ]
        );
        for (arguments, text) in [
            (json!({ "id": "1" }), "not found"),
            (
                json!({}),
                "invalid argument `id`: missing, expected an integer from 1 to 9223372036854775807",
            ),
            (
                json!({ "id": "x" }),
                "invalid argument `id`: expected an integer from 1 to 9223372036854775807",
            ),
            (
                json!({ "id": "0" }),
                "invalid argument `id`: expected an integer from 1 to 9223372036854775807",
            ),
            (
                json!({ "id": "151", "tone": "rude" }),
                "invalid argument `tone`: expected",
            ),
            (
                json!({ "id": "151", "tenant_id": ACME }),
                "invalid argument: unknown argument; the tool takes `id`, `tone`",
            ),
        ] {
            let (_, told) = refusal(client.get_prompt(prompt("answer", arguments)).await);
            assert!(told.starts_with(text), "{told}");
        }
        let (_, told) = refusal(client.get_prompt(prompt("nothing", json!({}))).await);
        assert_eq!(told, "not found");
    }
    let trail = world.trail("prompt:answer").await;
    assert!(
        trail.contains(&"prompt:answer refused invalid_argument".to_owned()),
        "{trail:?}"
    );
    // One in each era, written in batches.
    for _ in 0..100 {
        if world.probes().await == 2 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{} probes", world.probes().await);
}

#[tokio::test]
async fn completions_are_the_callers_own_and_at_most_a_hundred() {
    let world = World::new().await;
    for client in &world.clients(ACME).await {
        let complete = async |of: Reference, name: &str, value: &str, known: &[(&str, &str)]| {
            let known = known
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()));
            let context = CompletionContext::with_arguments(known.collect());
            let params = CompleteRequestParams::new(of, ArgumentInfo::new(name, value));
            client.complete(params.with_context(context)).await
        };
        let prompt = || Reference::for_prompt("answer");
        let tones = complete(prompt(), "tone", "s", &[])
            .await
            .unwrap()
            .completion;
        assert_eq!(tones.values, ["short"]);
        let tones = complete(prompt(), "tone", "", &[("id", "7")])
            .await
            .unwrap()
            .completion;
        assert_eq!(tones.values, ["kind7", "short7"]);
        let fault = || Reference::for_resource("fault://{how}");
        let own = complete(fault(), "how", "acme", &[])
            .await
            .unwrap()
            .completion;
        assert_eq!((own.values.len(), own.has_more), (100, Some(true)));
        let foreign = complete(fault(), "how", "beta", &[])
            .await
            .unwrap()
            .completion;
        assert_eq!(foreign.values, [""; 0]);
        let unknown = complete(prompt(), "id", "1", &[]).await.unwrap().completion;
        assert_eq!(unknown.values, [""; 0]);
        let (_, told) = refusal(complete(prompt(), "tone", "", &[("tenant_id", BETA)]).await);
        assert!(
            told.starts_with("invalid argument: unknown argument"),
            "{told}"
        );
        let hidden = complete(Reference::for_prompt("hidden"), "word", "x", &[]).await;
        assert_eq!(refusal(hidden).1, "not permitted");
    }
}
