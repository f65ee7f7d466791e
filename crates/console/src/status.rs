//! The status page: what a person wants to see first, as plain HTML without a script.

use weir_engine::Metric;
use weir_types::Epoch;

/// Seconds after which the browser asks again.
const REFRESH_SECONDS: u32 = 2;

/// The page; `epoch` is `None` while the server is starting.
pub(crate) fn render(is_ready: bool, epoch: Option<Epoch>, metrics: &[Metric]) -> String {
    let state = match epoch {
        None => "starting: the data directory is being recovered".to_owned(),
        Some(epoch) if is_ready => format!("ready at epoch {epoch} ({})", epoch.0),
        Some(epoch) => format!("not ready, at epoch {epoch} ({})", epoch.0),
    };
    let rows: String = metrics.iter().map(row).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"refresh\" content=\"{REFRESH_SECONDS}\">\n<title>Weir</title>\n\
         <style>\n\
         body {{ font: 14px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 60em; }}\n\
         table {{ border-collapse: collapse; width: 100%; }}\n\
         td, th {{ border-bottom: 1px solid #ccc; padding: 0.2em 0.6em; text-align: left; }}\n\
         td:last-child, th:last-child {{ text-align: right; font-variant-numeric: tabular-nums; }}\n\
         </style>\n</head>\n<body>\n<h1>Weir {version}</h1>\n<p>{state}</p>\n\
         <table>\n<tr><th>metric</th><th>of</th><th>value</th></tr>\n{rows}</table>\n\
         <p>The same numbers for Prometheus: <a href=\"/metrics\">/metrics</a>. \
         Queries go through psql.</p>\n</body>\n</html>\n",
        version = env!("CARGO_PKG_VERSION"),
    )
}

fn row(metric: &Metric) -> String {
    let labels: Vec<String> =
        metric.labels.iter().map(|(name, value)| format!("{name} {value}")).collect();
    format!(
        "<tr title=\"{}\"><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        escaped(metric.help),
        escaped(metric.name),
        escaped(&labels.join(", ")),
        metric.value
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use weir_engine::MetricKind;

    use super::*;

    #[test]
    fn names_of_objects_cannot_become_markup() {
        let metric = Metric {
            name: "weir_view_rows",
            help: "Rows of a view",
            kind: MetricKind::Gauge,
            labels: vec![("view", "<script>".to_owned())],
            value: 12.0,
        };
        let page = render(true, Some(Epoch(31)), &[metric]);
        assert!(page.contains("ready at epoch 0/1F (31)"), "{page}");
        assert!(page.contains("<td>view &lt;script&gt;</td><td>12</td>"), "{page}");
        assert!(!page.contains("<script>"));
    }
}
