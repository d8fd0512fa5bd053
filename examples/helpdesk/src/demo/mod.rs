//! The demo: two organisations at work on one server, then everything an attacker would try.
//!
//! Invariant: every row is the result of real requests to a real server, judged by what the database
//! holds; nothing is assumed to hold.

pub mod attacks;
pub mod client;
pub mod logs;
pub mod table;
pub mod truth;
mod work;

use crate::desk::{Desk, Running};
use crate::seed::{ORGANISATIONS, Organisation};
use client::{Bare, Client, Era};
use logs::Logs;
use std::time::Instant;
use table::{Row, Style};
use truth::Truth;

/// Everything an attack needs.
#[derive(Debug)]
pub struct World {
    /// The server under attack, and the tokens of its organisations.
    pub running: Running,
    /// The database as it is.
    pub truth: Truth,
    /// The server's log.
    pub logs: Logs,
    /// A client that can send anything.
    pub bare: Bare,
}

impl World {
    /// A desk and its server, with the log kept in memory.
    ///
    /// # Errors
    /// If a part can't be started.
    pub async fn set_up() -> anyhow::Result<(Desk, Self)> {
        Self::of(Desk::set_up().await?).await
    }

    /// The same around a desk that is there.
    ///
    /// # Errors
    /// If a part can't be started.
    pub async fn of(desk: Desk) -> anyhow::Result<(Desk, Self)> {
        let logs = Logs::capture();
        let running = desk.serve("127.0.0.1:0").await?;
        let truth = Truth::read(desk.database().admin_url()).await?;
        let bare = Bare::new(&running.url)?;
        let world = Self {
            running,
            truth,
            logs,
            bare,
        };
        Ok((desk, world))
    }

    /// The attacker's organisation.
    pub fn northwind(&self) -> &'static Organisation {
        let [northwind, _] = &ORGANISATIONS;
        northwind
    }

    /// The victim.
    pub fn contoso(&self) -> &'static Organisation {
        let [_, contoso] = &ORGANISATIONS;
        contoso
    }

    /// A client with an organisation's own token.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn client(&self, organisation: &Organisation, era: Era) -> anyhow::Result<Client> {
        Client::connect(&self.running.url, &self.running.token(organisation)?, era).await
    }
}

/// Sets everything up, lets both organisations work, attacks, and prints what happened.
///
/// Returns whether everything held.
///
/// # Errors
/// If the demo could not be set up.
pub async fn run() -> anyhow::Result<bool> {
    let begin = Instant::now();
    let style = Style::of_stdout();
    let (desk, mut world) = World::set_up().await?;
    println!("\n{}", style.heading("One MCP server, two organisations"));
    println!("{} on {}", world.running.url, desk.describe());
    println!("set up in {:.1} s\n", begin.elapsed().as_secs_f32());

    let (work, attack) = (
        "Ordinary work, all at the same time",
        "Attacks by Northwind Traders",
    );
    println!("{}", style.top(work, "What came back"));
    let mut rows = work::both_organisations(&world).await;
    rows.iter().for_each(|row| println!("{}", style.row(row)));
    println!("{}\n", style.bottom());
    world.truth.refresh().await?;

    println!("{}", style.top(attack, "What came back"));
    let mut show = |row: Row| {
        println!("{}", style.row(&row));
        rows.push(row);
    };
    attacks::all(&world, &mut show).await;
    println!("{}\n", style.bottom());

    println!("{}\n", style.verdict(&rows, begin.elapsed().as_secs_f32()));
    world.running.stop().await;
    Ok(rows.iter().all(Row::held))
}
