//! The names that values of `reg*` types are shown by.

use std::fmt;
use std::sync::Arc;

use weir_types::RegKind;

/// Knows the names of objects by their oids.
pub trait ObjectNames: Send + Sync {
    /// How a value is shown: the name, qualified where that is needed, or the number where nothing has
    /// it. 0 is not asked for.
    fn shown(&self, kind: RegKind, oid: u32) -> String;
}

/// Where names of objects come from; without a source a value is shown as its number.
#[derive(Clone, Default)]
pub struct NameSource(Option<Arc<dyn ObjectNames>>);

impl NameSource {
    /// Names from there.
    #[must_use]
    pub fn new(names: Arc<dyn ObjectNames>) -> Self {
        Self(Some(names))
    }

    /// How the value is shown.
    pub(super) fn shown(&self, kind: RegKind, oid: u32) -> String {
        match &self.0 {
            _ if oid == 0 => "-".to_owned(),
            Some(names) => names.shown(kind, oid),
            None => oid.to_string(),
        }
    }
}

impl fmt::Debug for NameSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "NameSource(..)" } else { "NameSource(none)" })
    }
}

/// The same source, not the same names.
impl PartialEq for NameSource {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Eq for NameSource {}
