//! What PostgreSQL 19, whose grammar `rupg-sql` follows, spells otherwise than PostgreSQL 18, whose
//! parser `pg_query` has. Whatever is not listed here is a difference.

/// Fields that only one of the two versions has, or that `pg_query` fills for itself.
pub const FIELDS: &[(&str, &str)] = &[
    // Set by the planner, and printed by one of the two.
    ("*", "xpr"),
    // New in 19. Where a statement uses what they stand for, 18 refuses it as a whole.
    ("fetchstmt", "location"),
    ("fetchstmt", "directionkeyword"),
    ("indexelem", "location"),
    ("funccall", "ignorenulls"),
    ("onconflictclause", "lockstrength"),
    // `pg_query`'s own, for masking passwords.
    ("altersubscriptionstmt", "conninfolocation"),
    ("createsubscriptionstmt", "conninfolocation"),
    ("defelem", "arglocation"),
    ("notifystmt", "payloadlocation"),
];

/// Node types whose statements 19 reads into another: neither is a query or a migration's business.
pub const RENAMED: &[(&str, &str)] = &[("repackstmt", "clusterstmt")];

/// How the numbers of an enumeration go together: `pg_query` counts from one, and zero is none.
#[derive(Clone, Copy, Debug)]
pub enum Enum {
    /// In the same order.
    Plain,
    /// `ObjectType`: 19 has one more, before the thirty-second.
    Objects,
    /// `FunctionParameterMode`: PostgreSQL's numbers are letters.
    Modes,
    /// `PartitionStrategy`: PostgreSQL's numbers are letters.
    Strategies,
    /// `PublicationObjSpecType`: 19 has one more, the second.
    Publications,
    /// `AlterSubscriptionType`: 19 has two more, the second and the eighth.
    Subscriptions,
    /// `AlterDomainType`: an enumeration of letters since 19, and a letter before.
    Letter,
    /// `LimitOption`: 19 has no value for "none given".
    Limits,
}

impl Enum {
    /// The number that PostgreSQL 19 has for `pg_query`'s.
    pub fn number(self, theirs: &str) -> i64 {
        let number = theirs.parse::<i64>().map_or(-1, |number| number.max(1) - 1);
        let letter = |letters: &[u8]| {
            usize::try_from(number)
                .ok()
                .and_then(|at| letters.get(at))
                .map_or(-1, |letter| i64::from(*letter))
        };
        match self {
            Enum::Plain => number,
            Enum::Objects => number + i64::from(number >= 31),
            Enum::Modes => letter(b"iobvtd"),
            Enum::Strategies => letter(b"lrh"),
            Enum::Publications => number + i64::from(number >= 1),
            Enum::Subscriptions => number + i64::from(number >= 1) + i64::from(number >= 6),
            Enum::Letter => theirs.bytes().next().map_or(0, i64::from),
            Enum::Limits => (number - 1).max(0),
        }
    }
}

