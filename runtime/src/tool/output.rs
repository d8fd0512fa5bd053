//! Which types may be in a tool's result. As for arguments, the guarantee is by type: `TenantId` and
//! every type that derives `TenantIdentifier` has no `ToolOutput`, at any depth and under any name,
//! and can't get one, because both derives implement `EitherOutputOrTenant`, which a type has once.

use std::any::TypeId;
use std::collections::HashSet;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::input::{Exception, ExceptionKind, Tenant};
use super::reply::Reply;
use super::schema;

/// What stands for the argument in the exceptions of a result. No argument has such a name.
const RESULT: &str = "(result)";

/// What a type is where results leave. Hidden; implemented by the two derives.
#[doc(hidden)]
pub trait EitherOutputOrTenant {
    /// [`Output`] or [`Tenant`].
    type Kind;
}

/// A type that may leave the server.
#[doc(hidden)]
#[derive(Debug)]
pub enum Output {}

/// A type with a published form, which can be written. Hidden; a name for both.
#[doc(hidden)]
pub trait Writable: Serialize + JsonSchema + Send + 'static {}
impl<T: Serialize + JsonSchema + Send + 'static> Writable for T {}

/// A type that a client may see: the result of a tool, or a part of one.
///
/// Numbers, strings, times and their usual containers have it. A type of your own derives it,
/// together with `serde::Serialize` and `schemars::JsonSchema`; the derive checks every field's
/// type, and that no field is called like a tenant: `tenant_id`, `org`, `workspace`, the tenant
/// column, and what the configuration adds. Words that only may mean a tenant in an argument, such
/// as `owner`, `customer` or `account`, are honest in a result and pass. A type may derive
/// [`ToolInput`](crate::ToolInput) and `ToolOutput` both.
///
/// [`TenantId`](crate::TenantId) never has it. Maps and raw JSON don't have it either: their keys
/// and values are whatever the code puts in. Such a value goes into a field that says
/// `#[tool(open = "why")]`.
///
/// ```compile_fail,E0277
/// fn returns<T: watertight::ToolOutput>() {}
/// returns::<Option<Vec<watertight::TenantId>>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be in the result of a tool",
    label = "a client would see this value",
    note = "a type of your own that names no tenant derives `serde::Serialize`, `schemars::JsonSchema` and `ToolOutput`",
    note = "a tenant's identifier never leaves: leave the tenant's column out of the struct and of the statement",
    note = "a map or raw JSON goes into a field of a struct, with a reason: `#[tool(open = \"…\")] details: serde_json::Value`"
)]
pub trait ToolOutput: OpenOutput {}

/// A type that may be in a result if a reason stands beside it. Every [`ToolOutput`] is one; so are
/// maps and raw JSON.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be in the result of a tool, not even openly",
    label = "a client would see this value",
    note = "a type of your own that names no tenant derives `serde::Serialize`, `schemars::JsonSchema` and `ToolOutput`",
    note = "a tenant's identifier never leaves: leave the tenant's column out of the struct and of the statement"
)]
pub trait OpenOutput: EitherOutputOrTenant<Kind = Output> + Writable {
    /// Whether this stands beside an error of the type's own derive.
    const REFUSED: bool = false;
    /// Visits the type's own fields: each visit demands `ToolOutput` of the field's type.
    fn parts(parts: &mut Parts);
}

impl EitherOutputOrTenant for crate::TenantId {
    type Kind = Tenant;
}

/// What a tool's function returns: a [`ToolOutput`], or a [`Reply`] made by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the result of a tool",
    label = "a client would see this value",
    note = "a type of your own that names no tenant derives `serde::Serialize`, `schemars::JsonSchema` and `ToolOutput`",
    note = "a tenant's identifier never leaves: leave the tenant's column out of the struct and of the statement",
    note = "a map or raw JSON goes into a field of a struct, with a reason: `#[tool(open = \"…\")] details: serde_json::Value`",
    note = "texts and images without a schema are a `Reply`"
)]
pub trait IntoReply: Send + 'static {
    /// The schema of the structured content, and whether the value is wrapped to be an object.
    #[doc(hidden)]
    fn schema() -> Option<(Map<String, Value>, bool)>;

    /// Where rules about tenants were waived inside of the type.
    #[doc(hidden)]
    fn exceptions() -> Vec<Exception>;

    /// The value as a reply.
    #[doc(hidden)]
    fn into_reply(self, wrapped: bool) -> Result<Reply, serde_json::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: ToolOutput> IntoReply for T {
    fn schema() -> Option<(Map<String, Value>, bool)> {
        schema::output::<T>()
    }

    fn exceptions() -> Vec<Exception> {
        let mut parts = Parts::default();
        parts.visit::<T>();
        parts.exceptions
    }

    fn into_reply(self, wrapped: bool) -> Result<Reply, serde_json::Error> {
        let value = serde_json::to_value(self)?;
        Ok(match (value, wrapped) {
            // The unit type has no schema: there is nothing to say but that it worked.
            (Value::Null, false) => Reply::text("done"),
            (value, true) => {
                let mut object = Map::new();
                object.insert(schema::RESULT.to_owned(), value);
                Reply::structured(Value::Object(object))
            }
            (value, false) => Reply::structured(value),
        })
    }
}

