//! Errors and notices as the fields of their messages.

use pgwire::messages::response::{ErrorResponse, NoticeResponse};
use weir_types::{Error, Notice};

/// What becomes of the connection after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// It goes on.
    Error,
    /// It ends.
    Fatal,
}

/// The ErrorResponse of an error.
pub(crate) fn error_response(severity: Severity, error: &Error) -> ErrorResponse {
    let severity = match severity {
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
    };
    let position = error.position().map(|position| position.to_string());
    let mut fields = leading_fields(severity, error.state().code(), error.message());
    add_field(&mut fields, b'D', error.detail());
    add_field(&mut fields, b'H', error.hint());
    add_field(&mut fields, b'P', position.as_deref());
    add_field(&mut fields, b'W', error.context());
    if let Some(subject) = error.subject() {
        add_field(&mut fields, b's', subject.schema.as_deref());
        add_field(&mut fields, b't', subject.table.as_deref());
        add_field(&mut fields, b'c', subject.column.as_deref());
        add_field(&mut fields, b'n', subject.constraint.as_deref());
    }
    ErrorResponse::new(fields)
}

/// The NoticeResponse of a notice.
pub(crate) fn notice_response(notice: &Notice) -> NoticeResponse {
    let mut fields = leading_fields(notice.severity, notice.code, &notice.message);
    add_field(&mut fields, b'D', notice.detail.as_deref());
    add_field(&mut fields, b'H', notice.hint.as_deref());
    NoticeResponse::new(fields)
}

fn leading_fields(severity: &str, code: &str, message: &str) -> Vec<(u8, String)> {
    vec![
        (b'S', severity.to_owned()),
        (b'V', severity.to_owned()),
        (b'C', code.to_owned()),
        (b'M', without_nul(message)),
    ]
}

fn add_field(fields: &mut Vec<(u8, String)>, code: u8, value: Option<&str>) {
    fields.extend(value.map(|value| (code, without_nul(value))));
}

/// The text without NULs, which would end the field early.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

#[cfg(test)]
mod tests {
    use weir_types::{Error, Notice, SqlState, Subject};

    use super::{Severity, error_response, notice_response};

    #[test]
    fn all_fields_are_sent_without_nul() {
        let error = Error::new(SqlState::SyntaxError, "bad \0 text")
            .with_detail("d")
            .with_hint("h")
            .with_position(7)
            .with_context("w\0")
            .with_subject(Subject {
                schema: Some("s".to_owned()),
                table: Some("t".to_owned()),
                column: Some("c".to_owned()),
                constraint: Some("n".to_owned()),
            });
        let fields: String = error_response(Severity::Error, &error)
            .fields
            .into_iter()
            .map(|(code, value)| format!("{}={value};", char::from(code)))
            .collect();
        let expected =
            "S=ERROR;V=ERROR;C=42601;M=bad \u{FFFD} text;D=d;H=h;P=7;W=w\u{FFFD};s=s;t=t;c=c;n=n;";
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_notice_keeps_its_own_severity() {
        let notice = Notice::warning("01000", "careful");
        let fields = notice_response(&notice).fields;
        assert_eq!(fields[0], (b'S', "WARNING".to_owned()));
        assert_eq!(fields[2], (b'C', "01000".to_owned()));
    }
}
