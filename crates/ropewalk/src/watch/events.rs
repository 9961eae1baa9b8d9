//! The events of a trace, as text: JSON in Chrome's trace event format, one event a line.

#![forbid(unsafe_code)]

use std::sync::Arc;

use crate::wait::{ObjectInfo, ResourceKind};

/// How the event of a lock begins, up to its time.
pub(super) type HoldTitle = Arc<[u8]>;

/// Where events are written: each ends with the same process and thread.
pub(super) struct Text<'a> {
    pub(super) to: &'a mut Vec<u8>,
    pub(super) tail: &'a [u8],
    /// When the last slice of this lane ends.
    pub(super) last: &'a mut u64,
    /// When the thread released a lock last while it was in no wait.
    pub(super) awake: &'a mut u64,
}

/// So many bytes of a name are shown. Nobody reads more, and a piece must have room for it.
const NAME_BYTES: usize = 300;

/// What a thing is called.
#[derive(Clone, Copy)]
pub(super) struct Title<'a> {
    pub(super) kind: &'a str,
    pub(super) name: Option<&'a str>,
    /// A name that was given, or a line.
    pub(super) quoted: bool,
}

impl Title<'_> {
    pub(super) fn new<'a>(
        kind: ResourceKind,
        name: Option<&'a str>,
        made_at: Option<&'a str>,
    ) -> Title<'a> {
        let kind = match (kind, name, made_at) {
            // The one event without a line of its own.
            (ResourceKind::Event, None, None) => "start of a thread",
            _ => kind.name(),
        };
        Title { kind, quoted: name.is_some(), name: name.or(made_at) }
    }

    /// Calls `with` with what a thing is called.
    pub(super) fn of<R>(object: &ObjectInfo, with: impl FnOnce(Title<'_>) -> R) -> R {
        if object.is_own() {
            let kind = object.kind().name();
            return with(Title { kind, name: Some("of ropewalk"), quoted: false });
        }
        let (name, made_at) = (object.name(), object.made_at());
        with(Title::new(object.kind(), name.as_deref(), made_at.as_deref()))
    }

    fn push(self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.kind.as_bytes());
        if let Some(name) = self.name {
            let quote: &[u8] = if self.quoted { b"'" } else { b"" };
            to.push(b' ');
            to.extend_from_slice(quote);
            // Of a place in a file the end is what matters.
            let push = if self.quoted { push_name } else { push_end };
            push(to, name);
            to.extend_from_slice(quote);
        }
    }
}

/// How the event of a lock begins that is held.
pub(super) fn hold_title(title: Title<'_>) -> HoldTitle {
    let mut text = b"{\"ph\":\"X\",\"name\":\"hold ".to_vec();
    title.push(&mut text);
    text.extend_from_slice(b"\",\"cat\":\"hold\",\"ts\":");
    text.into()
}

pub(super) fn slice(
    text: &mut Text<'_>,
    what: &str,
    title: Option<Title<'_>>,
    since: u64,
    end: u64,
) {
    begin(text.to, "X", what, title, since);
    text.to.extend_from_slice(b",\"cat\":\"");
    text.to.extend_from_slice(what.as_bytes());
    text.to.extend_from_slice(b"\",\"dur\":");
    end_slice(text, since, end);
}

/// A lock was held.
pub(super) fn hold(text: &mut Text<'_>, title: &HoldTitle, since: u64, end: u64) {
    text.to.extend_from_slice(title);
    push_micros(text.to, since);
    text.to.extend_from_slice(b",\"dur\":");
    end_slice(text, since, end);
}

fn end_slice(text: &mut Text<'_>, since: u64, end: u64) {
    push_micros(text.to, end.saturating_sub(since));
    text.to.extend_from_slice(text.tail);
    *text.last = end.max(*text.last);
}

pub(super) fn arrow(text: &mut Text<'_>, phase: &str, flow: u64, at: u64) {
    begin(text.to, phase, "wake", None, at);
    text.to.extend_from_slice(b",\"cat\":\"wake\",\"id\":");
    push_number(text.to, flow);
    text.to.extend_from_slice(text.tail);
}

