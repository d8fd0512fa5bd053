use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(remote = "std::ops::Range::<u8>")]
struct Span {
    start: u8,
    end: u8,
}

fn main() {
    let _ = |span: Span| (span.start, span.end);
}
