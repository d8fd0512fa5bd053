//! The desk's tools: what a model can do for the people of one organisation.
//!
//! Invariant: no tool names an organisation. Whose rows these are is decided by the token of the
//! request; the arguments only choose among them.

mod beside;
mod customers;
mod prices;
mod reports;
mod tickets;

use watertight::{Completions, Prompts, Resources, Tools, completions, prompts, resources, tools};

/// Every tool of the desk.
pub fn all() -> Tools {
    tools![
        customers::list_customers,
        customers::get_customer,
        customers::upsert_customer,
        customers::export_customers,
        tickets::list_tickets,
        tickets::search_tickets,
        tickets::get_ticket,
        tickets::create_ticket,
        tickets::reply_to_ticket,
        tickets::assign_ticket,
        tickets::close_ticket,
        tickets::create_tag,
        reports::tickets_by_status,
        reports::agent_workload,
        prices::price_list,
    ]
}

/// What clients read by a URI.
pub fn resources() -> Resources {
    resources![beside::ticket]
}

/// What people pick from a list.
pub fn prompts() -> Prompts {
    prompts![beside::draft_answer]
}

/// What is suggested while they type.
pub fn completions() -> Completions {
    completions![beside::complete_number]
}
