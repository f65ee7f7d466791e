//! The session's settings that a query's meaning depends on.

use std::sync::Arc;

use datafusion::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::error::{DataFusionError, Result as DfResult};
use weir_connect::value::{FormatSettings, TimeZone};
use weir_types::Result;

/// How texts of dates, intervals and so on are read and written, for the casts of a query. An extension
/// of DataFusion's settings; its time zone gives way to `execution.time_zone`.
#[derive(Clone, Debug, Default)]
pub struct TextFormats(pub FormatSettings);

impl ConfigExtension for TextFormats {
    const PREFIX: &'static str = "weir_text";
}

impl ExtensionOptions for TextFormats {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> DfResult<()> {
        Err(DataFusionError::Configuration(format!("{key} is not set by name")))
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

/// The settings of a session.
pub(super) fn of(config: &ConfigOptions) -> Result<Arc<FormatSettings>> {
    let mut settings =
        config.extensions.get::<TextFormats>().map(|formats| formats.0.clone()).unwrap_or_default();
    if let Some(zone) = &config.execution.time_zone {
        settings.time_zone = TimeZone::parse(zone)?;
    }
    Ok(Arc::new(settings))
}
