//! A resource, a prompt and their completions stay functions and are named in lists.

use watertight::{
    Contents, Prompt, Reply, Server, ToolInput, ToolResult, completions, mcp_completion,
    mcp_prompt, mcp_resource, mcp_tool, prompts, resources, tools,
};

/// Says hello.
#[mcp_tool]
async fn hello() -> ToolResult<Reply> {
    Ok(Reply::text("hello"))
}

/// A page of the handbook.
#[mcp_resource(
    "handbook://{chapter}/{page}.md",
    name = "handbook.page",
    mime_type = "text/markdown"
)]
pub async fn page(
    /// The chapter's name.
    #[tool(pattern = "^[a-z-]+$")]
    chapter: String,
    page: u32,
) -> ToolResult<Contents> {
    Ok(Contents::text(format!("# {chapter}, {page}")))
}

/// All chapters.
#[mcp_resource("handbook://chapters", title = "Chapters", requires = ["handbook", "read"])]
async fn chapters() -> ToolResult<Vec<String>> {
    Ok(vec!["first".to_owned()])
}

/// The repository of a public project.
#[mcp_resource("repo://{owner}/{name}")]
async fn repository(
    #[tool(not_tenant = "the owner of a public repository")] owner: String,
    name: String,
) -> ToolResult<Contents> {
    Ok(Contents::bytes(owner.into_bytes()).mime_type(name))
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(rename_all = "lowercase")]
enum Tone {
    Kind,
    Short,
}

/// Write a letter.
#[mcp_prompt(title = "Letter")]
async fn letter(
    #[tool(length(1..=20))] word: String,
    #[tool(default = 1)] pages: u8,
    tone: Option<Tone>,
    urgent: Option<bool>,
) -> ToolResult<Prompt> {
    let tone = match tone {
        Some(Tone::Kind) => "kind",
        Some(Tone::Short) => "short",
        None => "any",
    };
    Ok(Prompt::user(format!("{word} {pages} {tone} {urgent:?}")).assistant("Yes."))
}

#[mcp_completion(prompt = letter)]
async fn complete_tone(tone: String, pages: Option<u8>) -> ToolResult<Vec<String>> {
    Ok(vec![format!("{tone}{pages:?}")])
}

#[mcp_completion(resource = page)]
async fn complete_chapter(chapter: String) -> ToolResult<Vec<String>> {
    Ok(vec![chapter])
}

pub fn main() {
    let owner = repository::exceptions();
    assert_eq!(owner, "owner");
    let server = Server::builder()
        .tools(tools![hello])
        .resources(resources![page, chapters, repository])
        .prompts(prompts![letter])
        .completions(completions![complete_tone, complete_chapter]);
    drop(server);
    drop(page("first".to_owned(), 1));
}

impl repository {
    fn exceptions() -> String {
        let found = resources![repository].exceptions().unwrap();
        assert_eq!(found.len(), 1);
        found[0].1.argument.to_owned()
    }
}
