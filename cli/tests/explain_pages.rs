//! The examples of the rules' pages, on a real PostgreSQL and before the prover.
//!
//! A page is a story: its blocks are run one after the other in a database of its own, and what a
//! `text` block says is what the server must show. The second word of a block's fence is what it is:
//! `migration` (the owner runs it, the catalog is built from it), `fresh` (the same in an empty
//! database), `warned` (a migration that the page's code is told of), `admin` (an operator; past
//! row-level security), `refused` and `proved` (a statement of a tool; refused with the page's
//! code). `PAGES=overwrite` writes what the server shows into the pages.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![cfg(feature = "database")]

mod common;
#[path = "pages/server.rs"]
mod server;

use std::fmt::Write as _;

use common::Folder;
use server::{Server, TENANT};
use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::prove::{prove_system, prove_unproved};
use watertight_analysis::{
    Catalog, Code, Config, Diagnostic, Prepared, TenantBinding, prepare, prove,
};
use watertight_devdb::DevDb;

const PAGES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../analysis/src/explain/pages.md"
);
/// The tenants of the examples have short names.
const CONFIG: &str = "tenant.type = \"text\"\n";

/// A block between fences, or the prose between two of them.
#[derive(Default)]
struct Block {
    /// What stands behind the opening fence; absent for prose.
    fence: Option<String>,
    text: String,
}

impl Block {
    fn words(&self) -> Vec<&str> {
        self.fence
            .as_deref()
            .unwrap_or_default()
            .split(' ')
            .collect()
    }

    /// The value of a word `key=value`.
    fn given(&self, key: &str) -> Option<String> {
        self.words()
            .iter()
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
            .map(str::to_owned)
    }

    fn write(&self, to: &mut String) {
        match &self.fence {
            Some(fence) => write!(to, "```{fence}\n{}```\n", self.text).unwrap(),
            None => to.push_str(&self.text),
        }
    }
}

/// The pages with their blocks; what stands before the first page has no code.
fn pages(all: &str) -> Vec<(Option<Code>, Vec<Block>)> {
    let mut pages = vec![(None, vec![Block::default()])];
    let mut open = false;
    for line in all.lines() {
        if let Some(heading) = line.strip_prefix("# W").filter(|_| !open) {
            let code = Code::find(&format!("W{heading}"));
            assert!(code.is_some(), "{heading}");
            pages.push((code, vec![Block::default()]));
        }
        let blocks = &mut pages.last_mut().unwrap().1;
        if let Some(fence) = line.strip_prefix("```") {
            open = !open;
            let fence = open.then(|| fence.to_owned());
            let text = String::new();
            blocks.push(Block { fence, text });
        } else {
            let block = blocks.last_mut().unwrap();
            writeln!(block.text, "{line}").unwrap();
        }
    }
    assert!(!open, "a fence is not closed");
    pages
}

/// What a page's blocks so far amount to.
struct Story<'a> {
    code: Code,
    devdb: &'a DevDb,
    server: Server,
    toml: String,
    files: Vec<SourceFile>,
    failures: String,
}

impl<'a> Story<'a> {
    async fn new(code: Code, devdb: &'a DevDb) -> Self {
        Story {
            code,
            devdb,
            server: Server::new(devdb).await,
            toml: CONFIG.to_owned(),
            files: Vec::new(),
            failures: String::new(),
        }
    }

    fn fail(&mut self, block: &Block, why: &str) {
        writeln!(self.failures, "{}: {why}\n{}", self.code, block.text).unwrap();
    }

    fn has_code(&self, problems: &[Diagnostic]) -> bool {
        problems.iter().any(|problem| problem.code == self.code)
    }

    /// The catalog of the migrations so far, or why they are not taken.
    fn catalog(&self) -> Result<Catalog, Vec<Diagnostic>> {
        let config = Config::parse(&self.toml)?;
        Ok(Catalog::build(&config, &order(self.files.clone())?))
    }

    fn add(&mut self, block: &Block) {
        let path = block
            .given("file")
            .unwrap_or_else(|| format!("{:04}_page.sql", self.files.len() + 1));
        self.files.push(SourceFile {
            path,
            text: block.text.clone(),
        });
    }

    /// Runs a block; what the server shows, where it was asked.
    async fn run(&mut self, block: &Block) -> Option<String> {
        let words = block.words();
        let word = words.get(1).copied().unwrap_or_default();
        match (words[0], word) {
            ("toml", "") => {
                self.toml.push_str(&block.text);
                if let Err(problems) = Config::parse(&self.toml) {
                    self.fail(
                        block,
                        &format!("the configuration is refused: {problems:?}"),
                    );
                }
                None
            }
            ("toml", "refused") => {
                match Config::parse(&block.text) {
                    Err(problems) if self.has_code(&problems) => {}
                    other => self.fail(block, &format!("not refused with the code: {other:?}")),
                }
                None
            }
            ("sql", "migration" | "fresh" | "warned") => {
                if word == "fresh" {
                    self.server = Server::new(self.devdb).await;
                    self.files.clear();
                }
                self.add(block);
                let told = match self.catalog() {
                    Ok(catalog) => catalog.diagnostics().to_vec(),
                    Err(problems) => problems,
                };
                if self.has_code(&told) != (word == "warned") {
                    self.fail(block, &format!("the migrations are told of: {told:?}"));
                }
                let shown = self.server.migrate(&block.text).await;
                if shown.starts_with("ERROR") && word != "warned" {
                    self.fail(block, &shown);
                }
                Some(shown)
            }
            ("sql", "admin") => {
                let shown = self.server.as_admin(&block.text).await;
                if shown.starts_with("ERROR") {
                    self.fail(block, &shown);
                }
                Some(shown)
            }
            ("sql", "refused" | "proved") => self.statement(block, word == "proved").await,
            ("rust" | "sh" | "", _) => None,
            _ => {
                self.fail(block, "a block of no kind");
                None
            }
        }
    }

