//! Texts that are stored with names: what they are called today.
//!
//! A stored query means objects and columns by id, under the names that these had. After RENAME its text alone
//! would mean others, or nothing: [`current_text`] writes the present names into it.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::ops::Range;

use datafusion::sql::sqlparser::ast::{
    self as sql, Expr, Ident, ObjectName, Query, SelectItem, SelectItemQualifiedWildcardKind,
    SetExpr, Spanned, TableAlias, TableFactor, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use weir_catalog::{Catalog, Column, Object, StoredQuery, StoredRelation};

use crate::bind;
use crate::dialect;
use crate::dialect::visit::{visit, visit_expressions};
use crate::names;
use crate::source::RecordColumn;

/// The query's text with the names that its relations and their columns have now. What is as it was stays as it
/// was written.
#[must_use]
pub fn current_text(query: &StoredQuery, catalog: &Catalog) -> String {
    let is_current = |relation: &StoredRelation| {
        catalog.get(relation.id).is_none_or(|object| is_current(catalog, relation, object))
    };
    if query.relations.iter().all(is_current) {
        return query.sql.clone();
    }
    // The text was parsed when it was stored, and so is what becomes of it before anybody sees it.
    let rewritten = dialect::parse_query(&query.sql).ok().map(|parsed| {
        let mut renamer = Renamer {
            catalog,
            relations: &query.relations,
            record_columns: bind::mentioned_record_columns(&parsed),
            visible: vec![BTreeSet::new()],
            of_definitions: HashMap::new(),
            edits: Vec::new(),
        };
        let _ = visit(&parsed, &mut renamer);
        apply(&query.sql, renamer.edits)
    });
    let works = |text: &String| dialect::parse_query(text).is_ok();
    rewritten.filter(works).unwrap_or_else(|| query.sql.clone())
}

/// As [`current_text`], for a view whose columns may have names other than the query's outputs: these are given
/// to them where the text tells that they differ.
#[must_use]
pub fn current_text_of(
    view: &str,
    query: &StoredQuery,
    columns: &[Column],
    catalog: &Catalog,
) -> String {
    let text = current_text(query, catalog);
    let outputs = dialect::parse_query(&text).ok().and_then(|query| output_names(*query));
    let differ = outputs.is_some_and(|names| !names.iter().eq(columns.iter().map(|c| &c.name)));
    if !differ {
        return text;
    }
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    format!("SELECT * FROM (\n{text}\n) AS {} ({})", quoted(view), names.join(", "))
}

/// The names of a query's outputs; `None` where only its relations know them.
fn output_names(mut query: Query) -> Option<Vec<String>> {
    names::name_outputs(&mut query).ok()?;
    let mut body = query.body;
    loop {
        body = match *body {
            SetExpr::Select(select) => return select.projection.iter().map(output_name).collect(),
            SetExpr::SetOperation { left, .. } => left,
            SetExpr::Query(query) => query.body,
            _ => return None,
        };
    }
}

fn output_name(item: &SelectItem) -> Option<String> {
    let name = match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => ident,
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(idents)) => idents.last()?,
        SelectItem::ExprWithAlias { alias, .. } => alias,
        _ => return None,
    };
    Some(names::wire_name(&name.value).to_owned())
}

/// The text of an expression over a relation's columns, one of which gets another name.
#[must_use]
pub fn with_renamed_column(expr: &str, from: &str, to: &str) -> String {
    let Ok(parsed) = dialect::parse_expr(expr) else { return expr.to_owned() };
    let mut edits = Vec::new();
    let _ = visit_expressions(&parsed, |expr| {
        let column = match expr {
            Expr::Identifier(ident) => Some(ident),
            Expr::CompoundIdentifier(idents) => idents.last(),
            _ => None,
        };
        if let Some(column) = column.filter(|column| column.value == from) {
            edits.push(Edit { place: place(column.span), text: quoted(to) });
        }
        ControlFlow::<()>::Continue(())
    });
    apply(expr, edits)
}

/// True where the text's name means that object without our help, and its columns are as they were.
fn is_current(catalog: &Catalog, relation: &StoredRelation, object: &Object) -> bool {
    let schema = relation.schema.as_deref().unwrap_or("public");
    relation.name == object.name
        && schema == catalog.schema_name(object.schema)
        && has_columns(relation, object)
}

fn has_columns(relation: &StoredRelation, object: &Object) -> bool {
    let now = object.columns().iter().filter(|column| !column.hidden);
    now.map(|column| (column.id, column.name.as_str()))
        .eq(relation.columns.iter().map(|(id, name, _)| (*id, name.as_str())))
}

/// New text for a piece of the old: characters, from 0.
struct Edit {
    place: Range<usize>,
    text: String,
}

