//! What a file for Chrome's trace viewer must be like, as far as a program can tell.

use serde_json::Value;
use std::collections::BTreeMap;

/// What is in a good file.
#[derive(Debug, Default)]
pub struct Summary {
    /// Names of threads by CPU and number.
    pub threads: BTreeMap<(u64, u64), String>,
    /// How many arrows go from one thread to another.
    pub arrows: BTreeMap<(String, String), usize>,
    /// How many arrows have a name.
    pub messages: BTreeMap<String, usize>,
    /// How many slices have a name.
    pub slices: BTreeMap<String, usize>,
    pub instants: usize,
}

/// A slice, in nanoseconds: where it begins and ends.
type Slice = (u64, u64);

/// Checks each event, that times are in order, that slices of a thread lie in each other or apart, and
/// that each arrow has two ends, each in a slice.
pub fn check(file: &Value) -> Result<Summary, String> {
    let events = file["traceEvents"]
        .as_array()
        .ok_or("there are no events")?;
    let mut summary = Summary::default();
    let mut slices: BTreeMap<(u64, u64), Vec<Slice>> = BTreeMap::new();
    let mut begun: BTreeMap<u64, ((u64, u64), u64)> = BTreeMap::new();
    let mut ends: Vec<((u64, u64), u64)> = vec![];
    let mut last = 0;
    for event in events {
        let wrong = |what: &str| format!("{what}: {event}");
        let number = |field: &str| event[field].as_u64().ok_or_else(|| wrong(field));
        let name = event["name"].as_str().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| wrong("name"))?;
        let track = (number("pid")?, number("tid")?);
        let phase = event["ph"].as_str().ok_or_else(|| wrong("ph"))?;
        if phase == "M" {
            let label = event["args"]["name"]
                .as_str()
                .ok_or_else(|| wrong("args.name"))?;
            if name == "thread_name" {
                summary.threads.insert(track, label.to_owned());
            }
            continue;
        }
        if !summary.threads.contains_key(&track) {
            return Err(wrong("a thread without a name"));
        }
        let time = nanos(&event["ts"]).ok_or_else(|| wrong("ts"))?;
        if time < last {
            return Err(wrong("times are not in order"));
        }
        last = time;
        match phase {
            "X" => {
                let length = nanos(&event["dur"]).ok_or_else(|| wrong("dur"))?;
                slices.entry(track).or_default().push((time, time + length));
                *summary.slices.entry(name.to_owned()).or_default() += 1;
            }
            "i" if event["s"] == "t" => summary.instants += 1,
            "s" => {
                if begun.insert(number("id")?, (track, time)).is_some() {
                    return Err(wrong("two arrows have one number"));
                }
                ends.push((track, time));
            }
            "f" if event["bp"] == "e" => {
                let from = begun.remove(&number("id")?);
                let (from, _) = from.ok_or_else(|| wrong("an arrow without a beginning"))?;
                let names = (
                    summary.threads[&from].clone(),
                    summary.threads[&track].clone(),
                );
                *summary.arrows.entry(names).or_default() += 1;
                *summary.messages.entry(name.to_owned()).or_default() += 1;
                ends.push((track, time));
            }
            _ => return Err(wrong("an unknown event")),
        }
    }
    if let Some(id) = begun.keys().next() {
        return Err(format!("arrow {id} has no end"));
    }
    for (track, slices) in &slices {
        nested(slices).map_err(|what| format!("{what} of thread {track:?}"))?;
    }
    for (track, time) in ends {
        let inside = slices.get(&track).is_some_and(|slices| {
            slices
                .iter()
                .any(|&(start, end)| start <= time && time <= end)
        });
        if !inside {
            return Err(format!("an arrow of {track:?} at {time} ns is in no slice"));
        }
    }
    Ok(summary)
}

/// Whether slices, ordered by their beginning, lie in each other or apart.
fn nested(slices: &[Slice]) -> Result<(), String> {
    let mut open: Vec<u64> = vec![];
    for &(start, end) in slices {
        open.retain(|&other| other > start);
        if open.iter().any(|&other| end > other) {
            return Err(format!("the slice {start}–{end} ns overlaps another"));
        }
        open.push(end);
    }
    Ok(())
}

fn nanos(micros: &Value) -> Option<u64> {
    let nanos = (micros.as_f64()? * 1000.0).round();
    (nanos >= 0.0).then_some(nanos as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(events: &[Value]) -> Result<Summary, String> {
        let name = json!({ "ph": "M", "name": "thread_name", "pid": 0, "tid": 1, "args": { "name": "x" } });
        let all: Vec<Value> = std::iter::once(name)
            .chain(events.iter().cloned())
            .collect();
        check(&json!({ "traceEvents": all }))
    }

    fn slice(start: f64, length: f64) -> Value {
        json!({ "ph": "X", "name": "runs", "pid": 0, "tid": 1, "ts": start, "dur": length })
    }

    fn arrow(end: &str, time: f64) -> Value {
        json!({ "ph": end, "bp": "e", "name": "m", "id": 1, "pid": 0, "tid": 1, "ts": time })
    }

    #[test]
    fn good_files_pass() {
        assert!(
            with(&[
                slice(0.0, 5.0),
                slice(1.0, 2.0),
                arrow("s", 1.5),
                arrow("f", 2.0)
            ])
            .is_ok()
        );
    }

    #[test]
    fn what_a_viewer_would_not_show_is_found() {
        for (events, what) in [
            (vec![slice(3.0, 1.0), slice(1.0, 1.0)], "not in order"),
            (vec![slice(0.0, 2.0), slice(1.0, 2.0)], "overlaps"),
            (vec![slice(0.0, 5.0), arrow("s", 1.0)], "no end"),
            (
                vec![slice(0.0, 5.0), arrow("f", 1.0)],
                "without a beginning",
            ),
            (vec![arrow("s", 1.0), arrow("f", 2.0)], "in no slice"),
            (
                vec![json!({ "ph": "X", "name": "a", "pid": 0, "tid": 1, "ts": 1 })],
                "dur",
            ),
            (
                vec![json!({ "ph": "?", "name": "a", "pid": 0, "tid": 1, "ts": 1 })],
                "unknown",
            ),
            (
                vec![json!({ "ph": "i", "name": "a", "pid": 0, "tid": 2, "s": "t", "ts": 1 })],
                "without a name",
            ),
            (
                vec![json!({ "ph": "X", "pid": 0, "tid": 1, "ts": 1, "dur": 1 })],
                "name",
            ),
        ] {
            let error = with(&events).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
        assert!(check(&json!({})).is_err());
    }
}
