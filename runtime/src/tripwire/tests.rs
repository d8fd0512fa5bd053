//! Spellings that must be found, and neighbours that must not.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::Tripwire;
use super::Tripwires;
use crate::id::TenantId;

const ID: &str = "0190f3b2-7c1e-7d4a-9b6f-3e5a8c2d1f07";

fn wire() -> Tripwire {
    Tripwire::new(&TenantId::uuid(ID.parse().unwrap()), "tenant_id")
}

#[test]
fn a_uuid_is_found_in_its_spellings() {
    let simple = ID.replace('-', "");
    for text in [
        ID.to_owned(),
        ID.to_uppercase(),
        "0190F3b2-7C1e-7d4A-9b6F-3e5A8c2D1f07".to_owned(),
        simple.clone(),
        simple.to_uppercase(),
        ID.replace('-', "%2D"),
        ID.replace('-', "%2d"),
        ID.replace('-', "\\u002d"),
        ID.replace('-', "\u{2011}"),
        format!("urn:uuid:{ID}"),
        format!("{{\"note\":\"{{\\\"x\\\":\\\"{ID}\\\"}}\"}}"),
        format!("https://example.com/{simple}/page"),
    ] {
        assert!(wire().finds(text.as_bytes()), "{text}");
        assert!(wire().finds(format!("ab{text}").as_bytes()), "ab{text}");
    }
}

#[test]
fn escapes_hide_nothing() {
    let escaped = |text: &str, upper: bool| -> String {
        text.bytes()
            .map(|byte| match upper {
                true => format!("\\u{byte:04X}"),
                false => format!("\\u{byte:04x}"),
            })
            .collect()
    };
    let partly = ID.replace('7', "\\u0037").replace('c', "\\u0063");
    for text in [
        escaped(ID, false),
        escaped(ID, true),
        escaped(&ID.to_uppercase(), false),
        escaped(&ID.replace('-', ""), false),
        partly.clone(),
        ID.replace('-', "\\u2011"),
        // JSON in a JSON text, twice.
        partly.replace('\\', "\\\\"),
        partly.replace('\\', "\\\\\\\\"),
        ID.replace('-', "&#x2d;"),
        format!("{{{}}}", ID.to_uppercase()),
        format!("URN:UUID:{}", ID.to_uppercase()),
        format!("\\u001b[1m{ID}\\u001b[0m"),
    ] {
        let body = format!("{{\"note\":\"{text}\",\"more\":\"\\u00e9\"}}");
        assert!(wire().finds(body.as_bytes()), "{body}");
    }
    for text in [
        "\\u",
        "\\u00",
        "\\uD83D\\uDE00",
        "\\u00e9t\\u00e9",
        "\\uzzzz",
    ] {
        assert!(!wire().finds(text.as_bytes()), "{text}");
    }
    let member = Tripwire::new(&TenantId::bigint(42), "org_ref");
    for text in [
        r#"{"tenant\u005fid":42}"#,
        r#"{"org_ref":"\u0034\u0032"}"#,
        r#"{"text":"{\"\\u0074enant\":42}"}"#,
    ] {
        assert!(member.finds(text.as_bytes()), "{text}");
    }
    let text = Tripwire::new(
        &TenantId::text("acme-industries-europe").unwrap(),
        "tenant_id",
    );
    assert!(text.finds(br"acme\u002dindustries\u002deurope"));
}

#[test]
fn digits_that_repeat_are_found_wherever_they_begin() {
    for id in [
        "77777777-7777-7777-7777-777777777777",
        "00000000-0000-0000-0000-000000000001",
        "12121212-1212-1212-1212-121212121212",
        "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
    ] {
        let wire = Tripwire::new(&TenantId::uuid(id.parse().unwrap()), "tenant_id");
        for before in ["", "7", "77", "777", "12", "00000", "aaa"] {
            assert!(
                wire.finds(format!("{before} {id}").as_bytes()),
                "{before} {id}"
            );
            assert!(wire.finds(format!("{before}{}", id.replace('-', "")).as_bytes()));
        }
        assert!(!wire.finds(id.get(..35).unwrap().as_bytes()), "{id}");
    }
}

#[test]
fn a_uuid_is_found_in_base64_at_every_offset() {
    let id: Uuid = ID.parse().unwrap();
    let forms: [&[u8]; 4] = [
        id.as_bytes(),
        ID.as_bytes(),
        &ID.to_uppercase().into_bytes(),
        &ID.replace('-', "").into_bytes(),
    ];
    for bytes in forms {
        for offset in 0..7 {
            let mut around = vec![b'x'; offset];
            around.extend_from_slice(bytes);
            around.extend_from_slice(b"tail");
            assert!(
                wire().finds(STANDARD.encode(&around).as_bytes()),
                "{offset}"
            );
            assert!(
                wire().finds(URL_SAFE_NO_PAD.encode(&around).as_bytes()),
                "{offset}"
            );
        }
    }
}

