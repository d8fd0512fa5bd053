//! The tokens of a text: the raw tree tells where things begin, the tokens where they end.

use rupg_sql::{character, token};

use crate::ir::Span;

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// The grammar's number.
    pub(crate) kind: u16,
    /// Its first byte.
    pub(crate) start: usize,
    /// The byte after it.
    pub(crate) end: usize,
    /// Whether it is an identifier or a key word.
    pub(crate) word: bool,
}

/// The tokens of a text with their brackets matched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    list: Vec<Token>,
    /// For an opening bracket the index of its closing one, and the other way round.
    matching: Vec<Option<usize>>,
}

impl Tokens {
    pub(crate) fn new(list: Vec<Token>) -> Tokens {
        let mut matching = vec![None; list.len()];
        let mut open = Vec::new();
        for (index, token) in list.iter().enumerate() {
            if is(token, b'(') || is(token, b'[') {
                open.push(index);
            } else if (is(token, b')') || is(token, b']'))
                && let Some(start) = open.pop()
            {
                if let Some(slot) = matching.get_mut(start) {
                    *slot = Some(index);
                }
                if let Some(slot) = matching.get_mut(index) {
                    *slot = Some(start);
                }
            }
        }
        Tokens { list, matching }
    }

    /// The tokens in order.
    pub(crate) fn list(&self) -> &[Token] {
        &self.list
    }

    /// The index of the token that holds `offset`, or the first one after it.
    pub(crate) fn index(&self, offset: usize) -> usize {
        self.list.partition_point(|token| token.end <= offset)
    }

    fn get(&self, index: usize) -> Option<&Token> {
        self.list.get(index)
    }

    /// Where the first token at or after `offset` begins.
    pub(crate) fn first_from(&self, offset: usize) -> Option<usize> {
        self.get(self.index(offset)).map(|token| token.start)
    }

    /// Where the last token before `offset` ends.
    pub(crate) fn last_until(&self, offset: usize) -> Option<usize> {
        let after = self.list.partition_point(|token| token.end <= offset);
        self.get(after.checked_sub(1)?).map(|token| token.end)
    }

    /// The token at `offset` alone.
    pub(crate) fn token(&self, offset: usize) -> Span {
        self.get(self.index(offset))
            .map_or(offset..offset, |token| token.start..token.end)
    }

    /// A possibly qualified name that begins at `offset`, a star or a subscript not included.
    pub(crate) fn name(&self, offset: usize) -> Span {
        let first = self.index(offset);
        let last = self.name_last(first);
        self.get(last)
            .map_or(offset..offset, |token| offset..token.end)
    }

    fn name_last(&self, first: usize) -> usize {
        let mut last = first;
        while self.get(last + 1).is_some_and(|token| is(token, b'.'))
            && self
                .get(last + 2)
                .is_some_and(|token| token.word || is(token, b'*'))
        {
            last += 2;
        }
        last
    }

    /// A type that begins at `offset`: its words, modifiers and dimensions.
    pub(crate) fn type_name(&self, offset: usize) -> Span {
        let first = self.index(offset);
        let mut last = self.name_last(first);
        while let Some(next) = self.get(last + 1) {
            let further = matches!(
                next.kind,
                token::PRECISION | token::VARYING | token::ZONE | token::ARRAY
            ) || (matches!(next.kind, token::WITH | token::WITHOUT)
                && self.get(last + 2).map(|token| token.kind) == Some(token::TIME))
                || (next.kind == token::TIME
                    && self.get(last + 2).map(|token| token.kind) == Some(token::ZONE));
            if further {
                last += 1;
            } else if is(next, b'(') || is(next, b'[') {
                match self.matching.get(last + 1).copied().flatten() {
                    Some(close) => last = close,
                    None => break,
                }
            } else {
                break;
            }
        }
        self.get(last)
            .map_or(offset..offset, |token| offset..token.end)
    }

    /// From `offset` to the end of the first bracket that opens within three tokens; only the
    /// token at `offset` when there is none. Covers `f(…)`, `s.f(…)`, `CAST(…)`, `EXISTS (…)`.
    pub(crate) fn bracketed(&self, offset: usize) -> Option<Span> {
        let first = self.index(offset);
        let from = self.name_last(first);
        let open = (from..from + 3).find(|index| {
            self.get(*index)
                .is_some_and(|token| is(token, b'(') || is(token, b'['))
        })?;
        let close = self.matching.get(open).copied().flatten()?;
        Some(offset..self.get(close)?.end)
    }

