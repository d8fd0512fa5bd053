use watertight::mcp_tool;

/// Says hello.
#[mcp_tool]
async fn hello(name: String) -> Result<String, std::fmt::Error> {
    Ok(name)
}

fn main() {}
