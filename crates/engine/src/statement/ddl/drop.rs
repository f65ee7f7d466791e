//! DROP.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_catalog::{Catalog, Object, ObjectKind, ObjectName};
use weir_planner::dialect::RelationKind;
use weir_types::{Error, Notice, ObjectId, Result, SqlState};

use super::{change, object_kind};
use crate::commit::DdlContext;
use crate::session::{Execution, Session};

/// The object of that name and kind; `None` where it does not exist and that is no error.
pub(super) fn find(
    session: &Session,
    catalog: &Catalog,
    kind: RelationKind,
    name: &ObjectName,
    if_exists: bool,
) -> Result<Option<Arc<Object>>> {
    let wanted = object_kind(kind);
    let found = if wanted == ObjectKind::Schema {
        catalog.schema_id(&name.name).and_then(|id| catalog.get(id))
    } else {
        catalog.lookup(name, &session.search_path())
    };
    let Some(object) = found else {
        let state = match wanted {
            ObjectKind::Schema => SqlState::InvalidSchemaName,
            _ => SqlState::UndefinedTable,
        };
        let message = format!("{wanted} \"{name}\" does not exist");
        if if_exists {
            session.notice(Notice::new(format!("{message}, skipping")));
            return Ok(None);
        }
        return Err(Error::new(state, message));
    };
    if object.kind() != wanted {
        return Err(Error::new(
            SqlState::WrongObjectType,
            format!("\"{}\" is not a {wanted}", object.name),
        )
        .with_hint(format!("It is a {}.", object.kind())));
    }
    Ok(Some(Arc::clone(object)))
}

pub(super) async fn run(
    session: &Session,
    kind: RelationKind,
    names: &[ObjectName],
    if_exists: bool,
    cascade: bool,
) -> Result<Execution> {
    let catalog = session.catalog();
    let tag = format!("DROP {}", object_kind(kind).as_str().to_uppercase());
    let mut named = BTreeSet::new();
    for name in names {
        if let Some(object) = find(session, &catalog, kind, name, if_exists)? {
            check_droppable(&catalog, &object)?;
            named.insert(object.id);
        }
    }
    if named.is_empty() {
        return Ok(Execution::Done { tag });
    }
    let doomed = doomed(&catalog, &named, cascade)?;
    for id in doomed.iter().filter(|id| !named.contains(id)) {
        if catalog.get(*id).is_some_and(|object| object.part_of.is_none())
            && let Some(object) = catalog.get(*id)
        {
            let name = catalog.full_name(*id);
            session.notice(Notice::new(format!("drop cascades to {} {name}", object.kind())));
        }
    }
    let step = move |context: &mut DdlContext<'_>| {
        // Users may have come since.
        for id in self::doomed(context.catalog, &named, cascade)? {
            context.remove(id);
        }
        Ok(())
    };
    change(session, Arc::new(step), &tag).await
}

fn check_droppable(catalog: &Catalog, object: &Object) -> Result<()> {
    if object.kind() == ObjectKind::Schema
        && object.id < weir_catalog::FIRST_USER_ID
        && object.id != weir_catalog::PUBLIC_ID
    {
        return Err(Error::new(
            SqlState::InsufficientPrivilege,
            format!("schema \"{}\" belongs to the system", object.name),
        ));
    }
    if let Some(whole) = object.part_of {
        return Err(Error::new(
            SqlState::DependentObjectsStillExist,
            format!(
                "cannot drop \"{}\" because it belongs to \"{}\"",
                object.name,
                catalog.full_name(whole)
            ),
        ));
    }
    Ok(())
}

/// All that goes with the named ones, users before used.
fn doomed(catalog: &Catalog, named: &BTreeSet<ObjectId>, cascade: bool) -> Result<Vec<ObjectId>> {
    let mut order: Vec<ObjectId> = Vec::new();
    for id in named {
        let users = catalog.transitive_users(*id);
        let others: Vec<&ObjectId> = users
            .iter()
            .filter(|user| !named.contains(user) && !belongs(catalog, **user, named))
            .collect();
        if let Some(first) = others.first()
            && !cascade
        {
            let object = catalog.require(*id)?;
            let user = catalog.require(**first)?;
            return Err(Error::new(
                SqlState::DependentObjectsStillExist,
                format!(
                    "cannot drop {} {} because other objects depend on it",
                    object.kind(),
                    catalog.full_name(*id)
                ),
            )
            .with_detail(format!("{} {} depends on it.", user.kind(), catalog.full_name(user.id)))
            .with_hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        for user in users.into_iter().chain([*id]) {
            if !order.contains(&user) {
                order.push(user);
            }
        }
    }
    Ok(order)
}

/// True for a part of a named object.
fn belongs(catalog: &Catalog, id: ObjectId, named: &BTreeSet<ObjectId>) -> bool {
    let whole = catalog.get(id).and_then(|object| object.part_of);
    whole.is_some_and(|whole| named.contains(&whole))
}
