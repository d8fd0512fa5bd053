//! The tool of the hygiene crate is a working one.

#[test]
fn the_tool_can_be_served() {
    assert_eq!(watertight_renamed::tools().exceptions().unwrap(), []);
}
