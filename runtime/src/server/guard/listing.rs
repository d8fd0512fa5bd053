//! The look at what a server that is not ours publishes, where nobody named its tools beforehand:
//! every answer that lists tools, prompts or templates is walked before it leaves.
//!
//! Invariant: a list with a finding does not leave, and what was found in it can't be called from
//! then on. A server of ours was walked when it was built and has no such look.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use memchr::memmem;
use rmcp::model::{Prompt, ResourceTemplate, Tool};
use serde_json::Value;
use watertight_analysis::words::Extra;

use super::GuardBuilder;
use crate::auth::TenantChoice;
use crate::server::caller::ServerState;
use crate::tool::published_like_ours;
use crate::walk::{Finding, Published, Rule, Waiver, Walk, waivers_of};

/// Lists whose verdict is remembered. They differ by the caller's scopes and by page.
const KEPT: usize = 64;

/// Walks the lists that pass.
pub(super) struct Listing {
    extra: Extra,
    reserved: Vec<String>,
    waivers: Vec<Waiver>,
    /// Whether names that only may be a tenant's were judged by the macros, with a catalog that is
    /// not at hand here.
    judged: bool,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// By the list itself: whether it may leave.
    verdicts: HashMap<String, bool>,
    /// Tools and prompts that were found at fault, as records name them.
    refused: HashSet<String>,
}

impl Listing {
    pub(super) fn new(
        extra: Extra,
        reserved: Vec<String>,
        waivers: Vec<Waiver>,
        judged: bool,
    ) -> Self {
        Self {
            extra,
            reserved,
            waivers,
            judged,
            seen: Mutex::default(),
        }
    }

    /// Whether this message lists something through which a client could name a tenant.
    pub(super) fn refuses(&self, message: &[u8]) -> bool {
        // Most answers are none of these lists and are not parsed.
        let words: [&[u8]; 3] = [b"\"inputSchema\"", b"\"uriTemplate\"", b"\"prompts\""];
        if !words
            .iter()
            .any(|word| memmem::find(message, word).is_some())
        {
            return false;
        }
        let Ok(message) = serde_json::from_slice::<Value>(message) else {
            // Several events, or a result that quotes such a list: whoever splits them asks again.
            return false;
        };
        let Some(result) = message.get("result") else {
            return false;
        };
        ["tools", "prompts", "resourceTemplates"]
            .iter()
            .filter_map(|kind| Some((*kind, result.get(kind)?.as_array()?)))
            .any(|(kind, list)| !self.passes(kind, list))
    }

    /// Whether a call of this was found to be at fault.
    pub(super) fn has_refused(&self, called: &str) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.refused.contains(called)
    }

    fn passes(&self, kind: &str, list: &[Value]) -> bool {
        let key = format!("{kind}{}", Value::from(list.to_vec()));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(passes) = seen.verdicts.get(&key) {
            return *passes;
        }
        let findings = self.findings(kind, list);
        let mut passes = findings.is_some();
        if !passes {
            tracing::error!(kind, "a list was withheld: an entry of it can't be read");
        }
        for finding in findings.iter().flatten() {
            if !self.stops(finding.rule) {
                tracing::warn!(
                    %finding,
                    "a published tool takes more than it names; name the tools to the guard, \
                     `.tools(&router)`, to have it refused when the server starts"
                );
                continue;
            }
            passes = false;
            tracing::error!(
                %finding,
                "the list was withheld; name the tools to the guard, `.tools(&router)`, to be told \
                 when the server starts, or accept the place with `.allow_argument(…)`"
            );
            seen.refused.insert(match finding.kind {
                Published::Prompt => format!("prompt:{}", finding.name),
                _ => finding.name.clone(),
            });
        }
        if seen.verdicts.len() >= KEPT {
            seen.verdicts.clear();
        }
        seen.verdicts.insert(key, passes);
        passes
    }

    /// What asks a client for a tenant stops a list. An argument of any form is told of alone: rmcp
    /// publishes open objects unless they are told not to be, and the server is running already.
    fn stops(&self, rule: Rule) -> bool {
        match rule {
            Rule::TenantName | Rule::Header | Rule::ReservedHeader => true,
            // `customer_id` is honest where there is a table `customers`, which a catalog tells.
            Rule::AmbiguousName => !self.judged,
            _ => false,
        }
    }

    /// `None` if an entry is not what the list is of: then nothing is known about it.
    fn findings(&self, kind: &str, list: &[Value]) -> Option<Vec<Finding>> {
        match kind {
            "tools" => {
                let mut tools: Vec<Tool> = read(list)?;
                // What is ours, word for word, has the exceptions of its own attributes.
                for tool in &mut tools {
                    if let Some(own) = published_like_ours(tool) {
                        tool.input_schema = own;
                    }
                }
                let waivers = waivers_of(&tools, &self.waivers, self.judged);
                Some(self.walk(waivers).tools(&tools))
            }
            "prompts" => {
                let prompts: Vec<Prompt> = read(list)?;
                Some(self.walk(self.waivers.clone()).prompts(&prompts))
            }
            _ => {
                let templates: Vec<ResourceTemplate> = read(list)?;
                let walk = self.walk(self.waivers.clone());
                Some(walk.resource_templates(&templates))
            }
        }
    }

    fn walk(&self, waivers: Vec<Waiver>) -> Walk {
        Walk::with(self.extra.clone(), waivers, self.reserved.clone())
    }
}

