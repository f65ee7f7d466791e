//! The catalog snapshot: objects by id and by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_types::{Epoch, Error, ObjectId, Result, SqlState, TopicId};

use crate::name::{ObjectName, SearchPath};
use crate::object::{Object, ObjectBody, ObjectKind, Schema};
use crate::{
    DLQ_ID, FIRST_USER_ID, INFORMATION_SCHEMA_ID, LATE_ID, PG_CATALOG_ID, PUBLIC_ID, SYS_ID,
};

/// All objects at one moment. Cloning is cheap enough for DDL: objects are shared.
#[derive(Clone, Debug)]
pub struct Catalog {
    objects: BTreeMap<ObjectId, Arc<Object>>,
    /// (schema, name) to relation or sink. Schemas are in `schemas`.
    names: BTreeMap<(ObjectId, String), ObjectId>,
    schemas: BTreeMap<String, ObjectId>,
    next_id: u32,
}

impl Default for Catalog {
    fn default() -> Self {
        Self::new()
    }
}

impl Catalog {
    /// The catalog of an empty data directory: the built-in schemas and `public`.
    #[must_use]
    pub fn new() -> Self {
        let mut catalog = Self {
            objects: BTreeMap::new(),
            names: BTreeMap::new(),
            schemas: BTreeMap::new(),
            next_id: FIRST_USER_ID.0,
        };
        for (id, name) in [
            (PG_CATALOG_ID, "pg_catalog"),
            (PUBLIC_ID, "public"),
            (INFORMATION_SCHEMA_ID, "information_schema"),
            (SYS_ID, "sys"),
            (DLQ_ID, "dlq"),
            (LATE_ID, "late"),
        ] {
            catalog.put(Object {
                id,
                schema: id,
                name: name.to_owned(),
                owner: "weir".to_owned(),
                comment: None,
                created: Epoch::ZERO,
                part_of: None,
                body: ObjectBody::Schema(Schema {}),
            });
        }
        catalog
    }

    /// A fresh id for an object or a topic; never given twice, also over restarts as long as
    /// [`Self::next_id`] is stored with the objects.
    pub fn allocate_id(&mut self) -> ObjectId {
        let id = ObjectId(self.next_id);
        self.next_id += 1;
        id
    }

    /// The id that the next call of [`Self::allocate_id`] gives.
    #[must_use]
    pub fn next_id(&self) -> u32 {
        self.next_id
    }

    /// Restores the id counter; it never goes down.
    pub fn set_next_id(&mut self, next_id: u32) {
        self.next_id = self.next_id.max(next_id);
    }

    /// Adds the object, or replaces the one of its id.
    pub fn put(&mut self, object: Object) {
        self.remove(object.id);
        if object.kind() == ObjectKind::Schema {
            self.schemas.insert(object.name.clone(), object.id);
        } else {
            self.names.insert((object.schema, object.name.clone()), object.id);
        }
        self.next_id = self.next_id.max(object.id.0 + 1);
        self.objects.insert(object.id, Arc::new(object));
    }

    /// Takes the object out; `None` where there is none.
    pub fn remove(&mut self, id: ObjectId) -> Option<Arc<Object>> {
        let object = self.objects.remove(&id)?;
        if object.kind() == ObjectKind::Schema {
            self.schemas.remove(&object.name);
        } else {
            self.names.remove(&(object.schema, object.name.clone()));
        }
        Some(object)
    }

    /// The object of that id.
    #[must_use]
    pub fn get(&self, id: ObjectId) -> Option<&Arc<Object>> {
        self.objects.get(&id)
    }

    /// The object of that id.
    ///
    /// # Errors
    /// 42704 where it was dropped.
    pub fn require(&self, id: ObjectId) -> Result<&Arc<Object>> {
        self.get(id).ok_or_else(|| {
            Error::new(SqlState::UndefinedObject, format!("object with oid {id} does not exist"))
        })
    }

