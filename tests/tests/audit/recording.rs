//! Records as servers leave them: strict, killed, flushed, and while tasks go on.

use super::*;

#[tokio::test]
async fn a_task_that_writes_while_its_call_ends_leaves_a_trail_that_verifies() {
    let world = World::new(|options| options.strict()).await;
    for _ in 0..20 {
        world
            .call(&world.tokens[0], "leave_writing", json!({}))
            .await;
    }
    assert!(world.endpoint.stop().await);
    let (status, text) = verify(&world.database, &world.anchor);
    assert_eq!(status, 0, "{text}");
}

/// A handler of somebody else's, whose tasks go on writing when its calls have ended.
struct Restless;

impl Restless {
    async fn go_on(context: &rmcp::service::RequestContext<rmcp::RoleServer>) {
        let cx = ToolContext::of_request(context).unwrap();
        go_on_writing(cx);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl rmcp::ServerHandler for Restless {
    async fn read_resource(
        &self,
        request: rmcp::model::ReadResourceRequestParams,
        context: rmcp::service::RequestContext<rmcp::RoleServer>,
    ) -> Result<rmcp::model::ReadResourceResponse, rmcp::ErrorData> {
        Self::go_on(&context).await;
        let text = rmcp::model::ResourceContents::text("read", request.uri);
        Ok(rmcp::model::ReadResourceResult::new(vec![text]).into())
    }

    async fn get_prompt(
        &self,
        _: rmcp::model::GetPromptRequestParams,
        context: rmcp::service::RequestContext<rmcp::RoleServer>,
    ) -> Result<rmcp::model::GetPromptResponse, rmcp::ErrorData> {
        Self::go_on(&context).await;
        let message = rmcp::model::PromptMessage::new_text(rmcp::model::Role::User, "made");
        Ok(rmcp::model::GetPromptResult::new(vec![message]).into())
    }
}

/// What is left running by a resource or a prompt that is mounted writes nothing that its record does not
/// count: the context ends in front of the record.
#[tokio::test]
async fn a_task_of_a_mounted_resource_or_prompt_leaves_a_trail_that_verifies() {
    let parts = watertight::ForeignParts::new()
        .resources([rmcp::model::Resource::new("restless://one", "one")])
        .prompts([rmcp::model::Prompt::new(
            "restless",
            Some("A prompt."),
            None,
        )]);
    let mount = |server: watertight::ServerBuilder| {
        server.mount_foreign(Restless, parts, "it belongs to this test")
    };
    let world = World::with(|options| options.strict(), mount).await;
    let ask = async |method: &str, params: Value| {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = world.endpoint.post(&world.tokens[0], &message).await;
        assert!(answer.is_result(), "{answer:?}");
    };
    for _ in 0..15 {
        ask("resources/read", json!({ "uri": "restless://one" })).await;
        ask("prompts/get", json!({ "name": "restless" })).await;
    }
    assert!(world.endpoint.stop().await);
    let wrote = "SELECT count(DISTINCT tool)::text FROM watertight.audit WHERE kind = 'completion' AND effects > 0";
    assert_eq!(rows(&world.database, wrote).await, ["2"], "both did write");
    let (status, text) = verify(&world.database, &world.anchor);
    assert_eq!(status, 0, "{text}");
}

#[tokio::test]
async fn a_router_of_your_own_is_flushed_through_its_guard() {
    let database = migrated().await;
    let limits = AuditLimits {
        delay: Duration::from_secs(3600),
        ..AuditLimits::default()
    };
    let pool = TenantPool::builder(database.app_url()).audit(AuditOptions::new().limits(limits));
    let pool = pool.connect(watertight::catalog!()).await.unwrap();
    let signer = SigningKey::ec();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let jwt = JwtAuthenticator::builder().issuer(ISSUER).audience(&url);
    let server = Server::builder()
        .name("router")
        .tools(tools![list_notes])
        .pool(pool)
        .authenticator(
            jwt.jwk_set(jwk_set(&[&signer]))
                .tenant_claim("org_id")
                .build()
                .unwrap(),
        )
        .resource(&url)
        .build()
        .unwrap();
    let guard = server.guard().clone();
    let serving = tokio::spawn(async { axum::serve(listener, server.into_router()).await });
    let token = signer.sign(&claims(&url, "user"));
    let endpoint = Endpoint::of(url, tokio::spawn(async {}));
    assert!(
        endpoint
            .call(&token, "list_notes", json!({}))
            .await
            .is_result()
    );
    serving.abort();
    let count = "SELECT count(*)::text FROM watertight.audit";
    assert_eq!(rows(&database, count).await, ["0"]);
    guard.flush().await;
    assert_eq!(rows(&database, count).await, ["1"]);
}

#[tokio::test]
async fn strict_records_come_before_the_answer_and_full_arguments_are_kept() {
    let world = World::new(|options| options.strict().arguments(AuditArguments::Full)).await;
    let bodies = json!({ "bodies": ["a", "b"] });
    world
        .call(&world.tokens[0], "add_notes", bodies.clone())
        .await;
    let kept = rows(
        &world.database,
        "SELECT arguments::text FROM watertight.audit WHERE kind = 'completion'",
    )
    .await;
    assert_eq!(kept, [bodies.to_string()], "stored before the answer");
    // The completions can't be stored: a call that reads is refused as well.
    tamper(
        &world.database,
        "SELECT 1; ALTER TABLE watertight.audit ADD CHECK (kind = 'effect') NOT VALID; SELECT 1",
    )
    .await;
    let answer = world
        .endpoint
        .call(&world.tokens[0], "list_notes", json!({}))
        .await;
    assert!(
        !answer.is_result() && answer.text().contains("unavailable"),
        "{answer:?}"
    );
    answer.assert_safe();
}

#[tokio::test]
async fn reads_go_on_while_their_records_wait_and_writes_do_not_without_their_effect() {
    let world = World::new(|options| options).await;
    world.call(&world.tokens[0], "list_notes", json!({})).await;
    tamper(
        &world.database,
        "SELECT 1; REVOKE INSERT (mac) ON watertight.audit FROM app; SELECT 1",
    )
    .await;
    world.call(&world.tokens[0], "list_notes", json!({})).await;
    let note = json!({ "bodies": ["unrecorded"] });
    let answer = world
        .endpoint
        .call(&world.tokens[0], "add_notes", note)
        .await;
    assert!(!answer.is_result(), "{answer:?}");
    assert_eq!(
        rows(&world.database, "SELECT body FROM notes").await,
        [""; 0]
    );
}

/// What `a_killed_server…` kills. It prints where it listens and serves until its end.
#[tokio::test]
#[ignore = "a server that another test starts and kills"]
async fn server_to_be_killed() {
    let Ok(url) = std::env::var("WATERTIGHT_E2E_URL") else {
        return;
    };
    let pool = TenantPool::builder(url).audit(AuditOptions::new().key(key()));
    let pool = pool.connect(watertight::catalog!()).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let resource = format!("http://{}/mcp", listener.local_addr().unwrap());
    let jwt = JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience(&resource);
    let keys = std::env::var("WATERTIGHT_E2E_KEYS").unwrap();
    let server = Server::builder()
        .name("killed")
        .tools(tools![list_notes, add_notes])
        .pool(pool)
        .authenticator(jwt.jwk_set(keys).tenant_claim("org_id").build().unwrap())
        .resource(&resource)
        .build()
        .unwrap();
    println!("listening on {resource}");
    server.serve_listener(listener).await.unwrap();
}

#[tokio::test]
async fn a_killed_server_loses_no_write_and_at_most_the_last_moments_of_the_rest() {
    let database = migrated().await;
    let signer = SigningKey::ec();
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "recording::server_to_be_killed",
            "--nocapture",
        ])
        .env("WATERTIGHT_E2E_URL", database.app_url())
        .env("WATERTIGHT_E2E_KEYS", jwk_set(&[&signer]))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut urls = lines.map_while(Result::ok).filter_map(|line| {
        line.split_once("listening on ")
            .map(|(_, url)| url.to_owned())
    });
    let url = urls.next().unwrap();
    let claims = with(claims(&url, "user"), "org_id", json!(ACME));
    let token = signer.sign(&claims);
    let endpoint = Endpoint::of(url, tokio::spawn(async {}));
    let mut answered = Vec::new();
    for number in 0..40 {
        let bodies = json!({ "bodies": [format!("note {number}")] });
        let answer = endpoint.call(&token, "add_notes", bodies).await;
        assert!(answer.is_result(), "{answer:?}");
        answered.push(Instant::now());
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    let killed = Instant::now();
    server.kill().unwrap();
    server.wait().unwrap();
    let count =
        |kind: &str| format!("SELECT count(*)::text FROM watertight.audit WHERE kind = '{kind}'");
    assert_eq!(
        rows(&database, &count("effect")).await,
        ["40"],
        "each write has its record"
    );
    // The delay of a batch, and the time to store one.
    let bound = Duration::from_millis(200) + Duration::from_millis(800);
    let due = answered.iter().filter(|at| killed - **at > bound).count();
    let kept: usize = rows(&database, &count("completion")).await[0]
        .parse()
        .unwrap();
    assert!(
        kept >= due,
        "{kept} of {due} calls that ended more than {bound:?} before"
    );
    let (status, text) = audit(database.admin_url(), &["verify"]);
    assert_eq!(status, 0, "{text}");
    let lost = 40 - kept;
    assert!(
        lost == 0 || text.contains("without a record of the call"),
        "{text}"
    );
}
