//! The flaws of `fixtures/flaws.sql`, as data.

/// The schema that every flaw is put on.
pub(crate) const BASE: &str = include_str!("../fixtures/flaws_base.sql");
const FLAWS: &str = include_str!("../fixtures/flaws.sql");

/// One flaw.
#[derive(Debug, Default)]
#[allow(dead_code)] // each test looks at its own part
pub(crate) struct Flaw {
    pub(crate) id: String,
    pub(crate) code: String,
    /// The name of the object; a `*` at its end stands for any text.
    pub(crate) place: String,
    pub(crate) also: Vec<String>,
    pub(crate) setup: String,
    pub(crate) undo: String,
    pub(crate) twin: Option<String>,
    /// What `attack` must show: the attack and the object.
    pub(crate) leaks: Vec<(String, String)>,
    /// Why `attack` shows nothing, where it must not.
    pub(crate) holds: Option<String>,
    /// The first version of the server that is without it.
    pub(crate) until: Option<u32>,
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
        } else if let Some(shown) = line.strip_prefix("-- @leaks ") {
            let (attack, place) = shown.split_once(' ').unwrap();
            let leak = (attack.to_owned(), place.to_owned());
            all.last_mut().unwrap().leaks.push(leak);
        } else if let Some(why) = line.strip_prefix("-- @holds ") {
            all.last_mut().unwrap().holds = Some(why.to_owned());
        } else if let Some(version) = line.strip_prefix("-- @until ") {
            all.last_mut().unwrap().until = Some(version.parse().unwrap());
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
