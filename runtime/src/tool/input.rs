//! Which types a model may fill in. The guarantee is by type: `TenantId` and every type that
//! derives `TenantIdentifier` has no `ToolInput`, at any depth and under any name, and can't get
//! one, because both derives implement `EitherInputOrTenant`, which a type has once.

use std::any::TypeId;
use std::collections::HashSet;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// What a type is at the boundary of a tool. Hidden; implemented by the two derives.
#[doc(hidden)]
pub trait EitherInputOrTenant {
    /// [`Input`] or [`Tenant`].
    type Kind;
}

/// A type that a model may fill in.
#[doc(hidden)]
#[derive(Debug)]
pub enum Input {}

/// A type that names a tenant.
#[doc(hidden)]
#[derive(Debug)]
pub enum Tenant {}

/// A type with a published form, which can be read from it. Hidden; a name for both.
#[doc(hidden)]
pub trait Readable: DeserializeOwned + JsonSchema + Send + 'static {}
impl<T: DeserializeOwned + JsonSchema + Send + 'static> Readable for T {}

/// A type that a language model may fill in: an argument of a tool, or a part of one.
///
/// Numbers, strings, times and their usual containers have it. A type of your own derives it,
/// together with `serde::Deserialize` and `schemars::JsonSchema`; the derive checks every field's
/// type and name.
///
/// [`TenantId`](crate::TenantId) never has it. Maps with free keys and raw JSON don't have it
/// either: a model could write anything into them, so such an argument says
/// `#[tool(open = "why")]`.
///
/// ```compile_fail
/// fn takes<T: watertight::ToolInput>() {}
/// takes::<Option<Vec<watertight::TenantId>>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a tool",
    label = "a model would choose this value",
    note = "a tenant never comes from the model: `cx.read()` and `cx.write()` are bound to the session's tenant",
    note = "a type of your own that names no tenant derives `Deserialize`, `JsonSchema` and `ToolInput`",
    note = "a map with free keys or raw JSON needs a reason: `#[tool(open = \"…\")]`"
)]
pub trait ToolInput: OpenInput {}

/// A type that may be an argument if a reason stands beside it. Every [`ToolInput`] is one; so are
/// maps with free keys and raw JSON.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a tool, not even an open one",
    label = "a model would choose this value",
    note = "a tenant never comes from the model: `cx.read()` and `cx.write()` are bound to the session's tenant",
    note = "a type of your own that names no tenant derives `Deserialize`, `JsonSchema` and `ToolInput`"
)]
pub trait OpenInput: EitherInputOrTenant<Kind = Input> + Readable {
    /// Whether one text may be read as a value: not where it has several parts. A type that can't
    /// tell says yes, and its schema decides when the server starts.
    const ONE_TEXT: bool = true;
    /// Visits the type's own fields: each visit demands `ToolInput` of the field's type.
    fn fields(fields: &mut Fields);
}

/// A type that names a tenant: an organisation's slug, a workspace key, a newtype around either.
///
/// Derive it for such types of your own. They are then refused as arguments of tools, wherever
/// they hide: in options, lists, structs, generics and behind aliases.
///
/// ```compile_fail
/// #[derive(watertight::TenantIdentifier)]
/// struct OrgSlug(String);
/// fn takes<T: watertight::ToolInput>() {}
/// takes::<Option<OrgSlug>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tenant identifier",
    note = "derive `TenantIdentifier` for it"
)]
pub trait TenantIdentifier: EitherInputOrTenant<Kind = Tenant> {}

impl EitherInputOrTenant for crate::TenantId {
    type Kind = Tenant;
}
impl TenantIdentifier for crate::TenantId {}

/// A place where a rule about tenants was waived, and why. Reports list them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exception {
    /// The tool's argument, or `(result)`.
    pub argument: &'static str,
    /// The field within the argument's type, if it is not the argument itself.
    pub field: Option<&'static str>,
    /// Which rule.
    pub kind: ExceptionKind,
    /// Why.
    pub reason: &'static str,
}

/// The rule that an [`Exception`] waives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExceptionKind {
    /// The name looks like a tenant's and is none.
    NotTenant,
    /// The value's form is not fixed by the schema.
    Open,
}

/// Collects what the fields of an argument's type say. Hidden; filled by the derive.
#[doc(hidden)]
#[derive(Debug)]
pub struct Fields {
    argument: &'static str,
    /// A recursive type is visited once.
    seen: HashSet<TypeId>,
    exceptions: Vec<Exception>,
}

impl Fields {
    pub(super) fn of<T: OpenInput>(argument: &'static str) -> Vec<Exception> {
        let mut fields = Self {
            argument,
            seen: HashSet::new(),
            exceptions: Vec::new(),
        };
        fields.visit::<T>();
        fields.exceptions
    }

    /// A part that has no name of its own, such as the items of a list.
    pub fn visit<T: OpenInput>(&mut self) {
        if self.seen.insert(TypeId::of::<T>()) {
            T::fields(self);
        }
    }

