//! One argument of a tool as generated code writes it: name, type, and what limits its values.
//! The type is demanded here and nowhere else, so that a wrong one is one error.

use std::any::Any;
use std::marker::PhantomData;

use schemars::{Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value};

use super::input::{Exception, ExceptionKind, Fields, OpenInput, ToolInput};
use super::types::{Measured, Ranged, Textual};

/// What stands for the name where one type holds all arguments. No argument is called so.
pub(super) const ALL: &str = "";

/// Starts an argument of a type that a model may fill in.
#[doc(hidden)]
pub fn argument<T: ToolInput>(name: &'static str) -> Argument<T> {
    Argument::new(name)
}

/// Starts an argument whose form is open, for a reason.
#[doc(hidden)]
pub fn open_argument<T: OpenInput>(name: &'static str, reason: &'static str) -> Argument<T> {
    Argument::new(name).except(ExceptionKind::Open, reason)
}

/// The schema's words for the length of a `T`. A type of its own, so that a type without a length is
/// told where it stands.
#[doc(hidden)]
#[derive(Debug)]
pub struct Measure<T> {
    least: &'static str,
    most: &'static str,
    ty: PhantomData<fn() -> T>,
}

/// How a length of `T` is limited.
#[doc(hidden)]
#[must_use]
pub fn measured<T: Measured>() -> Measure<T> {
    let (least, most) = T::KEYWORDS;
    Measure {
        least,
        most,
        ty: PhantomData,
    }
}

/// That `T` is a text.
#[doc(hidden)]
#[derive(Debug)]
pub struct OfText<T>(PhantomData<fn() -> T>);

/// Says that `T` is a text.
#[doc(hidden)]
#[must_use]
pub fn of_text<T: Textual>() -> OfText<T> {
    OfText(PhantomData)
}

/// One argument and its type.
#[doc(hidden)]
#[derive(Debug)]
#[must_use = "an argument does nothing until `ToolSpec::argument` takes it"]
pub struct Argument<T> {
    erased: AnyArgument,
    ty: PhantomData<fn() -> T>,
}

/// One argument without its type, which lives on in two functions.
#[derive(Clone, Debug)]
pub(super) struct AnyArgument {
    pub(super) name: &'static str,
    pub(super) description: Option<&'static str>,
    /// Schema keywords that the attribute adds.
    pub(super) keywords: Map<String, Value>,
    /// What stands for an absent argument.
    pub(super) default: Option<Value>,
    /// A limit or a default that has no JSON form. The tool is refused at start-up.
    pub(super) unwritable: Option<&'static str>,
    pub(super) exceptions: Vec<Exception>,
    pub(super) schema: fn(&mut SchemaGenerator) -> Schema,
    pub(super) read: fn(Value) -> Option<Box<dyn Any + Send>>,
}

impl<T: OpenInput> Argument<T> {
    fn new(name: &'static str) -> Self {
        Self {
            erased: AnyArgument {
                name,
                description: None,
                keywords: Map::new(),
                default: None,
                unwritable: None,
                exceptions: Fields::of::<T>(name),
                schema: |generator| generator.subschema_for::<T>(),
                read: |value| {
                    // serde's own text quotes the value; it ends here.
                    let value = serde_json::from_value::<T>(value).ok()?;
                    Some(Box::new(value))
                },
            },
            ty: PhantomData,
        }
    }
}

// No bound here: a type that is no input has been refused where the argument began.
impl<T> Argument<T> {
    /// What the model is told about it.
    pub fn describe(mut self, description: &'static str) -> Self {
        self.erased.description = Some(description);
        self
    }

    /// What stands for it when the model leaves it out; published in the schema.
    pub fn default(mut self, value: T) -> Self
    where
        T: Serialize,
    {
        match serde_json::to_value(value) {
            Ok(value) => self.erased.default = Some(value),
            Err(_) => self.erased.unwritable = Some("default"),
        }
        self
    }

    /// The smallest and the largest number.
    pub fn range(self, least: T::Number, most: T::Number) -> Self
    where
        T: Ranged,
    {
        self.keyword("minimum", least).keyword("maximum", most)
    }

    /// The smallest number.
    pub fn range_from(self, least: T::Number) -> Self
    where
        T: Ranged,
    {
        self.keyword("minimum", least)
    }

    /// The largest number.
    pub fn range_to(self, most: T::Number) -> Self
    where
        T: Ranged,
    {
        self.keyword("maximum", most)
    }

    /// The smallest and the largest length.
    pub fn length(self, words: Measure<T>, least: u64, most: u64) -> Self {
        self.keyword(words.least, least).keyword(words.most, most)
    }

    /// The smallest length.
    pub fn length_from(self, words: Measure<T>, least: u64) -> Self {
        self.keyword(words.least, least)
    }

    /// The largest length.
    pub fn length_to(self, words: Measure<T>, most: u64) -> Self {
        self.keyword(words.most, most)
    }

    /// The regular expression that the string matches.
    pub fn pattern(self, _: OfText<T>, pattern: &'static str) -> Self {
        self.keyword("pattern", pattern)
    }

    /// The name looks like a tenant's and is none.
    pub fn not_tenant(self, reason: &'static str) -> Self {
        self.except(ExceptionKind::NotTenant, reason)
    }

    fn keyword(mut self, keyword: &'static str, value: impl Serialize) -> Self {
        match serde_json::to_value(value) {
            // A float that is not a number becomes null, which limits nothing.
            Ok(Value::Null) | Err(_) => self.erased.unwritable = Some(keyword),
            Ok(value) => {
                self.erased.keywords.insert(keyword.to_owned(), value);
            }
        }
        self
    }

    fn except(mut self, kind: ExceptionKind, reason: &'static str) -> Self {
        self.erased.exceptions.push(Exception {
            argument: self.erased.name,
            field: None,
            kind,
            reason,
        });
        self
    }

    pub(super) fn erase(self) -> AnyArgument {
        self.erased
    }
}

impl AnyArgument {
    /// Whether the model may leave it out: there is a default, or `null` is a value of the type.
    pub(super) fn is_optional(&self) -> bool {
        self.default.is_some() || (self.read)(Value::Null).is_some()
    }
}