/// Texts are parsed as one line whose columns are characters.
fn place(span: Span) -> Range<usize> {
    let index = |column: u64| (column as usize).saturating_sub(1);
    index(span.start.column)..index(span.end.column)
}

fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.place.start);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut at = 0;
    for edit in edits {
        if edit.place.start < at {
            continue;
        }
        out.extend(chars.by_ref().take(edit.place.start - at));
        out.push_str(&edit.text);
        at = edit.place.end;
        for _ in edit.place {
            chars.next();
        }
    }
    out.extend(chars);
    out
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Finds the names in a query that mean relations, and what to write for them.
struct Renamer<'a> {
    catalog: &'a Catalog,
    relations: &'a [StoredRelation],
    /// What a subquery must hand on of a stream.
    record_columns: Vec<RecordColumn>,
    /// Names of WITH that hide relations, for each query around.
    visible: Vec<BTreeSet<String>>,
    /// The same for queries in WITH, by address: they do not see all that the query behind does.
    of_definitions: HashMap<*const Query, BTreeSet<String>>,
    edits: Vec<Edit>,
}

impl Renamer<'_> {
    /// The relation that the name means, where its text has to change.
    fn renamed(&self, schema: Option<&Ident>, name: &Ident) -> Option<(&StoredRelation, &Object)> {
        let relation = self.relations.iter().find(|relation| {
            relation.schema.as_deref() == schema.map(|schema| schema.value.as_str())
                && relation.name == name.value
        })?;
        let object = self.catalog.get(relation.id)?;
        (!is_current(self.catalog, relation, object)).then_some((relation, object))
    }

    fn relation(&mut self, name: &ObjectName, alias: Option<&TableAlias>) {
        let idents: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
        let (schema, bare) = match idents.as_slice() {
            [bare] => (None, *bare),
            [.., schema, bare] => (Some(*schema), *bare),
            [] => return,
        };
        let hidden = self.visible.last().is_some_and(|names| names.contains(&bare.value));
        if schema.is_none() && hidden {
            return;
        }
        let Some((relation, object)) = self.renamed(schema, bare) else { return };
        let mut text =
            format!("{}.{}", quoted(self.catalog.schema_name(object.schema)), quoted(&object.name));
        if !has_columns(relation, object) {
            text = self.under_old_names(relation, object, &text);
        }
        if alias.is_none() {
            text = format!("{text} AS {}", quoted(&bare.value));
        }
        self.edits.push(Edit { place: place(name.span()), text });
    }

    /// The relation as it was: its columns of then, under their names of then.
    fn under_old_names(&self, relation: &StoredRelation, object: &Object, name: &str) -> String {
        let now = |id| object.columns().iter().find(|column| column.id == id);
        let columns = relation.columns.iter().filter_map(|(id, then, _)| {
            let now = &now(*id)?.name;
            Some(match now == then {
                true => quoted(then),
                false => format!("{} AS {}", quoted(now), quoted(then)),
            })
        });
        let mut columns: Vec<String> = columns.collect();
        if matches!(object.body, weir_catalog::ObjectBody::Stream(_)) {
            columns.extend(self.record_columns.iter().map(|column| column.name().to_owned()));
        }
        format!("(SELECT {} FROM {name})", columns.join(", "))
    }

    /// `schema.relation.column`: the relation goes by its bare name from now on.
    fn qualified(&mut self, idents: &[&Ident]) {
        if let [.., schema, name] = idents
            && self.renamed(Some(schema), name).is_some()
            && let Some(first) = idents.first()
        {
            let place = place(first.span).start..place(name.span).start;
            self.edits.push(Edit { place, text: String::new() });
        }
    }
}

impl Visitor for Renamer<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let around = self.of_definitions.get(&std::ptr::from_ref(query)).cloned();
        let mut names = around.or_else(|| self.visible.last().cloned()).unwrap_or_default();
        if let Some(with) = &query.with {
            let all = with.cte_tables.iter().map(|cte| cte.alias.name.value.clone());
            if with.recursive {
                names.extend(all);
            }
            for cte in &with.cte_tables {
                self.of_definitions.insert(std::ptr::from_ref(&*cte.query), names.clone());
                names.insert(cte.alias.name.value.clone());
            }
        }
        self.visible.push(names);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.visible.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &sql::Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::QualifiedWildcard(kind, _) = item
                && let SelectItemQualifiedWildcardKind::ObjectName(name) = kind
            {
                let idents: Vec<&Ident> =
                    name.0.iter().filter_map(|part| part.as_ident()).collect();
                self.qualified(&idents);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, args: None, .. } = factor {
            self.relation(name, alias.as_ref());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(idents) = expr {
            let qualifier: Vec<&Ident> = idents.iter().take(idents.len() - 1).collect();
            self.qualified(&qualifier);
        }
        ControlFlow::Continue(())
    }
}