/// The fields that hold an enumerator.
pub const ENUMS: &[(&str, &str, Enum)] = &[
    ("aexpr", "kind", Enum::Plain),
    ("alterdomainstmt", "subtype", Enum::Letter),
    ("alterdomainstmt", "behavior", Enum::Plain),
    ("alterextensioncontentsstmt", "objtype", Enum::Objects),
    ("alterfunctionstmt", "objtype", Enum::Objects),
    ("alterobjectdependsstmt", "objecttype", Enum::Objects),
    ("alterobjectschemastmt", "objecttype", Enum::Objects),
    ("alterownerstmt", "objecttype", Enum::Objects),
    ("alterpublicationstmt", "action", Enum::Plain),
    ("altersubscriptionstmt", "kind", Enum::Subscriptions),
    ("altertablecmd", "behavior", Enum::Plain),
    ("altertablecmd", "subtype", Enum::Plain),
    ("altertablemoveallstmt", "objtype", Enum::Objects),
    ("altertablestmt", "objtype", Enum::Objects),
    ("altertsconfigurationstmt", "kind", Enum::Plain),
    ("booleantest", "booltesttype", Enum::Plain),
    ("boolexpr", "boolop", Enum::Plain),
    ("commentstmt", "objtype", Enum::Objects),
    ("commontableexpr", "ctematerialized", Enum::Plain),
    ("constraint", "contype", Enum::Plain),
    ("createcaststmt", "context", Enum::Plain),
    ("createrolestmt", "stmttype", Enum::Plain),
    ("createstmt", "oncommit", Enum::Plain),
    ("createtableasstmt", "objtype", Enum::Objects),
    ("defelem", "defaction", Enum::Plain),
    ("definestmt", "kind", Enum::Objects),
    ("discardstmt", "target", Enum::Plain),
    ("dropownedstmt", "behavior", Enum::Plain),
    ("dropstmt", "behavior", Enum::Plain),
    ("dropstmt", "removetype", Enum::Objects),
    ("dropsubscriptionstmt", "behavior", Enum::Plain),
    ("fetchstmt", "direction", Enum::Plain),
    ("funccall", "funcformat", Enum::Plain),
    ("functionparameter", "mode", Enum::Modes),
    ("grantrolestmt", "behavior", Enum::Plain),
    ("grantstmt", "behavior", Enum::Plain),
    ("grantstmt", "objtype", Enum::Objects),
    ("grantstmt", "targtype", Enum::Plain),
    ("groupingset", "kind", Enum::Plain),
    ("importforeignschemastmt", "listtype", Enum::Plain),
    ("indexelem", "nullsordering", Enum::Plain),
    ("indexelem", "ordering", Enum::Plain),
    ("insertstmt", "override", Enum::Plain),
    ("intoclause", "oncommit", Enum::Plain),
    ("joinexpr", "jointype", Enum::Plain),
    ("jsonbehavior", "btype", Enum::Plain),
    ("jsonformat", "encoding", Enum::Plain),
    ("jsonformat", "formattype", Enum::Plain),
    ("jsonfuncexpr", "op", Enum::Plain),
    ("jsonfuncexpr", "quotes", Enum::Plain),
    ("jsonfuncexpr", "wrapper", Enum::Plain),
    ("jsonispredicate", "itemtype", Enum::Plain),
    ("jsontablecolumn", "coltype", Enum::Plain),
    ("jsontablecolumn", "quotes", Enum::Plain),
    ("jsontablecolumn", "wrapper", Enum::Plain),
    ("lockingclause", "strength", Enum::Plain),
    ("lockingclause", "waitpolicy", Enum::Plain),
    ("mergewhenclause", "commandtype", Enum::Plain),
    ("mergewhenclause", "matchkind", Enum::Plain),
    ("mergewhenclause", "override", Enum::Plain),
    ("minmaxexpr", "op", Enum::Plain),
    ("nulltest", "nulltesttype", Enum::Plain),
    ("onconflictclause", "action", Enum::Plain),
    ("partitionspec", "strategy", Enum::Strategies),
    ("publicationobjspec", "pubobjtype", Enum::Publications),
    ("reindexstmt", "kind", Enum::Plain),
    ("renamestmt", "behavior", Enum::Plain),
    ("renamestmt", "relationtype", Enum::Objects),
    ("renamestmt", "renametype", Enum::Objects),
    ("returningoption", "option", Enum::Plain),
    ("rolespec", "roletype", Enum::Plain),
    ("rowexpr", "rowformat", Enum::Plain),
    ("rulestmt", "event", Enum::Plain),
    ("seclabelstmt", "objtype", Enum::Objects),
    ("selectstmt", "limitoption", Enum::Limits),
    ("selectstmt", "op", Enum::Plain),
    ("sortby", "sortbydir", Enum::Plain),
    ("sortby", "sortbynulls", Enum::Plain),
    ("sqlvaluefunction", "op", Enum::Plain),
    ("sublink", "sublinktype", Enum::Plain),
    ("transactionstmt", "kind", Enum::Plain),
    ("truncatestmt", "behavior", Enum::Plain),
    ("variablesetstmt", "kind", Enum::Plain),
    ("viewstmt", "withcheckoption", Enum::Plain),
    ("xmlexpr", "op", Enum::Plain),
    ("xmlexpr", "xmloption", Enum::Plain),
    ("xmlserialize", "xmloption", Enum::Plain),
];

/// Whether the refusal with this message is right: `pg_query` adds rules to PostgreSQL's grammar, so
/// that it can read statements from logs, and takes a parameter where an operator or a word must
/// stand, and one that letters follow at once.
pub fn only_theirs(message: &str) -> bool {
    message.starts_with("trailing junk after parameter at or near \"$")
        || message
            .strip_prefix("syntax error at or near \"$")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}
