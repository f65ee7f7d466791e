//! ALTER and COMMENT ON.

use std::sync::Arc;

use weir_catalog::{Catalog, Column, Object, ObjectBody, ObjectKind, ObjectName};
use weir_planner::definition::with_renamed_column;
use weir_planner::dialect::{AlterAction, ColumnDefinition, CommentTarget, RelationKind};
use weir_types::{ColumnId, Error, Notice, Result, SqlState};

use super::drop::find;
use super::{change, check_columns, check_free, object_kind, relation, view};
use crate::commit::DdlContext;
use crate::read;
use crate::session::{Execution, Session};
use crate::statement::{columns_changed, row};
use crate::tables::dropped_meanwhile;

type Edit = Arc<dyn Fn(&mut Object, &mut Catalog) -> Result<()> + Send + Sync>;

pub(super) async fn run(
    session: &Session,
    kind: RelationKind,
    name: &ObjectName,
    if_exists: bool,
    actions: &[AlterAction],
) -> Result<Execution> {
    let catalog = session.catalog();
    let tag = format!("ALTER {}", object_kind(kind).as_str().to_uppercase());
    let Some(object) = find(session, &catalog, kind, name, if_exists)? else {
        return Ok(Execution::Done { tag });
    };
    if let [action] = actions {
        return match edit_of(session, &catalog, &object, action).await? {
            Some(edit) => edit_object(session, &object, edit, &tag).await,
            None => Ok(Execution::Done { tag }),
        };
    }
    // Each sees what those before it did.
    let mut altered = object.as_ref().clone();
    let mut scratch = Catalog::clone(&catalog);
    let mut edits = Vec::with_capacity(actions.len());
    for action in actions {
        if let Some(edit) = edit_of(session, &catalog, &altered, action).await? {
            edit(&mut altered, &mut scratch)?;
            edits.push(edit);
        }
    }
    if edits.is_empty() {
        return Ok(Execution::Done { tag });
    }
    let all: Edit =
        Arc::new(move |object, catalog| edits.iter().try_for_each(|edit| edit(object, catalog)));
    edit_object(session, &object, all, &tag).await
}

/// What one action does to an object; `None` for a column that is there already, of which there is a NOTICE.
async fn edit_of(
    session: &Session,
    catalog: &Catalog,
    object: &Object,
    action: &AlterAction,
) -> Result<Option<Edit>> {
    let edit: Edit = match action {
        AlterAction::Rename(new) => rename(new.clone()),
        AlterAction::SetSchema(schema) => set_schema(catalog, schema)?,
        AlterAction::Owner(owner) => {
            let owner = owner.clone();
            Arc::new(move |object, _| {
                object.owner.clone_from(&owner);
                Ok(())
            })
        }
        AlterAction::RenameColumn { from, to } => {
            column_position(object, from)?;
            rename_column(from.clone(), to.clone())
        }
        AlterAction::AddColumn { column, if_not_exists } => {
            let exists = object.columns().iter().any(|known| known.name == column.name);
            if exists && *if_not_exists {
                session.notice(Notice::new(format!(
                    "column \"{}\" of relation \"{}\" already exists, skipping",
                    column.name, object.name
                )));
                return Ok(None);
            }
            add_column(session, object, column)?
        }
        AlterAction::SetOptions(options) => {
            let edit = set_options(object, options)?;
            check_nothing_left_out(session, catalog, object, options).await?;
            edit
        }
    };
    Ok(Some(edit))
}

async fn edit_object(
    session: &Session,
    object: &Object,
    edit: Edit,
    tag: &str,
) -> Result<Execution> {
    let dead_id = session.shared.allocate_id();
    let (id, kind, name) = (object.id, object.kind(), object.name.clone());
    let step = move |context: &mut DdlContext<'_>| {
        let before = context.catalog.get(id).cloned();
        let before = before.ok_or_else(|| dropped_meanwhile(kind, &name))?;
        let mut object = before.as_ref().clone();
        edit(&mut object, context.catalog)?;
        context.put(object.clone());
        if (object.schema, &object.name) != (before.schema, &before.name) {
            rename_dead_rows(context, &object)?;
        }
        view::keep_dead_rows(context, &object, dead_id)
    };
    change(session, Arc::new(step), tag).await
}

