//! Writes down what passes: lines for people, and events for tools, as qlog has them, in JSON text sequences (RFC 7464).

use std::io::Write;

use session_core::{Address, Instant, Received};

use crate::{Observer, Origin, Passage};

/// An observer that writes.
#[derive(Debug)]
pub struct Trace<Text, Events> {
    text: Text,
    events: Events,
}

impl<Text: Write, Events: Write> Trace<Text, Events> {
    /// Begins both with a heading.
    ///
    /// # Panics
    /// If it cannot be written.
    #[must_use]
    pub fn new(mut text: Text, events: Events, seed: u64) -> Self {
        writeln!(text, "# seed {seed}: time in seconds, node, what, bytes, from > to, kind")
            .expect("the trace is written");
        let mut trace = Self { text, events };
        trace.record(format_args!(
            r#"{{"file_schema":"urn:ietf:params:qlog:file:sequential","serialization_format":"application/qlog+json-seq","title":"seed {seed}","trace":{{"vantage_point":{{"type":"network"}}}}}}"#
        ));
        trace
    }

    fn write(&mut self, passage: &Passage, name: &str, detail: &str) {
        let Passage { at, node, source, destination, length, .. } = *passage;
        let (source, destination) = (name_of(source), name_of(destination));
        writeln!(self.text, "{} {node} {name:<9} {length:>5} {source} > {destination} {detail}", seconds(at))
            .expect("the trace is written");
        self.record(format_args!(
            r#"{{"time":{},"name":"session:datagram_{name}","data":{{"node":{node},"length":{length},"source":"{source}","destination":"{destination}","detail":"{detail}"}}}}"#,
            millis(at)
        ));
    }

    fn record(&mut self, json: std::fmt::Arguments<'_>) {
        // RFC 7464: a record separator before, a line feed behind.
        writeln!(self.events, "\u{1e}{json}").expect("the trace is written");
    }
}

impl<N, Text: Write, Events: Write> Observer<N> for Trace<Text, Events> {
    fn departed(&mut self, passage: &Passage, datagram: &[u8]) {
        self.write(passage, "sent", kind(datagram));
    }

    fn arriving(&mut self, _: &N, passage: &Passage, datagram: &[u8]) {
        let origin = if passage.origin == Origin::Injected { "forged " } else { "" };
        self.write(passage, "received", &format!("{origin}{}", kind(datagram)));
    }

    fn arrived(&mut self, _: &N, passage: &Passage, received: Received) {
        if let Received::Discarded(reason) = received {
            self.write(passage, "discarded", &format!("{reason:?}"));
        }
    }

    fn started(&mut self, number: usize) {
        writeln!(self.text, "# node {number} starts again").expect("the trace is written");
    }
}

/// What the first byte says (protocol §3, §5).
fn kind(datagram: &[u8]) -> &'static str {
    match datagram.first() {
        None => "empty",
        Some(first) if first & 0x80 == 0 => "data",
        Some(first) => match first >> 4 & 7 {
            0 => "Hello",
            1 => "Reply",
            2 => "Finish",
            3 => "Cookie",
            4 => "Reset",
            _ => "reserved",
        },
    }
}

fn name_of(address: Address) -> String {
    match address {
        Address::Ip(address) => address.to_string(),
        Address::Opaque(bytes) => format!("{:x}", u128::from_be_bytes(bytes)),
    }
}

fn seconds(at: Instant) -> String {
    format!("{}.{:06}", at.as_micros() / 1_000_000, at.as_micros() % 1_000_000)
}

fn millis(at: Instant) -> String {
    format!("{}.{:03}", at.as_micros() / 1_000, at.as_micros() % 1_000)
}

#[cfg(test)]
pub(crate) mod buffer;
#[cfg(test)]
mod tests;
