//! Who asks: headers, environment, and the texts that only this identity may see.
//!
//! Invariant: every credential is kept out of what is shown before the first request is sent.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use watertight_analysis::words::{Extra, Tier, classify};

use super::args::Who;
use super::shown::keep_secret;

/// One of the two identities, or nobody.
#[derive(Clone, Default)]
pub(crate) struct Identity {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) marks: Vec<Mark>,
}

/// A text that belongs to one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// `canary`, or the name of a claim.
    pub(crate) what: String,
    pub(crate) text: String,
}

impl Mark {
    /// How a finding names it.
    pub(crate) fn name(&self) -> String {
        match self.what.as_str() {
            "canary" => "canary".to_owned(),
            claim => format!("claim `{claim}`"),
        }
    }
}

/// The first identity and, where one is given, the second.
pub(crate) fn identities(who: &Who, extra: &Extra) -> Result<(Identity, Option<Identity>)> {
    let first = identity(
        token(who.token.as_deref(), who.token_env.as_deref())?,
        &who.header,
        &who.env,
        &who.canary,
        extra,
    )?;
    let other = identity(
        token(who.other_token.as_deref(), who.other_token_env.as_deref())?,
        &who.other_header,
        &who.other_env,
        &who.other_canary,
        extra,
    )?;
    if other.headers.is_empty() && other.env.is_empty() {
        if !who.other_canary.is_empty() {
            bail!(
                "--other-canary needs a second identity: --other-token-env, --other-header or --other-env"
            );
        }
        return Ok((first, None));
    }
    if other.headers == first.headers && other.env == first.env {
        bail!(
            "the two identities are the same: give the token of a user of another tenant as --other-token-env"
        );
    }
    let tenant = first.marks.iter().find(|mark| {
        classify(&mark.what, extra).is_some_and(|it| it.tier == Tier::First)
            && other.marks.contains(mark)
    });
    if let Some(mark) = tenant {
        bail!(
            "both tokens have the same `{}`: the second identity has to be of another tenant",
            mark.what
        );
    }
    let (mut first, mut other) = (first, other);
    let theirs = other.marks.clone();
    other
        .marks
        .retain(|mark| !first.marks.iter().any(|own| own.text == mark.text));
    first
        .marks
        .retain(|mark| !theirs.iter().any(|own| own.text == mark.text));
    Ok((first, Some(other)))
}

fn token(given: Option<&str>, variable: Option<&str>) -> Result<Option<String>> {
    match (given, variable) {
        (Some(token), _) => Ok(Some(token.trim().to_owned())),
        (None, Some(variable)) => {
            let token = std::env::var(variable)
                .with_context(|| format!("the environment variable `{variable}` holds no token"))?;
            if token.trim().is_empty() {
                bail!("the environment variable `{variable}` is empty; it should hold the token");
            }
            Ok(Some(token.trim().to_owned()))
        }
        (None, None) => Ok(None),
    }
}

fn identity(
    token: Option<String>,
    headers: &[String],
    env: &[String],
    canaries: &[String],
    extra: &Extra,
) -> Result<Identity> {
    let mut identity = Identity::default();
    for text in headers {
        let Some((name, value)) = text.split_once(':') else {
            // Not shown: what stands there may be the secret alone.
            bail!("a header is written as `Name: value`; one of those given has no colon");
        };
        let value = value.trim();
        // `Bearer abc`: the secret is what follows.
        value.split(' ').for_each(keep_secret);
        keep_secret(value);
        identity.marks.extend(claims(value, extra));
        let name: HeaderName = name
            .trim()
            .parse()
            .map_err(|_| anyhow::anyhow!("`{}` is no name of a header", name.trim()))?;
        identity.headers.push((name, sensitive(value)?));
    }
    if let Some(token) = token {
        keep_secret(&token);
        identity.marks.extend(claims(&token, extra));
        let value = sensitive(&format!("Bearer {token}"))?;
        identity.headers.push((http::header::AUTHORIZATION, value));
    }
    for text in env {
        let Some((name, value)) = text.split_once('=') else {
            bail!("a variable is written as `NAME=value`; one of those given has no `=`");
        };
        keep_secret(value);
        identity.env.push((name.to_owned(), value.to_owned()));
    }
    for text in canaries {
        if text.trim().chars().count() < 3 {
            bail!("a canary needs at least three characters: a shorter text is everywhere");
        }
        identity.marks.push(Mark {
            what: "canary".to_owned(),
            text: text.trim().to_owned(),
        });
    }
    Ok(identity)
}

fn sensitive(value: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        anyhow::anyhow!("a header's value holds characters that no header may have")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Claims that say who a person is, beside those that name a tenant.
const PERSONAL: &[&str] = &["sub", "email", "preferred_username", "upn", "tid", "oid"];

/// What a token says of its owner, if it is a JWT. It is read, not verified: that is the server's part.
fn claims(value: &str, extra: &Extra) -> Vec<Mark> {
    let token = value.rsplit(' ').next().unwrap_or(value);
    let mut parts = token.split('.');
    let (Some(_), Some(body), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Vec::new();
    };
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(body.trim_end_matches('=')) else {
        return Vec::new();
    };
    let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(&bytes) else {
        return Vec::new();
    };
    let named = |name: &str| PERSONAL.contains(&name) || classify(name, extra).is_some();
    let long = |text: &str| {
        text.chars().count() >= 4 && !(text.len() < 8 && text.bytes().all(|b| b.is_ascii_digit()))
    };
    body.iter()
        .filter_map(|(name, value)| {
            let last = name.rsplit('/').next().unwrap_or(name);
            let text = value.as_str()?;
            (named(last) && long(text)).then(|| Mark {
                what: last.to_owned(),
                text: text.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(token: &str, other: &str) -> Who {
        Who {
            token: Some(token.to_owned()),
            token_env: None,
            header: Vec::new(),
            env: Vec::new(),
            canary: Vec::new(),
            other_token: Some(other.to_owned()),
            other_token_env: None,
            other_header: Vec::new(),
            other_env: Vec::new(),
            other_canary: Vec::new(),
        }
    }

    fn jwt(body: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(body))
    }

    #[test]
    fn claims_that_both_have_are_of_neither() {
        let acme = jwt(r#"{"iss":"https://id.example","sub":"amy@acme.example","upn":"service"}"#);
        let bolt = jwt(r#"{"iss":"https://id.example","sub":"bob@bolt.example","upn":"service"}"#);
        let (first, other) = identities(&who(&acme, &bolt), &Extra::default()).unwrap();
        let texts = |identity: &Identity| -> Vec<String> {
            identity.marks.iter().map(|it| it.text.clone()).collect()
        };
        assert_eq!(texts(&first), ["amy@acme.example"]);
        assert_eq!(texts(&other.unwrap()), ["bob@bolt.example"]);
    }

    #[test]
    fn two_users_of_one_tenant_are_refused() {
        let amy = jwt(r#"{"sub":"amy@acme.example","org_id":"org-acme"}"#);
        let bob = jwt(r#"{"sub":"bob@acme.example","org_id":"org-acme"}"#);
        let error = identities(&who(&amy, &bob), &Extra::default());
        assert!(error.err().unwrap().to_string().contains("`org_id`"));
    }

    #[test]
    fn the_same_identity_twice_is_refused() {
        let error = identities(&who("token-one", "token-one"), &Extra::default());
        assert!(error.err().unwrap().to_string().contains("the same"));
    }
}
