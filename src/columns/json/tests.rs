//! The bytes of JSON columns: what was written reads back, and no damage panics.

use super::super::tests::merge;
use super::super::{Columns, Pick};
use crate::json::JsonFilter;
use crate::schema::{ColumnType, Layout};
use crate::value::Value;

fn layout() -> Layout {
    Layout::of(&[ColumnType::Json])
}

fn columns() -> Columns {
    let texts = [
        Some(r#"{"a":1,"b":"x","tags":["p","q",3,true,null],"o":{"r":0.5}}"#),
        Some(r#"{"a":2,"b":"y","tags":[],"o":{"r":1.5,"s":[1,2,3]}}"#),
        None,
        Some(r#"{"a":1.25,"b":null,"c":false,"a.b":7,"list":[{"k":1},{"k":2}]}"#),
        Some(r#"{"a":{"b":1},"a.b":2}"#),
        Some("{}"),
    ];
    let rows = texts.iter().cycle().take(150);
    let value = |text: &Option<&str>| text.map_or(Value::Null, Value::from);
    let mut rows = (0_i64..).zip(rows).map(|(rowid, text)| (rowid, vec![value(text)]));
    Columns::build(&[ColumnType::Json], &mut rows)
}

const FILTERS: [&str; 7] = [
    r#"{"a":{"$gte":1.25}}"#,
    r#"{"tags":{"$contains_all":["p",true]}}"#,
    r#"{"b":{"$like":"%"}}"#,
    r#"{"o.s":{"$between":[2,9]}}"#,
    r#"{"a.b":{"$exists":true}}"#,
    r#"{"$not":{"list.k":{"$in":[2,null]}}}"#,
    r#"{"c":null}"#,
];

fn all(columns: &Columns) -> Vec<(Vec<u32>, Vec<u32>)> {
    let bounds = |filter: &&str| columns.json(0, &JsonFilter::read(filter).unwrap(), true);
    let ords = |bounds: super::Bounds| (bounds.sure.iter().collect(), bounds.possible().iter().collect());
    FILTERS.iter().map(bounds).map(ords).collect()
}

#[test]
fn what_was_written_reads_back_and_merges_to_the_same() {
    let columns = columns();
    let bytes = columns.encode(&layout());
    let read = Columns::decode(&bytes, &layout(), 150).unwrap();
    assert_eq!(read, columns);
    assert_eq!(read.encode(&layout()), bytes);
    let before = all(&columns);
    assert_eq!(all(&read), before);
    // Rows with a path that can be read in two ways are open.
    assert!(before.iter().all(|(sure, possible)| !sure.contains(&4) && possible.contains(&4)));
    let merged = merge(&[(&read, None)], &[ColumnType::Json]);
    assert_eq!(all(&merged), before);
    assert_eq!(merged.json_digests(0), columns.json_digests(0));
}

#[test]
fn rows_in_another_order_pass_as_before() {
    let columns = columns();
    let types = [ColumnType::Json];
    // 67 has no divisor in common with 150.
    let order: Vec<Pick> = (0..150).map(|n| Pick { columns: 0, ord: n * 67 % 150 }).collect();
    let there = Columns::gather(&[&columns], &order, &types);
    let mut back = vec![Pick { columns: 0, ord: 0 }; 150];
    (0_u32..).zip(&order).for_each(|(at, pick)| back[pick.ord as usize].ord = at);
    let back = Columns::gather(&[&there], &back, &types);
    assert_eq!(all(&back), all(&columns));
    assert_eq!(back.json_digests(0), columns.json_digests(0));
    assert_eq!(Columns::decode(&there.encode(&layout()), &layout(), 150).unwrap(), there);
}

#[test]
fn damaged_bytes_are_refused_or_read_without_harm() {
    let bytes = columns().encode(&layout());
    for length in 0..bytes.len() {
        assert!(Columns::decode(&bytes[..length], &layout(), 150).is_err(), "{length} bytes");
    }
    let mut read = 0;
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= change;
            if let Ok(columns) = Columns::decode(&damaged, &layout(), 150) {
                read += 1;
                all(&columns);
                columns.json_digests(0);
                merge(&[(&columns, None)], &[ColumnType::Json]).encode(&layout());
            }
        }
    }
    assert!(read > 100, "only {read}");
}

/// A column of three rows whose path `a` has these INTEGER values in its lists, beside a path of 250 bytes.
fn forged(values: &[&[u8]]) -> Result<Columns, super::super::Unreadable> {
    let mut bytes = vec![2, 3, 0, 0, 0, 1, 0, 0, 0];
    bytes.extend([&[0; 8][..], &[8, 1, 2, 3]].concat());
    bytes.extend([4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]);
    bytes.extend([&[1, 0, 0, 0, b'a'][..], &[0; 9], &values.concat(), &[0; 2]].concat());
    bytes.extend([&[250, 0, 0, 0][..], &[b'b'; 250], &[0; 12]].concat());
    Columns::decode(&bytes, &layout(), 3)
}

/// A count that only bytes behind it could bear out, the same ones for each count, once took memory without end.
#[test]
fn more_values_than_their_bytes_can_be_are_refused() {
    let zero: &[u8] = &[0; 9];
    let counts = |count: u8, own: [u8; 3]| [&[3, count, 0, 0, 0, 8][..], &own].concat();
    assert!(forged(&[&counts(4, [1, 3, 0]), zero]).is_ok());
    assert!(forged(&[&counts(200, [100, 50, 50]), zero]).is_err());
    assert!(forged(&[&counts(200, [100, 50, 50]), &[0; 8], &[8], &[7; 200]]).is_ok());
    for own in [[1, 3, 1], [1, 1, 1], [0, 0, 0]] {
        assert!(forged(&[&counts(4, own), zero]).is_err(), "{own:?}");
    }
    assert!(forged(&[&[3, 0, 0, 0, 0, 0], zero]).is_err(), "values of no row");
    let one_row = |count: u8| [&[2, count, 0, 0, 0][..], zero].concat();
    assert!(forged(&[&one_row(1), zero]).is_ok());
    assert!(forged(&[&one_row(200), zero]).is_err());
}

#[test]
fn values_of_few_bits_read_back() {
    let text = |at: u32| match at % 30 {
        0 | 10 => r#"{"t":["x"],"n":[7],"two":[1,2]}"#,
        20 => r#"{"t":["x"],"two":[2],"b":[true,false]}"#,
        _ => "{}",
    };
    for count in [3_u32, 30, 300, 70_000] {
        let mut rows = (0..count).map(|at| (i64::from(at), vec![Value::from(text(at))]));
        let columns = Columns::build(&[ColumnType::Json], &mut rows);
        let read = Columns::decode(&columns.encode(&layout()), &layout(), count as usize).unwrap();
        assert_eq!(read, columns, "{count} rows");
    }
}

/// The log keeps its complete blocks, whatever was written since.
#[test]
fn the_log_gives_what_one_block_gives() {
    let rows = |count: usize| {
        let text = |at: usize| format!(r#"{{"a":{at},"t":["x{}"]}}"#, at % 3);
        (0..count).map(move |at| (at as i64, vec![Value::Text(text(at))])).collect::<Vec<_>>()
    };
    let filter = JsonFilter::read(r#"{"a":{"$lt":290},"t":"x1"}"#).unwrap();
    let mut before: Option<Columns> = None;
    for count in [1, 127, 128, 129, 300, 500] {
        let log = Columns::build_after(&[ColumnType::Json], &mut rows(count).into_iter(), before.as_ref());
        let segment = Columns::build(&[ColumnType::Json], &mut rows(count).into_iter());
        assert_eq!(log.json(0, &filter, true), segment.json(0, &filter, true), "{count}");
        assert_eq!(log.json(0, &filter, false), segment.json(0, &filter, false), "{count}");
        before = Some(log);
    }
}
