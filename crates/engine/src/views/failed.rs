//! What is told of a view that has failed: which one it is, and how it heals.

use weir_catalog::{Catalog, Object, ObjectBody, ObjectKind, OnError};
use weir_dataflow::Failure;
use weir_types::{Error, ErrorKind, ObjectId};

use crate::statement::quoted;

/// The error of a read of the views `read`: SQLSTATE and message are those of the query that failed, detail and
/// hint name its view.
pub(crate) fn told(catalog: &Catalog, read: &[ObjectId], failure: Failure) -> Error {
    let Failure { view, error } = failure;
    let Some(object) = view.and_then(|id| catalog.get(id)) else { return error };
    let name = catalog.full_name(object.id);
    let reader = match read.contains(&object.id) {
        true => None,
        false => read.iter().find(|id| reads(catalog, **id, object.id)),
    };
    let mut detail = match reader.and_then(|id| catalog.get(*id)) {
        None => format!("{} \"{name}\" has failed.", capitalized(object.kind())),
        Some(reader) => format!(
            "{} \"{}\" reads materialized view \"{name}\", which has failed.",
            capitalized(reader.kind()),
            catalog.full_name(reader.id)
        ),
    };
    if let Some(of_query) = error.detail() {
        detail = format!("{detail} {of_query}");
    }
    let mut hint = heals(catalog, object, &error);
    if let Some(of_query) = error.hint() {
        hint = format!("{of_query} {hint}");
    }
    error.with_detail(detail).with_hint(hint)
}

/// The message of the query that failed, with the view where it is another one.
pub(crate) fn cause(catalog: &Catalog, of: ObjectId, failure: &Failure) -> String {
    let message = failure.error.message();
    match failure.view.filter(|id| *id != of) {
        None => message.to_owned(),
        Some(id) => format!("materialized view \"{}\": {message}", catalog.full_name(id)),
    }
}

fn heals(catalog: &Catalog, object: &Object, error: &Error) -> String {
    if error.kind() != ErrorKind::Invalid {
        return "It is tried again when what it reads changes.".to_owned();
    }
    match &object.body {
        ObjectBody::MaterializedView(view)
            if view.on_error == OnError::Fail && object.part_of.is_none() =>
        {
            format!(
                "It heals when the rows for which its query fails are changed or deleted; ALTER \
                 MATERIALIZED VIEW {}.{} SET (on_error = 'skip') leaves them out.",
                quoted(catalog.schema_name(object.schema)),
                quoted(&object.name)
            )
        }
        _ => "It heals when the rows for which its query fails are changed or deleted.".to_owned(),
    }
}

/// True where a view reads another, perhaps by others.
fn reads(catalog: &Catalog, id: ObjectId, other: ObjectId) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    let mut stack = vec![id];
    while let Some(id) = stack.pop() {
        let query = catalog.get(id).and_then(|object| object.query());
        for relation in query.map(|query| query.relations.as_slice()).unwrap_or_default() {
            if relation.id == other {
                return true;
            }
            if seen.insert(relation.id) {
                stack.push(relation.id);
            }
        }
    }
    false
}

fn capitalized(kind: ObjectKind) -> String {
    let word = kind.as_str();
    word[..1].to_uppercase() + &word[1..]
}