/// What an object leaves out goes by its new name.
fn rename_dead_rows(context: &mut DdlContext<'_>, object: &Object) -> Result<()> {
    let part = context.catalog.objects().find(|other| other.part_of == Some(object.id));
    let Some(mut part) = part.map(|part| Object::clone(part)) else { return Ok(()) };
    let name = relation::dead_name(context.catalog, object.schema, &object.name);
    if part.name != name {
        check_free(context.catalog, part.schema, &name)?;
        part.name = name;
        context.put(part);
    }
    Ok(())
}

fn rename(new: String) -> Edit {
    Arc::new(move |object, catalog| {
        if object.kind() == ObjectKind::Schema {
            if catalog.schema_id(&new).is_some() {
                return Err(Error::new(
                    SqlState::DuplicateSchema,
                    format!("schema \"{new}\" already exists"),
                ));
            }
        } else {
            check_free(catalog, object.schema, &new)?;
        }
        object.name.clone_from(&new);
        Ok(())
    })
}

fn set_schema(catalog: &Catalog, schema: &str) -> Result<Edit> {
    let id = catalog.creation_schema(
        &ObjectName::qualified(schema, ""),
        &weir_catalog::SearchPath::default(),
    )?;
    Ok(Arc::new(move |object, catalog| {
        check_free(catalog, id, &object.name)?;
        object.schema = id;
        Ok(())
    }))
}

fn column_position(object: &Object, name: &str) -> Result<usize> {
    crate::statement::insert::column_position(object, name)
}

fn rename_column(from: String, to: String) -> Edit {
    Arc::new(move |object, _| {
        let position = column_position(object, &from)?;
        let columns = object
            .columns_mut()
            .ok_or_else(|| Error::internal("an object with columns has none"))?;
        columns[position].name.clone_from(&to);
        check_columns(columns)?;
        let rename = |text: &mut String| -> Result<()> {
            let renamed =
                crate::stack::on_planner_stack(|| Ok(with_renamed_column(text, &from, &to)))?;
            *text = renamed;
            Ok(())
        };
        columns.iter_mut().filter_map(|column| column.generated.as_mut()).try_for_each(rename)?;
        if let ObjectBody::Table(table) = &mut object.body {
            table.checks.iter_mut().map(|check| &mut check.expr).try_for_each(rename)?;
        }
        Ok(())
    })
}

/// ADD COLUMN: stored blocks stay as they are, old rows read the default.
fn add_column(session: &Session, object: &Object, definition: &ColumnDefinition) -> Result<Edit> {
    if !matches!(object.body, ObjectBody::Stream(_) | ObjectBody::Table(_)) {
        return Err(Error::new(
            SqlState::WrongObjectType,
            format!("\"{}\" is not a stream or table", object.name),
        ));
    }
    if definition.primary_key || definition.generated.is_some() || !definition.checks.is_empty() {
        return Err(Error::unsupported(
            "ADD COLUMN with PRIMARY KEY, CHECK or GENERATED is not implemented",
        ));
    }
    let next = object.columns().iter().map(|column| column.id.0).max().unwrap_or(0) + 1;
    let mut column = relation::column(ColumnId(next), definition)?;
    column.missing = match &definition.default {
        Some(text) => Some(constant(session, &column, text)?),
        None => None,
    };
    if !column.nullable && column.missing.is_none() {
        return Err(Error::new(
            SqlState::NotNullViolation,
            format!(
                "column \"{}\" of relation \"{}\" contains null values",
                column.name, object.name
            ),
        )
        .with_hint("Give the column a DEFAULT, which old rows read."));
    }
    Ok(Arc::new(move |object, _| {
        let version = match &mut object.body {
            ObjectBody::Stream(stream) => &mut stream.schema_version,
            ObjectBody::Table(table) => &mut table.schema_version,
            _ => return Err(Error::internal("only streams and tables get columns")),
        };
        *version += 1;
        let added_in = *version;
        let columns = object
            .columns_mut()
            .ok_or_else(|| Error::internal("an object with columns has none"))?;
        let is_taken = columns.iter().any(|known| known.id == column.id);
        columns.push(Column { added_in, ..column.clone() });
        check_columns(columns)?;
        // Rows that were made for this column must not be read as those of another one.
        if is_taken { Err(columns_changed()) } else { Ok(()) }
    }))
}

