use super::*;

const TYPES: [ColumnType; 4] = [ColumnType::Text, ColumnType::Integer, ColumnType::Real, ColumnType::Boolean];

fn rows(count: usize) -> Vec<(i64, Vec<Value>)> {
    (0..count)
        .map(|n| {
            let mut values = vec![
                Value::Text(format!("text {}", n * 7919 % 301)),
                Value::Integer((n as i64 * 7919) % 100_003 - 7),
                Value::Real(n as f64 / 3.0),
                Value::from(n % 3 == 0),
            ];
            if n % 5 == 2 {
                values[n % 4] = Value::Null;
            }
            (n as i64 * 977 % 1009, values)
        })
        .collect()
}

fn build(rows: &[(i64, Vec<Value>)]) -> Columns {
    Columns::build(&TYPES, &mut rows.iter().cloned())
}

#[test]
fn values_come_back_from_memory_and_from_bytes() {
    for count in [0, 1, 2, 63, 64, 65, 1000] {
        let rows = rows(count);
        let built = build(&rows);
        let read = Columns::decode(&built.encode(&Layout::of(&TYPES)), &Layout::of(&TYPES), count).unwrap();
        assert_eq!(read, built);
        for (ord, (rowid, values)) in rows.iter().enumerate() {
            assert_eq!(read.rowid(ord as u32), *rowid);
            assert_eq!(read.find_rowid(*rowid), Some(ord as u32));
            for (column, value) in values.iter().enumerate() {
                assert_eq!(read.value(column, ord as u32), *value, "row {ord} column {column}");
            }
        }
        assert_eq!(read.find_rowid(-1), None);
        assert_eq!(read.find_rowid(i64::MAX), None);
        assert_eq!(read.value(0, count as u32), Value::Null);
    }
}

#[test]
fn integers_of_every_width_come_back_and_compare() {
    let spans: [i128; 9] = [0, 1, 2, 255, 256, 65_535, 65_536, 1 << 33, i128::from(u64::MAX)];
    for span in spans {
        for base in [i128::from(i64::MIN), -3, 0, i128::from(i64::MAX) - span] {
            let (Ok(low), Ok(high)) = (i64::try_from(base), i64::try_from(base + span)) else {
                continue;
            };
            let middle = (base + span / 2) as i64;
            let values = [low, high, middle, high, low, middle];
            let rows = values.map(|value| (value, vec![Value::Integer(value)]));
            let built = Columns::build(&[ColumnType::Integer], &mut rows.iter().cloned());
            // What is stored has each rowid once.
            let mut apart = (0..).zip(&rows).map(|(rowid, (_, values))| (rowid, values.clone()));
            let read = Columns::decode(
                &Columns::build(&[ColumnType::Integer], &mut apart)
                    .encode(&Layout::of(&[ColumnType::Integer])),
                &Layout::of(&[ColumnType::Integer]),
                6,
            )
            .unwrap();
            for op in [Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge] {
                for bound in [low, middle, high, low.saturating_sub(1), high.saturating_add(1)] {
                    let expected = Bitmap::from_fn(6, |at| op.accepts(values[at].cmp(&bound)));
                    assert_eq!(read.compare(0, op, &bound.into()), expected, "{values:?} {op:?} {bound}");
                    assert_eq!(built.rowid_compare(op, &Value::Integer(bound)), expected);
                }
            }
            assert_eq!(
                read.in_set(0, &[low.into(), high.into()]).count(),
                if span == 0 { 6 } else { 4 + 2 * usize::from(span == 1) }
            );
        }
    }
}

#[test]
fn merging_keeps_the_live_rows_in_order() {
    let (first, second) = (rows(130), rows(70));
    let (a, b) = (build(&first), build(&second));
    let alive = Bitmap::from_fn(130, |ord| ord % 3 != 0);
    let merged = merge(&[(&a, Some(&alive)), (&b, None)], &TYPES);
    let expected: Vec<_> = first
        .iter()
        .enumerate()
        .filter(|(ord, _)| ord % 3 != 0)
        .map(|(_, row)| row.clone())
        .chain(second)
        .collect();
    assert_eq!(merged, build(&expected));
}