impl GuardBuilder {
    /// Behind the guard stands a server of ours, which was looked at when it was built.
    pub(crate) fn walked(mut self) -> Self {
        self.walked = true;
        self
    }

    /// The look at lists as they leave.
    pub(super) fn listing(&self, state: &ServerState) -> Option<Arc<Listing>> {
        if self.walked {
            return None;
        }
        let reserved = self.choice().map(TenantChoice::reserved);
        let judged = state.pool().is_none();
        Some(Arc::new(Listing::new(
            state.extra().clone(),
            reserved.unwrap_or_default(),
            self.waivers.clone(),
            judged,
        )))
    }
}

fn read<T: serde::de::DeserializeOwned>(list: &[Value]) -> Option<Vec<T>> {
    let read = |entry: &Value| serde_json::from_value(entry.clone()).ok();
    list.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listing() -> Listing {
        let extra = Extra {
            tenant_column: "tenant_id".to_owned(),
            ..Extra::default()
        };
        Listing::new(extra, Vec::new(), Vec::new(), true)
    }

    fn tools(argument: &str) -> Vec<u8> {
        let schema = json!({ "type": "object", "properties": { argument: { "type": "string" } },
            "additionalProperties": false });
        let tool = json!({ "name": "search", "inputSchema": schema });
        serde_json::to_vec(&json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": [tool] } }))
            .unwrap()
    }

    #[test]
    fn a_list_with_a_finding_does_not_leave_and_its_tool_is_not_called() {
        let listing = listing();
        assert!(!listing.refuses(&tools("text")));
        assert!(!listing.has_refused("search"));
        for _ in 0..2 {
            assert!(listing.refuses(&tools("orgId")));
            assert!(listing.has_refused("search"));
        }
    }

    #[test]
    fn prompts_and_templates_are_walked_too() {
        let listing = listing();
        let prompts = json!({ "result": { "prompts": [
            { "name": "letter", "arguments": [{ "name": "tenant_id" }] } ] } });
        assert!(listing.refuses(prompts.to_string().as_bytes()));
        assert!(listing.has_refused("prompt:letter"));
        let templates = json!({ "result": { "resourceTemplates": [
            { "name": "page", "uriTemplate": "crm://tenants/{id}" } ] } });
        assert!(listing.refuses(templates.to_string().as_bytes()));
    }

    #[test]
    fn what_is_no_list_passes_and_what_can_not_be_read_does_not() {
        let listing = listing();
        let quoted = json!({ "result": { "content": [
            { "type": "text", "text": String::from_utf8(tools("orgId")).unwrap() } ] } });
        assert!(!listing.refuses(quoted.to_string().as_bytes()));
        let broken = json!({ "result": { "tools": [{ "inputSchema": 7 }] } });
        assert!(listing.refuses(broken.to_string().as_bytes()));
    }

    #[test]
    fn an_exception_with_a_reason_lets_the_list_pass() {
        let mut listing = listing();
        listing.waivers.push(Waiver {
            tool: "search".to_owned(),
            place: crate::walk::Place::Path("orgId".to_owned()),
            reason: "the organisation of a contact".to_owned(),
        });
        assert!(!listing.refuses(&tools("orgId")));
    }
}
