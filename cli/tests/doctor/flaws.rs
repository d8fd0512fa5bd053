//! The flaws of `fixtures/flaws.sql`, as data.

/// The schema that every flaw is put on.
pub(crate) const BASE: &str = include_str!("../fixtures/flaws_base.sql");
const FLAWS: &str = include_str!("../fixtures/flaws.sql");

/// One flaw.
#[derive(Debug, Default)]
pub(crate) struct Flaw {
    pub(crate) id: String,
    pub(crate) code: String,
    /// The name of the object; a `*` at its end stands for any text.
    pub(crate) place: String,
    pub(crate) also: Vec<String>,
    pub(crate) setup: String,
    pub(crate) undo: String,
    pub(crate) twin: Option<String>,
}

/// All of them, in the order of the file.
pub(crate) fn flaws() -> Vec<Flaw> {
    let mut all: Vec<Flaw> = Vec::new();
    let mut part = "";
    for line in FLAWS.lines() {
        if let Some(head) = line.strip_prefix("-- @flaw ") {
            let (head, _) = head.split_once(": ").unwrap();
            let mut words = head.splitn(3, ' ');
            all.push(Flaw {
                id: words.next().unwrap().to_owned(),
                code: words.next().unwrap().to_owned(),
                place: words.next().unwrap().to_owned(),
                ..Flaw::default()
            });
            part = "setup";
        } else if let Some(codes) = line.strip_prefix("-- @also ") {
            let codes = codes.split_whitespace().map(str::to_owned);
            all.last_mut().unwrap().also.extend(codes);
        } else if line == "-- @undo" {
            part = "undo";
        } else if line == "-- @twin" {
            all.last_mut().unwrap().twin = Some(String::new());
            part = "twin";
        } else if !line.starts_with("--") && !line.is_empty() {
            let flaw = all.last_mut().unwrap();
            match part {
                "setup" => flaw.setup.push_str(line),
                "undo" => flaw.undo.push_str(line),
                _ => flaw.twin.as_mut().unwrap().push_str(line),
            }
        }
    }
    all
}