    /// A call that begins at `offset`, with `WITHIN GROUP`, `FILTER` and `OVER` behind it.
    pub(crate) fn call(&self, offset: usize) -> Option<Span> {
        let span = self.bracketed(offset)?;
        let mut last = self.index(span.end.checked_sub(1)?);
        loop {
            let next = self.get(last + 1).map(|token| token.kind);
            let open = match next {
                Some(token::FILTER) => last + 2,
                Some(token::WITHIN) => last + 3,
                Some(token::OVER) => last + 2,
                _ => break,
            };
            match self.get(open) {
                Some(token) if is(token, b'(') => {
                    match self.matching.get(open).copied().flatten() {
                        Some(close) => last = close,
                        None => break,
                    }
                }
                Some(_) if next == Some(token::OVER) => last = open,
                _ => break,
            }
        }
        Some(offset..self.get(last)?.end)
    }

    /// The end of the items that begin before `offset`: where a `WHERE` would go.
    pub(crate) fn end_of_from(&self, offset: usize) -> Option<usize> {
        let mut last = self.index(offset.saturating_sub(1));
        while let Some(next) = self.get(last + 1) {
            let ends = matches!(
                next.kind,
                token::WHERE
                    | token::GROUP_P
                    | token::HAVING
                    | token::WINDOW
                    | token::ORDER
                    | token::LIMIT
                    | token::OFFSET
                    | token::FETCH
                    | token::FOR
                    | token::UNION
                    | token::INTERSECT
                    | token::EXCEPT
                    | token::RETURNING
            ) || is(next, b')')
                || is(next, b';');
            if ends {
                break;
            }
            last = match self.matching.get(last + 1).copied().flatten() {
                Some(close) if close > last => close,
                _ => last + 1,
            };
        }
        self.get(last).map(|token| token.end)
    }

    /// Where the condition that holds `offset` begins: behind its `WHERE` or `ON`. Some expressions
    /// know the place of their first operand alone.
    pub(crate) fn start_of_condition(&self, offset: usize) -> Option<usize> {
        let mut next = self.index(offset);
        loop {
            let token = self.get(next)?;
            if matches!(token.kind, token::WHERE | token::ON) && token.end <= offset {
                return self.get(next + 1).map(|first| first.start);
            }
            next = next.checked_sub(1)?;
        }
    }

    /// The outermost of the brackets that open directly before `offset`.
    pub(crate) fn outermost_bracket(&self, offset: usize) -> Option<usize> {
        let mut found = None;
        let mut next = self.index(offset).checked_sub(1);
        while let Some(token) = next
            .and_then(|index| self.get(index))
            .filter(|t| is(t, b'('))
        {
            found = Some(token.start);
            next = next.and_then(|index| index.checked_sub(1));
        }
        found
    }

    /// The end of `[AS] alias [(columns)]` that begins at or after `offset`.
    pub(crate) fn end_of_alias(&self, offset: usize, columns: bool) -> Option<usize> {
        let mut last = self.index(offset);
        if self.get(last)?.kind == token::AS {
            last += 1;
        }
        if !self.get(last)?.word {
            return None;
        }
        if columns {
            last = self.matching.get(last + 1).copied().flatten()?;
        }
        self.get(last).map(|token| token.end)
    }

    /// `span` with the brackets that directly enclose it.
    pub(crate) fn widen(&self, span: &Span) -> Span {
        let mut span = span.clone();
        loop {
            let first = self.index(span.start);
            let last = self.index(span.end.saturating_sub(1));
            let Some(before) = first.checked_sub(1) else {
                return span;
            };
            let encloses = self.get(before).is_some_and(|token| is(token, b'('))
                && self.matching.get(before).copied().flatten() == Some(last + 1)
                // `f(x)` and `IN (x)` are not brackets around `x`.
                && !before
                    .checked_sub(1)
                    .and_then(|index| self.get(index))
                    .is_some_and(|token| {
                        token.word
                            && !matches!(
                                token.kind,
                                token::WHERE
                                    | token::AND
                                    | token::OR
                                    | token::NOT
                                    | token::ON
                                    | token::SELECT
                                    | token::HAVING
                                    | token::BY
                                    | token::WHEN
                                    | token::THEN
                                    | token::ELSE
                                    | token::LIMIT
                                    | token::RETURNING
                            )
                    });
            match (encloses, self.get(before), self.get(last + 1)) {
                (true, Some(open), Some(close)) => span = open.start..close.end,
                _ => return span,
            }
        }
    }
}

fn is(token: &Token, character_: u8) -> bool {
    Some(token.kind) == character(character_)
}
