//! Beside the answers themselves: no token, sessions of others, and what caches may keep.

use watertight_analysis::Code;
use watertight_analysis::finding::{Finding, Level, Place};

use super::{CALLED, Scene, quote};
use crate::scan::ask::{Ask, ask};
use crate::scan::atoms::{best, common, telling};
use crate::scan::client::Client;
use crate::scan::inventory::LISTS;
use crate::scan::wire::Failure;
use serde_json::json;

/// How many questions are asked by nobody.
const WITHOUT_TOKEN: usize = 12;

impl Scene<'_> {
    /// Asks without credentials what the identities were answered.
    pub(super) async fn nobody(&mut self) -> Result<(), Failure> {
        let server = || Place::object("server", "authentication");
        let client = match &self.nobody {
            None => return Ok(()),
            Some(Err(Failure::Denied(_))) => {
                self.out.held(server(), "it refuses whoever has no token");
                return Ok(());
            }
            Some(Err(failure)) => {
                let why = format!("without credentials {}", failure.reason());
                self.out.unseen(why, "server authentication");
                return Ok(());
            }
            Some(Ok(client)) => client.clone(),
        };
        let mut asks: Vec<Ask> = Vec::new();
        for side in 0..2 {
            let memory = self.memory(side);
            let mine = memory
                .answers
                .keys()
                .filter(|it| memory.succeeded(it) && !matches!(it, Ask::List { .. }))
                .take(WITHOUT_TOKEN);
            asks.extend(mine.cloned());
        }
        asks.dedup();
        let (mut answered, mut shown) = (0, Vec::new());
        self.progress.stage("without credentials", asks.len());
        let private = [self.private(0), self.private(1)];
        for question in &asks {
            match ask(&client, question).await {
                Err(failure @ Failure::Limit(_)) => return Err(failure),
                Err(_) => {}
                Ok(seen) if seen.content.is_err() => {}
                Ok(seen) => {
                    answered += 1;
                    for (side, private) in private.iter().enumerate() {
                        let held = common(private, &seen.atoms);
                        if telling(&held) {
                            shown.push((question.clone(), side, held));
                        }
                    }
                    self.public.extend(seen.atoms.into_keys());
                }
            }
            self.progress.step(&question.shown(), self.pace.calls());
        }
        for (question, side, held) in &shown {
            let message = format!(
                "without a token it shows {} of {}",
                quote(best(held).unwrap_or_default()),
                CALLED.get(*side).unwrap_or(&"")
            );
            let finding = Finding::new(Code::NO_TOKEN, question.place(), message)
                .note(format!("asked as {}", quote(&question.shown())))
                .help("verify the token on every request, and answer 401 without one");
            self.out.find(finding);
        }
        if answered > 0 && shown.is_empty() {
            let message = format!(
                "it answers {answered} of {} calls without a token",
                asks.len()
            );
            let finding = Finding::new(Code::NO_TOKEN, server(), message)
                .review()
                .level(Level::Low)
                .note("what it answered was nobody's in particular")
                .help("if the server is for everybody, suppress this with that reason; otherwise verify the token on every request");
            self.out.find(finding);
        } else if answered == 0 && !asks.is_empty() {
            self.out
                .held(server(), "without a token no call is answered");
        }
        Ok(())
    }

    /// Uses the first identity's session with the other's credentials, and with none.
    pub(super) async fn sessions(&mut self) -> Result<(), Failure> {
        let place = || Place::object("server", "sessions");
        if self.identity(0).headers.is_empty() && self.identity(1).headers.is_empty() {
            return Ok(());
        }
        let [first, other] = self.clients.clone();
        // A server of the revision without sessions may still open them for older clients.
        let owner = match first.with_session().await {
            Ok(client) if client.session().is_some() => client,
            Ok(_) => {
                self.out.held(place(), "it opens no sessions");
                return Ok(());
            }
            Err(failure @ Failure::Limit(_)) => return Err(failure),
            Err(_) => {
                self.out.held(place(), "it opens no sessions");
                return Ok(());
            }
        };
        self.progress.stage("sessions", 3);
        let nobody = match &self.nobody {
            Some(Ok(client)) => Some(client.clone()),
            _ => None,
        };
        // A server for everybody serves everybody's sessions: that is told already.
        let open = match &nobody {
            Some(client) => serves(client).await?,
            None => false,
        };
        let made_up = other.in_no_session();
        if open {
            self.out.unseen(
                "the server takes whoever comes, so its sessions have no owner",
                "server sessions",
            );
        } else if serves(&made_up).await? {
            self.out
                .held(place(), "a session's id does not matter to it");
        } else if serves(&other.in_session_of(&owner)).await? {
            self.session_taken(&owner, &other, &place()).await?;
        } else {
            self.out
                .held(place(), "a session answers only to who opened it");
        }
        owner.close().await;
        Ok(())
    }

    async fn session_taken(
        &mut self,
        owner: &Client,
        other: &Client,
        place: &Place,
    ) -> Result<(), Failure> {
        let borrowed = other.in_session_of(owner);
        let private = self.private(0);
        let memory = self.memory(0);
        let question = memory
            .answers
            .keys()
            .filter(|it| memory.succeeded(it))
            .max_by_key(|it| common(&private, &memory.stable(it)).len())
            .cloned();
        let mut message =
            "a session answers to the token of an identity that did not open it".to_owned();
        let mut level = Level::Medium;
        let mut by_token = false;
        let mut notes = vec!["`tools/list` with the other's token and this session's id was served; an id that no session has was not".to_owned()];
        if let Some(question) = question {
            let theirs = self.private(1);
            match ask(&borrowed, &question).await {
                Ok(seen) => {
                    let held = common(&private, &seen.atoms);
                    // The SDKs serve a session to whoever comes, and leave it to tools whose it is.
                    let alike = self.memory(1).first(&question);
                    by_token = held.is_empty()
                        && (telling(&common(&theirs, &seen.atoms))
                            || alike.is_some_and(|it| it.content == seen.content)
                                && !private.is_empty());
                    if telling(&held) {
                        let what = quote(best(&held).unwrap_or_default());
                        message = format!(
                            "with the session of the first identity the other is shown {what} of it"
                        );
                        level = Level::High;
                    }
                    notes.push(format!("asked as {}", quote(&question.shown())));
                }
                Err(failure @ Failure::Limit(_)) => return Err(failure),
                Err(_) => {}
            }
        }
        let mut finding = Finding::new(Code::SESSION_NOT_BOUND, place.clone(), message)
            .level(level)
            .help("keep with each session who opened it, and answer 404 to everyone else");
        let nothing_told = level != Level::High && private.is_empty();
        if nothing_told {
            notes.push("nothing that it answers tells the two apart, so whose data it shows there can't be told".to_owned());
            finding = finding.review().level(Level::Low);
        } else if by_token && level != Level::High {
            notes.push("what it answers there is the caller's own, so tools go by the token; what the server sends by itself may go to whoever opened the session".to_owned());
            finding = finding.review().level(Level::Low);
        } else if level != Level::High {
            finding = finding.review();
        }
        finding.notes = notes;
        self.out.find(finding);
        Ok(())
    }

    /// What differs by caller, and is marked as if it did not.
    pub(super) fn caches(&mut self) {
        let mut found = Vec::new();
        for (at, list) in LISTS.iter().enumerate() {
            let (Some(a), Some(b)) = (self.inventory(0).get(at), self.inventory(1).get(at)) else {
                continue;
            };
            if a.entries == b.entries {
                continue;
            }
            let place = Place::object("server", list.method);
            if a.scope.as_deref() == Some("public") || b.scope.as_deref() == Some("public") {
                let message = format!(
                    "`{}` differs by caller and says `cacheScope: public`",
                    list.method
                );
                found.push(shared(place, message));
            } else if a.scope.is_some() {
                self.out
                    .held(place, "it differs by caller, and says that it is private");
            }
        }
        for question in self.memory(0).answers.keys() {
            let (Some(a), Some(b)) = (
                self.memory(0).first(question),
                self.memory(1).first(question),
            ) else {
                continue;
            };
            let differs = a.content.is_ok() && b.content.is_ok() && a.atoms != b.atoms;
            if !differs {
                continue;
            }
            let public = |it: &Option<String>| {
                it.as_ref().is_some_and(|it| {
                    let it = it.to_lowercase();
                    it.contains("public") || it.contains("s-maxage")
                })
            };
            if public(&a.scope) || public(&b.scope) {
                let message =
                    "its answer differs by caller and says `cacheScope: public`".to_owned();
                found.push(shared(question.place(), message));
            }
            if public(&a.marks.cache_control) || public(&b.marks.cache_control) {
                let message =
                    "its answer differs by caller and says `Cache-Control: public`".to_owned();
                found.push(shared(question.place(), message).about("header"));
            }
            if a.marks.etag.is_some() && a.marks.etag == b.marks.etag {
                let message = "different answers to two callers have the same `ETag`".to_owned();
                found.push(
                    shared(question.place(), message)
                        .about("etag")
                        .level(Level::Low),
                );
            }
        }
        found.into_iter().for_each(|it| self.out.find(it));
    }
}

fn shared(place: Place, message: String) -> Finding {
    Finding::new(Code::SHARED_CACHE, place, message)
        .help("say `cacheScope: private` and `Cache-Control: private, no-store` on what depends on the caller")
}

/// Whether a request is served.
async fn serves(client: &Client) -> Result<bool, Failure> {
    match client.request("tools/list", json!({})).await {
        Ok(answer) => Ok(answer.result.is_ok()),
        Err(failure @ Failure::Limit(_)) => Err(failure),
        Err(_) => Ok(false),
    }
}