/// The value of a constant default, as text.
fn constant(session: &Session, column: &Column, text: &str) -> Result<String> {
    use arrow::array::Array;
    let value = crate::stack::on_planner_stack(|| {
        row::default_value(session, &Column { default: Some(text.to_owned()), ..column.clone() })
    })?;
    if value.is_null(0) {
        return Err(Error::unsupported("ADD COLUMN .. DEFAULT NULL needs no default"));
    }
    Ok(weir_connect::value::display(value.as_ref(), 0, &column.sql_type))
}

fn set_options(
    object: &Object,
    options: &std::collections::BTreeMap<String, String>,
) -> Result<Edit> {
    let ObjectBody::MaterializedView(_) = &object.body else {
        return Err(Error::unsupported(format!(
            "ALTER {} .. SET is not implemented",
            object.kind().as_str().to_uppercase()
        )));
    };
    if let Some(name) = options.keys().find(|name| *name != "on_error") {
        return Err(Error::new(
            SqlState::InvalidParameterValue,
            format!("unrecognized option \"{name}\" of a materialized view"),
        ));
    }
    let on_error = view::on_error(options.get("on_error").map(String::as_str))?;
    Ok(Arc::new(move |object, _| {
        if let ObjectBody::MaterializedView(view) = &mut object.body {
            view.on_error = on_error;
        }
        Ok(())
    }))
}

/// Refuses to fail for errors from now on while rows are left out for theirs: the view would not be its query.
async fn check_nothing_left_out(
    session: &Session,
    catalog: &Catalog,
    object: &Object,
    options: &std::collections::BTreeMap<String, String>,
) -> Result<()> {
    let fails = options.get("on_error").is_some_and(|value| value == "fail");
    let dead = catalog.objects().find(|other| other.part_of == Some(object.id));
    let (true, Some(dead)) = (fails, dead) else { return Ok(()) };
    let shared = &session.shared;
    let relations = std::collections::BTreeSet::from([dead.id]);
    let reach = read::choose_epoch(shared, catalog, &relations, None, read::ReadMode::Strict);
    let pin = session.interrupt.or(reach).await?;
    let n_rows = shared.views.get(dead.id)?.segments.snapshot().n_rows(pin.epoch());
    if n_rows == 0 {
        return Ok(());
    }
    Err(Error::new(
        SqlState::ObjectNotInPrerequisiteState,
        format!("materialized view \"{}\" leaves out {n_rows} rows for their errors", object.name),
    )
    .with_detail(format!("They are the rows of {}.", catalog.full_name(dead.id)))
    .with_hint("Mend or delete them in what the view reads, or drop the view and create it again."))
}

pub(super) async fn comment(
    session: &Session,
    target: &CommentTarget,
    text: Option<&str>,
) -> Result<Execution> {
    let catalog = session.catalog();
    let text = text.map(str::to_owned);
    let (object, edit): (_, Edit) = match target {
        CommentTarget::Object(kind, name) => {
            let object = find(session, &catalog, *kind, name, false)?;
            let edit = move |object: &mut Object, _: &mut Catalog| {
                object.comment.clone_from(&text);
                Ok(())
            };
            (object, Arc::new(edit))
        }
        CommentTarget::Column(name, column) => {
            let object = Arc::clone(catalog.resolve(name, &session.search_path())?);
            let position = column_position(&object, column)?;
            let edit = move |object: &mut Object, _: &mut Catalog| {
                if let Some(columns) = object.columns_mut() {
                    columns[position].comment.clone_from(&text);
                }
                Ok(())
            };
            (Some(object), Arc::new(edit))
        }
    };
    let object = object.ok_or_else(|| Error::internal("COMMENT found nothing"))?;
    edit_object(session, &object, edit, "COMMENT").await
}