    /// Whether the page's code is told. Where the rule is one of `catalog`, the block says with which
    /// code a statement is refused for it (`code=W0101`), and `catalog` must tell the page's.
    fn is_refused_so(&self, block: &Block, problems: &[Diagnostic]) -> bool {
        let Some(code) = block.given("code") else {
            return self.has_code(problems);
        };
        let mut folder = Folder::new("pages").with("watertight.toml", &self.toml);
        for file in &self.files {
            folder = folder.with(&format!("migrations/{}", file.path), &file.text);
        }
        let output = common::run(&folder.0, &["catalog", "--format", "json"], "");
        let told = self
            .catalog()
            .is_ok_and(|catalog| self.has_code(catalog.diagnostics()));
        problems.iter().any(|problem| problem.code.number() == code)
            && (told || common::stdout(&output).contains(self.code.number()))
    }

    /// A statement of a tool: what the prover says must be `proved`, and the server shows its rows.
    async fn statement(&mut self, block: &Block, proved: bool) -> Option<String> {
        let catalog = match self.catalog() {
            Ok(catalog) => catalog,
            Err(problems) => {
                self.fail(block, &format!("no catalog: {problems:?}"));
                return None;
            }
        };
        let sql = block.text.trim_end();
        let binding = TenantBinding::LastParameter;
        let prepared = prepare(sql, binding, catalog.config());
        let judged = prepared
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|prepared| {
                if let Some(tables) = block.given("system") {
                    let tables: Vec<String> = tables.split(',').map(str::to_owned).collect();
                    prove_system(&catalog, prepared, &tables)
                } else if block.words().contains(&"unproved") {
                    prove_unproved(&catalog, prepared)
                } else {
                    prove(&catalog, prepared)
                }
            });
        match judged {
            Ok(_) if proved => {}
            Err(problems) if !proved && self.is_refused_so(block, &problems) => {}
            Ok(_) => self.fail(block, "it is proved"),
            Err(problems) => {
                let told: Vec<String> = problems
                    .iter()
                    .map(|problem| watertight_analysis::render(problem, sql))
                    .collect();
                self.fail(block, &format!("it is refused:\n{}", told.join("\n")));
            }
        }
        let prepared = prepared.ok()?;
        let values = values(&prepared)?;
        Some(self.server.as_tenant(&prepared, &values).await)
    }
}

/// The values that a comment `-- $a = 'x', $b = 2` gives, in the order of the numbers.
fn values(prepared: &Prepared) -> Option<Vec<String>> {
    let comment = prepared.source.lines().next().unwrap_or_default();
    let given = |name: &str| {
        comment.strip_prefix("-- ")?.split(", $").find_map(|pair| {
            let (key, value) = pair.trim_start_matches('$').split_once(" = ")?;
            (key == name).then(|| value.to_owned())
        })
    };
    let mut values: Vec<(u32, String)> = Vec::new();
    for parameter in &prepared.parameters {
        let name = parameter
            .name
            .clone()
            .unwrap_or_else(|| parameter.number.to_string());
        values.push((parameter.number, given(&name)?));
    }
    values.extend(
        prepared
            .tenant
            .map(|number| (number, format!("'{TENANT}'"))),
    );
    values.sort();
    Some(values.into_iter().map(|(_, value)| value).collect())
}

#[test]
fn every_example_is_true() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(examples());
}

async fn examples() {
    let overwrite = std::env::var("PAGES").is_ok_and(|value| value == "overwrite");
    let only = std::env::var("PAGE").ok();
    let devdb = DevDb::from_env_or_start().await.unwrap();
    let all = std::fs::read_to_string(PAGES).unwrap();
    let mut failures = String::new();
    let mut written = String::new();
    let (mut refusals, mut compared) = (0, 0);
    for (code, mut blocks) in pages(&all) {
        let wanted = |code: &Code| only.as_ref().is_none_or(|only| only == code.number());
        let fenced = blocks.iter().any(|block| block.fence.is_some());
        if let Some(code) = code.filter(wanted).filter(|_| fenced) {
            let mut story = Story::new(code, &devdb).await;
            let mut shown: Option<String> = None;
            for block in &mut blocks {
                match block.words().as_slice() {
                    ["text"] => {
                        let Some(seen) = shown.take() else {
                            story.fail(block, "the server was not asked for this");
                            continue;
                        };
                        compared += 1;
                        let seen = format!("{seen}\n");
                        if overwrite {
                            block.text = seen;
                        } else if block.text != seen {
                            story.fail(block, &format!("the server shows\n{seen}"));
                        }
                    }
                    words => {
                        refusals += usize::from(words.contains(&"refused"));
                        if let Some(seen) = story.run(block).await {
                            shown = Some(seen);
                        }
                    }
                }
            }
            failures.push_str(&story.failures);
        }
        blocks.iter().for_each(|block| block.write(&mut written));
    }
    assert!(overwrite || failures.is_empty(), "\n{failures}");
    if overwrite {
        std::fs::write(PAGES, &written).unwrap();
    } else if only.is_none() {
        assert!(written == all, "the pages are not read as they are written");
        assert!(refusals > 44 && compared > 60, "{refusals} {compared}");
    }
    assert!(failures.is_empty(), "\n{failures}");
}