#[test]
fn another_uuid_is_not_found() {
    let other = "0190f3b2-7c1e-7d4a-9b6f-3e5a8c2d1f08";
    let same_tail = "1190f3b2-7c1e-7d4a-9b6f-3e5a8c2d1f07";
    let tail_only = "3e5a8c2d1f07";
    let cut = &ID[1..];
    for text in [other, same_tail, tail_only, cut, "", "-", "%2d"] {
        assert!(!wire().finds(text.as_bytes()), "{text}");
    }
}

#[test]
fn every_uuid_is_found_whichever_digit_is_looked_for() {
    for seed in 0..500_u128 {
        let id = Uuid::from_u128(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        let wire = Tripwire::new(&TenantId::uuid(id), "tenant_id");
        let text = format!("{{\"a\":\"{id}\"}}");
        assert!(wire.finds(text.as_bytes()), "{id}");
        assert!(wire.finds(text.to_uppercase().as_bytes()), "{id}");
        let other = Uuid::from_u128(id.as_u128() ^ (1 << (seed % 128)));
        assert!(!wire.finds(other.to_string().as_bytes()), "{id}");
    }
}

#[test]
fn a_number_is_found_only_under_a_tenant_word() {
    let wire = Tripwire::new(&TenantId::bigint(42), "org_ref");
    for text in [
        r#"{"tenant_id":42}"#,
        r#"{"tenantId": 42, "x":1}"#,
        r#"{"organization_id":"42"}"#,
        r#"{"a":{"org_ref":42}}"#,
        r#"{"text":"{\"tenant_id\":42}"}"#,
        r#"{"text":"{\\\"tenant_id\\\": \\\"42\\\"}"}"#,
        r#"{"tenant_ids":[1, 42]}"#,
    ] {
        assert!(wire.finds(text.as_bytes()), "{text}");
    }
    for text in [
        r#"{"count":42}"#,
        r#"{"tenant_id":421}"#,
        r#"{"tenant_id":142}"#,
        r#"{"tenant_id":7,"count":42}"#,
        r#"{"tenant_id":42.5}"#,
        r#"{"tenants":{"count":42}}"#,
        "42",
        "",
    ] {
        assert!(!wire.finds(text.as_bytes()), "{text}");
    }
}

#[test]
fn a_long_text_is_found_as_a_word_and_a_short_one_under_a_tenant_word() {
    let long = Tripwire::new(
        &TenantId::text("acme-industries-europe").unwrap(),
        "tenant_id",
    );
    assert!(long.finds(b"invoice of acme-industries-europe."));
    assert!(long.finds(STANDARD.encode("xacme-industries-europe!").as_bytes()));
    assert!(!long.finds(b"acme-industries-europe2"));
    let short = Tripwire::new(&TenantId::text("acme").unwrap(), "tenant_id");
    assert!(short.finds(br#"{"tenant":"acme"}"#));
    assert!(!short.finds(br#"{"customer_name":"acme"}"#));
    assert!(!short.finds(br#"{"tenant":"acme-2"}"#));
}

/// 64 KiB of rows must not take long even in an unoptimised build.
#[test]
fn a_large_result_is_scanned_quickly() {
    let row =
        r#"{"id":"5d0c7a52-9f37-4b9e-8a55-7d1f6a0c9be1","name":"Ada Lovelace","amount":1987.65},"#;
    let text = row.repeat(64 * 1024 / row.len());
    let wire = wire();
    let start = std::time::Instant::now();
    for _ in 0..20 {
        assert!(!wire.finds(text.as_bytes()));
    }
    assert!(
        start.elapsed() < std::time::Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn an_operator_is_told_neither_the_chosen_tenant_nor_the_home() {
    let (chosen, home) = (uuid::Uuid::from_u128(7), uuid::Uuid::from_u128(9));
    let wires = Tripwires::new("tenant_id");
    let (chosen_id, home_id) = (TenantId::uuid(chosen), TenantId::uuid(home));
    let both = wires.of_session(&chosen_id, Some(&home_id));
    for told in [chosen, home] {
        assert!(both.finds(format!("{{\"x\":\"{told}\"}}").as_bytes()));
    }
    assert!(!both.finds(uuid::Uuid::from_u128(8).to_string().as_bytes()));
    // At home in the chosen one: there is one to look for.
    let one = wires.of_session(&chosen_id, Some(&chosen_id));
    assert!(matches!(*one, Tripwire::Uuid(_)));
}
