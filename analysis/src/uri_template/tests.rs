//! Templates: what is refused, what matches, and what two templates share.

use super::*;

fn template(text: &str) -> Template {
    Template::parse(text).unwrap_or_else(|mistake| panic!("{text}: {mistake}"))
}

fn values(text: &str, uri: &str) -> Option<Vec<String>> {
    template(text).values(uri)
}

fn some(values: &[&str]) -> Option<Vec<String>> {
    Some(values.iter().map(ToString::to_string).collect())
}

#[test]
fn a_uri_is_matched_as_a_whole() {
    assert_eq!(values("ticket://{id}", "ticket://7"), some(&["7"]));
    assert_eq!(
        values(
            "crm://customers/{id}/notes/{n}.md",
            "crm://customers/a-b/notes/3.md"
        ),
        some(&["a-b", "3"])
    );
    assert_eq!(
        values("crm://list?plan={plan}", "crm://list?plan=pro"),
        some(&["pro"])
    );
    assert_eq!(values("desk://status", "desk://status"), some(&[]));
    for (text, uri) in [
        ("ticket://{id}", "ticket://"),
        ("ticket://{id}", "ticket://7/"),
        ("ticket://{id}", "ticket://7/8"),
        ("ticket://{id}", "ticket://7?x=1"),
        ("ticket://{id}", "ticket://7#x"),
        ("ticket://{id}", "TICKET://7"),
        ("ticket://{id}", " ticket://7"),
        ("ticket://{id}", "tickets://7"),
        ("ticket://v{id}", "ticket://v"),
        ("desk://status", "desk://status/"),
    ] {
        assert_eq!(values(text, uri), None, "{text} {uri}");
    }
}

#[test]
fn values_are_decoded_once_and_stay_in_their_place() {
    assert_eq!(values("n://{x}", "n://a%20b"), some(&["a b"]));
    assert_eq!(values("n://{x}", "n://%C3%A4"), some(&["ä"]));
    assert_eq!(values("n://{x}", "n://%2541"), some(&["%41"]));
    assert_eq!(values("n://{x}", "n://it's"), some(&["it's"]));
    for uri in [
        "n://a%2Fb",
        "n://a%2fb",
        "n://a%5Cb",
        "n://..",
        "n://.",
        "n://%2E%2E",
        "n://a%00",
        "n://%0a",
        "n://%ff",
        "n://%C3",
        "n://%4",
        "n://%",
        "n://%zz",
        "n://%+4",
        "n://ä",
        "n://a b",
        "n://a\"b",
        "n://{x}",
    ] {
        assert_eq!(values("n://{x}", uri), None, "{uri}");
    }
    let long = format!("n://{}", "a".repeat(LONGEST_URI));
    assert_eq!(values("n://{x}", &long), None);
}

#[test]
fn an_expanded_template_is_read_back() {
    let template = template("crm://{a}/x-{b}.json");
    let values = vec!["ä/ %".replace('/', "-"), "it's".to_owned()];
    let uri = template.expand(&values);
    assert_eq!(uri, "crm://%C3%A4-%20%25/x-it%27s.json");
    assert_eq!(template.values(&uri), Some(values));
}

#[test]
fn what_level_1_does_not_have_is_refused() {
    for (text, part) in [
        ("ticket", "a scheme"),
        ("{scheme}://x", "a scheme"),
        ("Ticket://{id}", "a scheme"),
        ("t://{+id}", "help: write `{id}`"),
        ("t://{/id}", "help: write `{id}`"),
        ("t://x{?id,name}", "help: write `{id}`"),
        ("t://{id*}", "help: write `{id}`"),
        ("t://{id:3}", "help: write `{id}`"),
        ("t://{}", "`{name}`"),
        ("t://{id", "not closed"),
        ("t://id}", "closes nothing"),
        ("t://{id}/{id}", "twice"),
        ("t://{a}{b}", "`{a}/{b}`"),
        ("t://{a}-{b}", "`{a}/{b}`"),
        ("t://ä/{a}", "`ä`"),
        ("t://a%20b/{a}", "`%`"),
        ("t://a b", "` `"),
    ] {
        let mistake = Template::parse(text).unwrap_err().to_string();
        assert!(mistake.contains(part), "{text}: {mistake}");
    }
}

#[test]
fn templates_that_share_a_uri_are_found() {
    for (one, two, shared) in [
        ("t://{id}", "t://{number}", true),
        ("t://{id}", "t://mine", true),
        ("t://{id}", "t://", false),
        ("t://{id}", "u://{id}", false),
        ("t://{id}/a", "t://{id}/b", false),
        ("t://{id}/a", "t://b/{x}", true),
        ("t://v{id}", "t://{id}.json", true),
        ("t://v{id}", "t://w{id}", false),
        ("t://{id}.md", "t://{id}.json", false),
        ("t://v{id}", "t://v", false),
        ("t://x?a={a}", "t://x?b={a}", false),
        ("t://x", "t://x", true),
    ] {
        let (first, second) = (template(one), template(two));
        assert_eq!(first.overlaps(&second), shared, "{one} {two}");
        assert_eq!(second.overlaps(&first), shared, "{two} {one}");
    }
}

#[test]
fn a_label_is_what_the_template_calls_the_value() {
    for (text, variable, label) in [
        ("org://{slug}", "slug", Some("org")),
        ("crm://tenants/{id}/notes/{n}", "id", Some("tenants")),
        ("crm://tenants/{id}/notes/{n}", "n", Some("notes")),
        ("crm://x/{a}/{b}", "b", None),
        ("crm://x?org={a}&plan={b}", "a", Some("org")),
        ("crm://x?org={a}&plan={b}", "b", Some("plan")),
        ("crm://x/tenant-{id}", "id", Some("tenant-")),
        ("file:///{path}", "path", Some("file")),
    ] {
        assert_eq!(template(text).label(variable), label, "{text} {variable}");
    }
}

/// Every URI over a small alphabet: no two templates read one unless they are said to overlap, and
/// what is read is expanded to what is read in the same way.
#[test]
fn exhaustively_over_a_small_alphabet() {
    let texts = [
        "t:{a}",
        "t:a{a}",
        "t:{a}a",
        "t:a{a}b",
        "t:a",
        "t:ab",
        "t:aab",
        "t:{a}/{b}",
        "t:a/{b}",
        "t:{a}/a",
        "t:b{a}/{b}a",
        "t:a/b",
        "t:{a}b",
        "t:b/{b}b",
    ];
    let templates: Vec<Template> = texts.iter().map(|text| template(text)).collect();
    let mut uris = vec![String::new()];
    let mut from = 0;
    for _ in 0..6 {
        let upto = uris.len();
        for index in from..upto {
            for letter in ["a", "b", "/"] {
                uris.push(format!("{}{letter}", uris[index]));
            }
        }
        from = upto;
    }
    for uri in uris.iter().map(|rest| format!("t:{rest}")) {
        for (index, one) in templates.iter().enumerate() {
            let Some(read) = one.values(&uri) else {
                continue;
            };
            assert_eq!(one.values(&one.expand(&read)), Some(read), "{one} {uri}");
            for two in &templates[index + 1..] {
                assert!(
                    two.values(&uri).is_none() || one.overlaps(two),
                    "{one} and {two} share {uri}"
                );
            }
        }
    }
}