/// How much is in what has this number: others may be called the same, being made at the same line.
pub(super) fn counter(text: &mut Text<'_>, title: Title<'_>, id: usize, value: usize, at: u64) {
    begin(text.to, "C", "items in", Some(title), at);
    text.to.extend_from_slice(b",\"id\":");
    push_number(text.to, id as u64);
    text.to.extend_from_slice(b",\"args\":{\"items\":");
    push_number(text.to, value as u64);
    text.to.push(b'}');
    text.to.extend_from_slice(text.tail);
}

pub(super) fn name(text: &mut Text<'_>, name: &str) {
    text.to.extend_from_slice(b"{\"ph\":\"M\",\"name\":\"thread_name\",\"args\":{\"name\":\"");
    push_name(text.to, name);
    text.to.extend_from_slice(b"\"}");
    text.to.extend_from_slice(text.tail);
}

fn begin(to: &mut Vec<u8>, phase: &str, what: &str, title: Option<Title<'_>>, at: u64) {
    to.extend_from_slice(b"{\"ph\":\"");
    to.extend_from_slice(phase.as_bytes());
    to.extend_from_slice(b"\",\"name\":\"");
    to.extend_from_slice(what.as_bytes());
    if let Some(title) = title {
        to.push(b' ');
        title.push(to);
    }
    to.extend_from_slice(b"\",\"ts\":");
    push_micros(to, at);
}

/// Appends a name, or its beginning.
pub(super) fn push_name(to: &mut Vec<u8>, name: &str) {
    if name.len() <= NAME_BYTES {
        return push_escaped(to, name);
    }
    let end = (0..=NAME_BYTES).rev().find(|place| name.is_char_boundary(*place));
    push_escaped(to, &name[..end.unwrap_or_default()]);
    to.extend_from_slice("\u{2026}".as_bytes());
}

fn push_end(to: &mut Vec<u8>, name: &str) {
    if name.len() <= NAME_BYTES {
        return push_escaped(to, name);
    }
    let start = (name.len() - NAME_BYTES..name.len()).find(|place| name.is_char_boundary(*place));
    to.extend_from_slice("\u{2026}".as_bytes());
    push_escaped(to, &name[start.unwrap_or(name.len())..]);
}

fn push_escaped(to: &mut Vec<u8>, text: &str) {
    // Hardly ever is there anything to be done.
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        return to.extend_from_slice(text.as_bytes());
    }
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => to.extend_from_slice(&[b'\\', byte]),
            // What is not to be seen is no part of a name.
            0..0x20 => to.push(b'?'),
            _ => to.push(byte),
        }
    }
}

fn push_micros(to: &mut Vec<u8>, nanos: u64) {
    push_number(to, nanos / 1_000);
    // With a one in front, so that it has all its digits.
    let mut rest = itoa::Buffer::new();
    let rest = rest.format(1_000 + nanos % 1_000);
    to.push(b'.');
    to.extend_from_slice(&rest.as_bytes()[1..]);
}

fn push_number(to: &mut Vec<u8>, number: u64) {
    to.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_json() {
        let mut text = Vec::new();
        push_number(&mut text, 0);
        text.push(b' ');
        push_number(&mut text, u64::MAX);
        text.push(b' ');
        push_micros(&mut text, 1_234_005);
        text.push(b' ');
        push_escaped(&mut text, "a \"b\"\\\n\u{e9}");
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "0 18446744073709551615 1234.005 a \\\"b\\\"\\\\?\u{e9}");
    }
    #[test]
    fn long_names_are_cut_between_characters() {
        let push = |push: fn(&mut Vec<u8>, &str), text: &str| {
            let mut to = Vec::new();
            push(&mut to, text);
            String::from_utf8(to).unwrap()
        };
        let name = "\u{e9}".repeat(NAME_BYTES);
        let half = "\u{e9}".repeat(NAME_BYTES / 2);
        assert_eq!(push(push_name, &format!("a{name}")), format!("a{}\u{2026}", &half[2..]));
        assert_eq!(push(push_end, &format!("{name}1")), format!("\u{2026}{}1", &half[2..]));
        assert_eq!(push(push_name, &half), half);
        assert_eq!(push(push_end, &half), half);
    }
}
