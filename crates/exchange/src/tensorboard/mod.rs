//! The format of TensorBoard's event files.

mod frame;
mod messages;

use prost::Message as _;

use self::messages::{Event, Summary, Value};

/// Whether bytes begin as an event file does.
pub(crate) fn is_event_file(bytes: &[u8]) -> bool {
    frame::is_framed(bytes)
}

/// The events in a file, in the order in which they were written.
pub(crate) fn events(bytes: &[u8]) -> Result<impl Iterator<Item = Result<Event, String>>, String> {
    let frames = frame::split(bytes)?;
    Ok(frames.into_iter().map(|data| {
        Event::decode(data).map_err(|error| format!("holds something else than events: {error}"))
    }))
}

/// A scalar at some steps.
pub(crate) struct Series<'a> {
    pub(crate) tag: &'a str,
    /// Steps, counted from 0, with their values.
    pub(crate) values: Vec<(usize, f64)>,
}

/// An event file with scalars, those of each step written at its end, in seconds since 1970-01-01
/// UTC.
pub(crate) fn event_file(started: f64, ends: &[f64], scalars: &[Series<'_>]) -> Vec<u8> {
    let mut file = Vec::new();
    let first = Event {
        wall_time: started,
        step: 0,
        file_version: Some("brain.Event:2".to_owned()),
        summary: None,
    };
    frame::append(&mut file, &first.encode_to_vec());
    for Series { tag, values } in scalars {
        for (step, value) in values {
            let Some(end) = ends.get(*step) else { continue };
            let value =
                Value { tag: (*tag).to_owned(), simple_value: Some(*value as f32), tensor: None };
            let event = Event {
                wall_time: *end,
                step: *step as i64,
                file_version: None,
                summary: Some(Summary { value: vec![value] }),
            };
            frame::append(&mut file, &event.encode_to_vec());
        }
    }
    file
}