    /// A type that is read in the place of this one.
    pub fn read_as<T: ToolInput>(&mut self) {
        self.visit::<T>();
    }

    /// A name that is no field's: a tag, a variant with data.
    pub fn name(&mut self, name: &'static str) -> Field<'_> {
        self.field(name)
    }

    /// A field that only marks a type.
    pub fn mark<T: Marker>(&mut self) {}

    /// A field of a type that a model may fill in.
    pub fn add<T: ToolInput>(&mut self, name: &'static str) -> Field<'_> {
        self.visit::<T>();
        self.field(name)
    }

    /// A field whose form is open.
    pub fn add_open<T: OpenInput>(
        &mut self,
        name: &'static str,
        reason: &'static str,
    ) -> Field<'_> {
        self.visit::<T>();
        self.open(name, reason)
    }

    /// A field that hand-written code reads.
    pub fn open(&mut self, name: &'static str, reason: &'static str) -> Field<'_> {
        self.except(Some(name), ExceptionKind::Open, reason);
        self.field(name)
    }

    /// A whole type that hand-written code reads.
    pub fn open_type(&mut self, reason: &'static str) {
        self.except(None, ExceptionKind::Open, reason);
    }

    fn field(&mut self, name: &'static str) -> Field<'_> {
        Field { fields: self, name }
    }

    fn except(&mut self, field: Option<&'static str>, kind: ExceptionKind, reason: &'static str) {
        self.exceptions.push(Exception {
            argument: self.argument,
            field,
            kind,
            reason,
        });
    }
}

/// One field, to say more about.
#[doc(hidden)]
#[derive(Debug)]
pub struct Field<'f> {
    fields: &'f mut Fields,
    name: &'static str,
}

impl Field<'_> {
    /// The name looks like a tenant's and is none.
    pub fn not_tenant(self, reason: &'static str) {
        self.fields
            .except(Some(self.name), ExceptionKind::NotTenant, reason);
    }
}

/// Asks whether a value comes in one text, as in a prompt's argument or a URI; see
/// [`OpenInput::ONE_TEXT`]. A type that is no input is refused elsewhere.
#[doc(hidden)]
#[derive(Debug)]
pub struct InText<T>(PhantomData<fn() -> T>);

impl<T: OpenInput> InText<T> {
    /// What the type says.
    pub const FITS: bool = T::ONE_TEXT;
}

/// What holds of a type that is no input.
#[doc(hidden)]
pub trait Unjudged {
    /// Nothing is wrong with it here.
    const FITS: bool = true;
}
impl<T> Unjudged for InText<T> {}

/// `PhantomData`, which is read and holds nothing.
#[doc(hidden)]
pub trait Marker {}
impl<T: ?Sized> Marker for PhantomData<T> {}

/// Tells a tenant identifier from every other type, for types of which nothing else is demanded.
///
/// An inherent method is preferred to a trait's where its bounds hold, so `kind` gives [`Tenant`]
/// for a tenant identifier and [`Input`] for any other type.
#[doc(hidden)]
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<fn() -> Box<T>>);

impl<T: ?Sized> Probe<T> {
    /// A probe of the type.
    #[must_use]
    pub fn of() -> Self {
        Self(PhantomData)
    }
}

impl<T: EitherInputOrTenant<Kind = Tenant>> Probe<T> {
    /// What the type is.
    #[must_use]
    pub fn kind(&self) -> PhantomData<Tenant> {
        PhantomData
    }
}

/// What [`Probe`] says of other types.
#[doc(hidden)]
pub trait Otherwise {
    /// What the type is.
    fn kind(&self) -> PhantomData<Input> {
        PhantomData
    }
}
impl<T: ?Sized> Otherwise for Probe<T> {}

/// Accepts what [`Probe`] says of any type but a tenant identifier.
#[doc(hidden)]
pub fn require_no_tenant<K: NoTenant>(_: PhantomData<K>) {}

/// Of [`Input`] and [`Tenant`], the first.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a tenant identifier can't be read from the arguments of a tool, not even by code of its own",
    label = "names a tenant, and a model would choose it",
    note = "a tenant never comes from the model: `cx.read()` and `cx.write()` are bound to the session's tenant"
)]
pub trait NoTenant {}
impl NoTenant for Input {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[allow(dead_code)]
    struct Node {
        children: Vec<Node>,
        owner: String,
    }
    impl EitherInputOrTenant for Node {
        type Kind = Input;
    }
    impl OpenInput for Node {
        fn fields(fields: &mut Fields) {
            fields.add::<Vec<Node>>("children");
            fields.add::<String>("owner").not_tenant("of a repository");
        }
    }
    impl ToolInput for Node {}

    #[test]
    fn a_recursive_type_is_visited_once() {
        let found = Fields::of::<Option<Node>>("tree");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].argument, "tree");
        assert_eq!(found[0].field, Some("owner"));
        assert_eq!(found[0].kind, ExceptionKind::NotTenant);
    }
}