impl IntoReply for Reply {
    fn schema() -> Option<(Map<String, Value>, bool)> {
        None
    }

    fn exceptions() -> Vec<Exception> {
        Vec::new()
    }

    fn into_reply(self, _: bool) -> Result<Reply, serde_json::Error> {
        Ok(self)
    }
}

/// Collects what the fields of a result's type say. Hidden; filled by the derive.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Parts {
    /// A recursive type is visited once.
    seen: HashSet<TypeId>,
    exceptions: Vec<Exception>,
}

impl Parts {
    /// A part that has no name of its own, such as the items of a list.
    pub fn visit<T: OpenOutput>(&mut self) {
        if self.seen.insert(TypeId::of::<T>()) {
            T::parts(self);
        }
    }

    /// A field of a type that a client may see.
    pub fn add<T: ToolOutput>(&mut self, name: &'static str) -> Part<'_> {
        self.visit::<T>();
        Part { parts: self, name }
    }

    /// A field that a well-known module writes, in a form without parts.
    pub fn written(&mut self, name: &'static str) -> Part<'_> {
        Part { parts: self, name }
    }

    /// The published form of the field that is told next.
    pub fn written_as<T: ToolOutput>(&mut self) -> &mut Self {
        self.visit::<T>();
        self
    }

    /// A field whose form is open.
    pub fn add_open<T: OpenOutput>(
        &mut self,
        name: &'static str,
        reason: &'static str,
    ) -> Part<'_> {
        self.visit::<T>();
        self.open(name, reason)
    }

    /// A field that hand-written code writes.
    pub fn open(&mut self, name: &'static str, reason: &'static str) -> Part<'_> {
        self.except(Some(name), ExceptionKind::Open, reason);
        Part { parts: self, name }
    }

    /// A whole type that hand-written code writes.
    pub fn open_type(&mut self, reason: &'static str) {
        self.except(None, ExceptionKind::Open, reason);
    }

    fn except(&mut self, field: Option<&'static str>, kind: ExceptionKind, reason: &'static str) {
        self.exceptions.push(Exception {
            argument: RESULT,
            field,
            kind,
            reason,
        });
    }
}

/// One field, to say more about.
#[doc(hidden)]
#[derive(Debug)]
pub struct Part<'p> {
    parts: &'p mut Parts,
    name: &'static str,
}

impl Part<'_> {
    /// The name looks like a tenant's and is none.
    pub fn not_tenant(self, reason: &'static str) {
        self.parts
            .except(Some(self.name), ExceptionKind::NotTenant, reason);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result<T: IntoReply>(value: T) -> Value {
        let wrapped = T::schema().is_some_and(|(_, wrapped)| wrapped);
        let reply = value.into_reply(wrapped).unwrap();
        serde_json::to_value(reply.into_result()).unwrap()
    }

    #[derive(Serialize, JsonSchema)]
    struct Point {
        x: i32,
    }
    impl EitherOutputOrTenant for Point {
        type Kind = Output;
    }
    impl OpenOutput for Point {
        fn parts(parts: &mut Parts) {
            parts.add::<i32>("x").not_tenant("a coordinate");
        }
    }
    impl ToolOutput for Point {}

    #[test]
    fn structured_content_is_an_object() {
        assert_eq!(result(Point { x: 1 })["structuredContent"], json!({"x": 1}));
        assert_eq!(
            result(vec![Point { x: 1 }])["structuredContent"],
            json!({"result": [{"x": 1}]})
        );
        assert_eq!(
            result(None::<Point>)["structuredContent"],
            json!({"result": null})
        );
        assert_eq!(result(7)["content"][0]["text"], json!("{\"result\":7}"));
        assert_eq!(result(()).get("structuredContent"), None);
        assert_eq!(result(Reply::text("hi"))["content"][0]["text"], json!("hi"));
    }

    #[test]
    fn schemas_fit_the_content() {
        for (schema, value) in [
            (<Vec<Point>>::schema(), result(vec![Point { x: 1 }])),
            (<Option<Point>>::schema(), result(Some(Point { x: 1 }))),
            (Point::schema(), result(Point { x: 1 })),
        ] {
            let schema = Value::Object(schema.unwrap().0);
            assert_eq!(schema["type"], "object");
            assert!(
                jsonschema::is_valid(&schema, &value["structuredContent"]),
                "{schema}"
            );
        }
        assert!(<()>::schema().is_none());
    }

    #[test]
    fn exceptions_are_found_at_any_depth_and_once() {
        let found = <Vec<(Point, Option<Point>)>>::exceptions();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].argument, found[0].field), (RESULT, Some("x")));
        assert_eq!(found[0].kind, ExceptionKind::NotTenant);
    }
}
