//! How long what a call was given is good for: until the call ends or its token expires.
//!
//! Invariant: everything that reaches data on behalf of a session asks its `Life` first. A life
//! that is over never begins again, and one made within another is over no later than that one.

use std::time::{Duration, SystemTime};

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::db::{DbError, DbErrorKind};

/// How long a session, and what was opened for it, may be used. Clones are over together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life {
    /// Cancelled when the call ends. `None` outside of a call.
    call: Option<CancellationToken>,
    until: Option<SystemTime>,
}

/// A call that runs. Its life is over when this is dropped, however that comes about.
#[derive(Debug)]
#[must_use = "the call's life is over when this is dropped"]
pub(crate) struct Running {
    _ends: DropGuard,
}

/// Why a life is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The call has ended.
    Call,
    /// The credentials have expired.
    Credentials,
}

impl Life {
    /// Of what is bound to credentials alone.
    pub(crate) const fn until(until: Option<SystemTime>) -> Self {
        Self { call: None, until }
    }

    /// A life within this one, over as soon as what is returned beside it is dropped.
    pub(crate) fn of_call(&self) -> (Self, Running) {
        let call = match &self.call {
            Some(outer) => outer.child_token(),
            None => CancellationToken::new(),
        };
        let running = Running {
            _ends: call.clone().drop_guard(),
        };
        let life = Self {
            call: Some(call),
            until: self.until,
        };
        (life, running)
    }

    /// Refuses what is over.
    pub(crate) fn check(&self) -> Result<(), Over> {
        if self
            .call
            .as_ref()
            .is_some_and(CancellationToken::is_cancelled)
        {
            return Err(Over::Call);
        }
        match self.left() {
            Some(Duration::ZERO) => Err(Over::Credentials),
            _ => Ok(()),
        }
    }

    /// What is left before the credentials expire; `None` if they do not.
    pub(crate) fn left(&self) -> Option<Duration> {
        let until = self.until?;
        let left = until.duration_since(SystemTime::now());
        Some(left.unwrap_or_default())
    }

    /// Waits until it is over.
    pub(crate) async fn over(&self) -> Over {
        let called = async {
            match &self.call {
                Some(call) => call.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = called => Over::Call,
            () = self.expired() => Over::Credentials,
        }
    }

    async fn expired(&self) {
        // Again and again, because the system's clock may be set while this sleeps.
        while let Some(left) = self.left() {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
        std::future::pending().await
    }
}

impl From<Over> for DbError {
    fn from(over: Over) -> Self {
        Self::new(match over {
            Over::Call => DbErrorKind::Ended,
            Over::Credentials => DbErrorKind::Expired,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_life_ends_with_its_call_and_with_every_call_around_it() {
        let (outer, running) = Life::default().of_call();
        let (inner, inner_running) = outer.of_call();
        assert_eq!((outer.check(), inner.check()), (Ok(()), Ok(())));
        drop(inner_running);
        assert_eq!((outer.check(), inner.check()), (Ok(()), Err(Over::Call)));
        let (second, _second_running) = outer.of_call();
        drop(running);
        assert_eq!(second.check(), Err(Over::Call));
        assert_eq!(second.clone().over().await, Over::Call);
        assert_eq!(Life::default().check(), Ok(()));
    }

    #[tokio::test]
    async fn a_life_ends_with_its_credentials() {
        let soon = SystemTime::now() + Duration::from_millis(30);
        let (life, _running) = Life::until(Some(soon)).of_call();
        assert_eq!(life.check(), Ok(()));
        assert!(life.left().unwrap() <= Duration::from_millis(30));
        assert_eq!(life.over().await, Over::Credentials);
        assert_eq!(life.check(), Err(Over::Credentials));
    }
}
