use watertight::mcp_tool;

/// Says hello.
#[mcp_tool]
async fn hello(name: String) -> std::io::Result<String> {
    Ok(name)
}

fn main() {}