    /// All objects in the order of their ids.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values()
    }

    /// The id of that schema.
    #[must_use]
    pub fn schema_id(&self, name: &str) -> Option<ObjectId> {
        self.schemas.get(name).copied()
    }

    /// The name of that schema.
    #[must_use]
    pub fn schema_name(&self, id: ObjectId) -> &str {
        self.objects.get(&id).map_or("?", |schema| &schema.name)
    }

    /// All schemas in the order of their names.
    pub fn schemas(&self) -> impl Iterator<Item = (&str, ObjectId)> {
        self.schemas.iter().map(|(name, id)| (name.as_str(), *id))
    }

    /// The relation or sink in that schema.
    #[must_use]
    pub fn lookup_in(&self, schema: ObjectId, name: &str) -> Option<&Arc<Object>> {
        let id = self.names.get(&(schema, name.to_owned()))?;
        self.objects.get(id)
    }

    /// The relation or sink that the name means; `None` where there is none.
    #[must_use]
    pub fn lookup(&self, name: &ObjectName, path: &SearchPath) -> Option<&Arc<Object>> {
        match &name.schema {
            Some(schema) => self.lookup_in(self.schema_id(schema)?, &name.name),
            None => path
                .effective()
                .filter_map(|schema| self.schema_id(schema))
                .find_map(|schema| self.lookup_in(schema, &name.name)),
        }
    }

    /// The relation or sink that the name means.
    ///
    /// # Errors
    /// 3F000 for an unknown schema, 42P01 for an unknown name.
    pub fn resolve(&self, name: &ObjectName, path: &SearchPath) -> Result<&Arc<Object>> {
        if let Some(schema) = &name.schema
            && self.schema_id(schema).is_none()
        {
            return Err(unknown_schema(schema));
        }
        self.lookup(name, path).ok_or_else(|| unknown_relation(name))
    }

    /// The schema in which an unqualified new object goes: the first of the path that exists.
    ///
    /// # Errors
    /// 3F000 where there is none.
    pub fn creation_schema(&self, name: &ObjectName, path: &SearchPath) -> Result<ObjectId> {
        let schema = match &name.schema {
            Some(schema) => schema,
            None => {
                path.0.iter().find(|schema| self.schema_id(schema).is_some()).ok_or_else(|| {
                    Error::new(
                        SqlState::InvalidSchemaName,
                        "no schema has been selected to create in",
                    )
                    .with_hint("Name the schema, or SET search_path.")
                })?
            }
        };
        let id = self.schema_id(schema).ok_or_else(|| unknown_schema(schema))?;
        if [PG_CATALOG_ID, INFORMATION_SCHEMA_ID, SYS_ID].contains(&id) {
            return Err(Error::new(
                SqlState::InsufficientPrivilege,
                format!("permission denied to create \"{schema}.{}\"", name.name),
            )
            .with_detail("System schemas cannot be changed."));
        }
        Ok(id)
    }

    /// The object's full name, quoted where needed.
    #[must_use]
    pub fn full_name(&self, id: ObjectId) -> String {
        match self.get(id) {
            Some(object) if object.kind() == ObjectKind::Schema => object.name.clone(),
            Some(object) => format!("{}.{}", self.schema_name(object.schema), object.name),
            None => format!("oid {id}"),
        }
    }

    /// The full name of a new object in that schema.
    #[must_use]
    pub fn full_name_in(&self, schema: ObjectId, name: &str) -> String {
        format!("{}.{name}", self.schema_name(schema))
    }

    /// The stream or table of that topic.
    #[must_use]
    pub fn by_topic(&self, topic: TopicId) -> Option<&Arc<Object>> {
        self.objects.values().find(|object| object.topic() == Some(topic))
    }
}

fn unknown_schema(schema: &str) -> Error {
    Error::new(SqlState::InvalidSchemaName, format!("schema \"{schema}\" does not exist"))
}

fn unknown_relation(name: &ObjectName) -> Error {
    Error::new(SqlState::UndefinedTable, format!("relation \"{name}\" does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Column;
    use crate::object::{StoredQuery, View};
    use weir_types::{ColumnId, SqlType};

    fn view(id: u32, schema: ObjectId, name: &str) -> Object {
        Object {
            id: ObjectId(id),
            schema,
            name: name.to_owned(),
            owner: "weir".to_owned(),
            comment: None,
            created: Epoch(1),
            part_of: None,
            body: ObjectBody::View(View {
                query: StoredQuery {
                    sql: "SELECT 1".to_owned(),
                    time_zone: "UTC".to_owned(),
                    relations: vec![],
                },
                columns: vec![Column::new(ColumnId(0), "a", SqlType::Int4)],
            }),
        }
    }

    #[test]
    fn a_bare_name_is_looked_up_along_the_path() {
        let mut catalog = Catalog::new();
        catalog.put(view(20_000, PUBLIC_ID, "v"));
        let path = SearchPath::default();
        assert!(catalog.lookup(&ObjectName::bare("v"), &path).is_some());
        assert!(catalog.lookup(&ObjectName::qualified("sys", "v"), &path).is_none());
        let error = catalog.resolve(&ObjectName::bare("w"), &path).expect_err("no w");
        assert_eq!(error.state().code(), "42P01");
        assert_eq!(catalog.allocate_id(), ObjectId(20_001));
    }

    #[test]
    fn a_rename_frees_the_old_name() {
        let mut catalog = Catalog::new();
        catalog.put(view(20_000, PUBLIC_ID, "v"));
        catalog.put(view(20_000, PUBLIC_ID, "w"));
        assert!(catalog.lookup_in(PUBLIC_ID, "v").is_none());
        assert!(catalog.lookup_in(PUBLIC_ID, "w").is_some());
    }
}
