//! Metrics in Prometheus' text format, version 0.0.4.

use std::fmt::Write;

use weir_engine::{Metric, MetricKind};

/// The text of all metrics. Those of one name stand together, as the format demands, in the order
/// in which the names first appear.
pub(crate) fn render(metrics: &[Metric]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for metric in metrics {
        if !names.contains(&metric.name) {
            names.push(metric.name);
        }
    }
    let mut out = String::new();
    for name in names {
        let mut family = metrics.iter().filter(|metric| metric.name == name).peekable();
        if let Some(first) = family.peek() {
            let kind = match first.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
            };
            let help = escaped(first.help, false);
            put(&mut out, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        }
        for metric in family {
            put(&mut out, format_args!("{}\n", sample(metric)));
        }
    }
    out
}

/// `name{label="value"} 1`.
fn sample(metric: &Metric) -> String {
    let labels: Vec<String> = metric
        .labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value, true)))
        .collect();
    let labels =
        if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    format!("{}{labels} {}", metric.name, number(metric.value))
}

/// Rust writes infinity as `inf`, the format as `+Inf`.
fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string()
}

fn escaped(text: &str, in_quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if in_quotes { text.replace('"', "\\\"") } else { text }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &'static str, label: &str, value: f64) -> Metric {
        Metric {
            name,
            help: "Rows.\nAll of them.",
            kind: MetricKind::Counter,
            labels: vec![("view", label.to_owned())],
            value,
        }
    }

    #[test]
    fn a_family_stands_together_under_one_head_and_labels_are_escaped() {
        let text = render(&[
            metric("weir_rows_total", "a\"b\\c\nd", 3.0),
            metric("weir_lag", "v", f64::INFINITY),
            metric("weir_rows_total", "e", 0.5),
        ]);
        assert_eq!(
            text,
            "# HELP weir_rows_total Rows.\\nAll of them.\n# TYPE weir_rows_total counter\n\
             weir_rows_total{view=\"a\\\"b\\\\c\\nd\"} 3\nweir_rows_total{view=\"e\"} 0.5\n\
             # HELP weir_lag Rows.\\nAll of them.\n# TYPE weir_lag counter\n\
             weir_lag{view=\"v\"} +Inf\n"
        );
    }

    #[test]
    fn a_metric_without_labels_has_no_braces() {
        let bare = Metric { labels: Vec::new(), ..metric("weir_epoch", "", 7.0) };
        assert!(render(&[bare]).ends_with("\nweir_epoch 7\n"));
    }
}
