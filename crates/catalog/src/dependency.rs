//! Who uses whom.

use std::collections::BTreeSet;

use weir_types::ObjectId;

use crate::catalog::Catalog;
use crate::object::Object;

impl Object {
    /// The objects that this one cannot be without.
    pub fn uses(&self) -> impl Iterator<Item = ObjectId> + '_ {
        let relations = self.query().into_iter().flat_map(|query| &query.relations);
        relations.map(|relation| relation.id).chain(self.part_of)
    }
}

impl Catalog {
    /// The objects that use this one directly, parts of it included; for a schema: its members.
    #[must_use]
    pub fn users(&self, id: ObjectId) -> Vec<ObjectId> {
        self.objects()
            .filter(|object| object.id != id)
            .filter(|object| object.schema == id || object.uses().any(|used| used == id))
            .map(|object| object.id)
            .collect()
    }

    /// The objects that use this one directly or through others, without itself, users before used.
    #[must_use]
    pub fn transitive_users(&self, id: ObjectId) -> Vec<ObjectId> {
        let mut seen = BTreeSet::from([id]);
        let mut order = Vec::new();
        self.visit_users(id, &mut seen, &mut order);
        order
    }

    fn visit_users(&self, id: ObjectId, seen: &mut BTreeSet<ObjectId>, order: &mut Vec<ObjectId>) {
        for user in self.users(id) {
            if seen.insert(user) {
                self.visit_users(user, seen, order);
                order.push(user);
            }
        }
    }

    /// The materialized views, tables and streams that reading `id` reads: plain views are looked
    /// through, materialized views are not.
    #[must_use]
    pub fn read_set(&self, ids: impl IntoIterator<Item = ObjectId>) -> BTreeSet<ObjectId> {
        let mut found = BTreeSet::new();
        let mut stack: Vec<ObjectId> = ids.into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            let Some(object) = self.get(id) else { continue };
            match object.body {
                crate::ObjectBody::View(_) => stack.extend(object.uses()),
                _ => {
                    found.insert(id);
                }
            }
        }
        found
    }
}