#[test]
fn rowid_sets_of_any_size_and_order_find_their_rows() {
    for shape in 0..5_i64 {
        let rowid = |n: i64| match shape {
            0 => n + 10,
            1 => (n * 7919) % 5003,
            // As in the log, where a row that is written again has several slots.
            2 => n / 3,
            3 => n % 1700,
            _ => n.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64),
        };
        let columns = Columns::build(&[], &mut (0..5000).map(|n| (rowid(n), vec![])));
        for count in [0, 1, 5, 400, 20_000] {
            let mut ids: Vec<i64> = (0..count).map(|n| rowid((n * 31) % 9000)).collect();
            ids.extend([i64::MAX, i64::MIN, 3, 3]);
            let lookup: std::collections::HashSet<i64> = ids.iter().copied().collect();
            let expected = Bitmap::from_fn(5000, |ord| lookup.contains(&rowid(ord as i64)));
            assert_eq!(columns.rowid_set(&ids), expected, "shape {shape}, {count} ids");
        }
    }
}

#[test]
fn a_float_becomes_the_text_that_sqlite_makes_of_it() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let mut cast = connection.prepare("SELECT CAST(? AS TEXT)").unwrap();
    let mut bits = 1_u64;
    let fixed = [
        0.0,
        -0.0,
        0.1,
        1.0,
        1e15,
        1e16,
        1e17,
        123456789012345678.0,
        1e-4,
        1e-5,
        1e300,
        5e-324,
        f64::INFINITY,
        f64::NEG_INFINITY,
        2.0f64.powi(53),
    ];
    let random = (0..20_000).map(|n| {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (bits >> 40) as f64 / [1.0, 100.0, 1e12, 1e-9][n % 4]
    });
    for real in fixed.into_iter().chain(random).filter(|real| !real.is_nan()) {
        let text: String = cast.query_row([real], |row| row.get(0)).unwrap();
        assert_eq!(affinity::real_to_text(real), text, "{real:e}");
    }
}

#[test]
fn mutilated_bytes_are_refused_or_harmless() {
    let built = build(&rows(200));
    let bytes = built.encode(&Layout::of(&TYPES));
    for end in 0..bytes.len() {
        assert!(Columns::decode(&bytes[..end], &Layout::of(&TYPES), 200).is_err(), "cut at {end}");
    }
    let mut state = 42_u64;
    let mut read = 0;
    for _ in 0..20_000 {
        let mut broken = bytes.clone();
        for _ in 0..=(state % 3) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % broken.len();
            broken[at] = (state >> 20) as u8;
        }
        if let Ok(columns) = Columns::decode(&broken, &Layout::of(&TYPES), 200) {
            read += 1;
            for column in 0..4 {
                for ord in 0..200 {
                    columns.value(column, ord);
                }
                columns.compare(column, Op::Lt, &Value::Integer(3));
                columns.compare(column, Op::Ge, &Value::from("text 2"));
                columns.in_set(column, &[Value::Integer(3), Value::from("text 2"), Value::Integer(9)]);
                columns.text_prefix(column, "Text", true);
            }
            columns.find_rowid(5);
            merge(&[(&columns, None), (&built, None)], &TYPES);
        }
    }
    assert!(read > 0);
    assert!(Columns::decode(&bytes, &Layout::of(&TYPES), 199).is_err());
    assert!(Columns::decode(&bytes, &Layout::of(&TYPES[..3]), 200).is_err());
}

/// A few bytes once stood for any number of rows.
#[test]
fn more_rows_than_their_rowids_can_be_are_refused() {
    let forged = |rows: u32, codes: &[u8]| {
        let bytes = [&[2][..], &rows.to_le_bytes(), &[0; 12], codes].concat();
        Columns::decode(&bytes, &Layout::of(&[]), rows as usize)
    };
    assert!(forged(1 << 19, &[0]).is_err());
    assert!(forged(64, &[&[1][..], &[0xaa; 8]].concat()).is_err());
    assert!(forged(3, &[8, 0, 1, 2]).is_ok());
    assert!(forged(2, &[1, 2, 0, 0, 0, 0, 0, 0, 0]).is_ok());
    assert!(forged(1, &[0]).is_ok() && forged(0, &[0]).is_ok());
}

#[test]
fn columns_are_found_by_id_whatever_became_of_the_others() {
    let rows = |from: i64| {
        (from..from + 50).map(|n| {
            let text = Value::Text(format!("t{}", n % 7));
            (n, vec![Value::Integer(n), text, Value::Real(n as f64 / 2.0)])
        })
    };
    let types = [ColumnType::Integer, ColumnType::Text, ColumnType::Real];
    let first = Columns::build(&types, &mut rows(0));
    let field = |id: u32, kind: ColumnType, fill: Value| Field { id, kind, fill };
    // The TEXT column was dropped, and columns were added: one of its type, one of each other type.
    let later = Layout {
        altered: true,
        fields: vec![
            field(0, ColumnType::Integer, Value::Null),
            field(2, ColumnType::Real, Value::Null),
            field(3, ColumnType::Text, Value::Null),
            field(4, ColumnType::Text, "x".into()),
            field(5, ColumnType::Integer, 7.into()),
            field(6, ColumnType::Real, 0.5.into()),
            field(8, ColumnType::Json, r#"{"a":1}"#.into()),
            field(9, ColumnType::Json, Value::Null),
        ],
    };
    let read = Columns::decode(&first.encode(&Layout::of(&types)), &later, 50).unwrap();
    let at = |ord: u32| (0..6).map(|column| read.value(column, ord)).collect::<Vec<_>>();
    assert_eq!(at(9), [9.into(), 4.5.into(), Value::Null, "x".into(), 7.into(), 0.5.into()]);
    let json = |columns: &Columns, column| {
        let filter = crate::json::JsonFilter::read(r#"{"a":1}"#).unwrap();
        columns.json(column, &filter, true).sure.count()
    };
    assert_eq!((json(&read, 6), json(&read, 7)), (50, 0));
    assert_eq!((read.is_null(7).count(), read.is_null(2).count(), read.is_null(3).count()), (50, 50, 0));
    // Written again, the columns have their ids, in a table that goes on changing as well.
    let bytes = read.encode(&later);
    assert_eq!(Columns::decode(&bytes, &later, 50).unwrap(), read);
    let last = Layout {
        altered: true,
        fields: vec![later.fields[4].clone(), field(10, ColumnType::Integer, Value::Null)],
    };
    let read = Columns::decode(&bytes, &last, 50).unwrap();
    assert_eq!((read.value(0, 3), read.value(1, 3)), (7.into(), Value::Null));
    let merged = merge(&[(&read, None), (&read, None)], &last.types());
    assert_eq!((merged.len(), merged.value(0, 99)), (100, 7.into()));
    // Ids belong to altered tables, and a column keeps its type.
    assert!(Columns::decode(&bytes, &Layout::of(&later.types()), 50).is_err());
    let wrong = Layout { altered: true, fields: vec![field(0, ColumnType::Text, Value::Null)] };
    assert!(Columns::decode(&bytes, &wrong, 50).is_err());
}

/// The rows of `inputs` that are `alive`, one input after the other.
pub fn merge(inputs: &[(&Columns, Option<&Bitmap>)], types: &[ColumnType]) -> Columns {
    let columns: Vec<&Columns> = inputs.iter().map(|(columns, _)| *columns).collect();
    let lives = |at: usize, ord: u32| inputs[at].1.is_none_or(|alive| alive.contains(ord));
    let rows: Vec<Pick> = (0..inputs.len())
        .flat_map(|at| (0..columns[at].len() as u32).map(move |ord| (at, ord)))
        .filter(|(at, ord)| lives(*at, *ord))
        .map(|(at, ord)| Pick { columns: at as u32, ord })
        .collect();
    Columns::gather(&columns, &rows, types)
}

#[test]
fn rows_are_gathered_from_several_columns_in_any_order() {
    let (first, second) = (rows(130), rows(70));
    let (a, b) = (build(&first), build(&second));
    let picks: Vec<Pick> = (0..300_u32)
        .map(|n| Pick { columns: n % 2, ord: (n * 37 + n / 7) % if n % 2 == 0 { 130 } else { 70 } })
        .collect();
    let expected: Vec<_> = picks
        .iter()
        .map(|pick| if pick.columns == 0 { &first } else { &second }[pick.ord as usize].clone())
        .collect();
    let gathered = Columns::gather(&[&a, &b], &picks, &TYPES);
    let expected = build(&expected);
    for ord in 0..picks.len() as u32 {
        for column in 0..TYPES.len() {
            assert_eq!(gathered.value(column, ord), expected.value(column, ord));
        }
        assert_eq!(gathered.rowid(ord), expected.rowid(ord));
    }
}

#[test]
fn a_patch_reads_back_and_damage_is_refused() {
    let columns = build(&rows(50));
    let ords: Vec<u32> = (0..50).map(|at| at * 3 + 1).collect();
    let layout = Layout::of(&TYPES);
    let bytes = patch::encode(&ords, &columns, &layout);
    assert_eq!(patch::decode(&bytes, &layout, 150).unwrap(), (ords, columns.clone()));
    // Its last row is not in the segment.
    assert!(patch::decode(&bytes, &layout, 148).is_err());
    let unordered = patch::encode(&(0..50).rev().collect::<Vec<_>>(), &columns, &layout);
    assert!(patch::decode(&unordered, &layout, 150).is_err());
    for length in 0..bytes.len() {
        assert!(patch::decode(&bytes[..length], &layout, 150).is_err(), "{length} bytes");
    }
}
