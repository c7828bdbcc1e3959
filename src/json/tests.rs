//! Texts that are read, refused, and filtered.

use super::{Json, JsonFilter, Leaf, parse, walk};

fn refused(text: &str) -> String {
    parse(text).unwrap_err()
}

#[test]
fn texts_are_read_as_they_are_meant() {
    let Json::Object(members) =
        parse(r#" {"b": [1, -0, 1.5, 1e2, null, true], "a": "\u0041\n\ud83d\ude00\ud800x"} "#).unwrap()
    else {
        panic!("not an object");
    };
    assert_eq!(members[0].0, "a");
    assert_eq!(members[0].1, Json::Text("A\n\u{1f600}\u{fffd}x".into()));
    let numbers =
        [Json::Int(1), Json::Int(0), Json::Real(1.5), Json::Real(100.0), Json::Null, Json::Bool(true)];
    assert_eq!(members[1].1, Json::List(numbers.into()));
    assert_eq!(parse("9223372036854775807"), Ok(Json::Int(i64::MAX)));
    assert_eq!(parse("9223372036854775808"), Ok(Json::Real(9_223_372_036_854_775_808.0)));
    assert_eq!(parse("-1e999"), Ok(Json::Real(f64::NEG_INFINITY)));
    // The last of equal keys counts.
    let Json::Object(twice) = parse(r#"{"k":1,"j":2,"k":3,"k":4}"#).unwrap() else { panic!("not an object") };
    assert_eq!(twice, [("j".into(), Json::Int(2)), ("k".into(), Json::Int(4))]);
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for (text, why) in [
        ("", "expected a JSON value, got the end at byte 0"),
        ("{\"a\": NaN}", "expected a JSON value, got NaN at byte 6"),
        ("{\"a\": 1,}", "expected a key in double quotes, got '}' at byte 8"),
        ("{'a': 1}", "expected a key in double quotes, got '\\'' at byte 1"),
        ("[1 2]", "expected ',' or ']', got 2 at byte 3"),
        ("{\"a\" 1}", "expected ':', got 1 at byte 5"),
        ("{} x", "expected the end of the text, got x at byte 3"),
        ("01", "expected a number without leading zeros, got 1 at byte 1"),
        ("1.", "expected a digit, got the end at byte 2"),
        ("\"a", "the text that begins at byte 0 has no end"),
        ("\"\\x\"", "expected an escape such as \\n or \\u00e9, got x at byte 2"),
        ("\"a\nb\"", "a control character inside a text at byte 2; escape it"),
        ("\u{feff}{}", "expected a JSON value, got '\\u{feff}' at byte 0"),
    ] {
        assert_eq!(refused(text), why, "{text}");
    }
    assert!(super::parse_bytes(b"{\"a\":\"\xff\"}").unwrap_err().ends_with("at byte 6"));
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(&deep(256)).is_ok());
    assert_eq!(refused(&deep(257)), "more than 256 levels of nesting at byte 256");
    assert!(refused(&"[".repeat(1 << 20)).starts_with("more than 256"));
}

#[test]
fn a_walk_gives_every_path_with_what_it_leads_to() {
    let json = parse(r#"{"a":{"b":[1,{"c":2},[3]],"":{}},"x.y":null}"#).unwrap();
    let mut found = Vec::new();
    walk(&json, &mut |path, leaf| {
        let what = match leaf {
            Leaf::List => "list".to_owned(),
            Leaf::Object => "object".to_owned(),
            Leaf::Scalar(value) => format!("{value:?}"),
            Leaf::Element(value) => format!("in {value:?}"),
        };
        found.push(format!("{path}: {what}"));
    });
    assert_eq!(
        found,
        ["a: object", "a.: object", "a.b: list", "a.b: in Int(1)", "a.b.c: Int(2)", "x.y: Null"]
    );
}

fn passes(json: &str, filter: &str) -> bool {
    JsonFilter::read(filter).unwrap().matches(&parse(json).unwrap())
}

#[test]
fn the_table_of_meanings_holds() {
    for (json, filter, holds) in [
        (r#"{"k":1}"#, r#"{"k":1}"#, true),
        (r#"{"k":1}"#, r#"{"k":1.0}"#, true),
        (r#"{"k":9007199254740993}"#, r#"{"k":9007199254740992.0}"#, false),
        (r#"{"k":true}"#, r#"{"k":1}"#, false),
        (r#"{"k":"1"}"#, r#"{"k":1}"#, false),
        (r#"{"k":null}"#, r#"{"k":null}"#, true),
        ("{}", r#"{"k":null}"#, true),
        ("{}", r#"{"k":{"$exists":true}}"#, false),
        (r#"{"k":null}"#, r#"{"k":{"$exists":true}}"#, true),
        ("{}", r#"{"k":{"$ne":1}}"#, true),
        ("{}", r#"{"k":{"$ne":null}}"#, false),
        ("{}", r#"{"k":{"$nin":[1,2]}}"#, true),
        (r#"{"k":["a","b"]}"#, r#"{"k":"a"}"#, true),
        (r#"{"k":["a","b"]}"#, r#"{"k":{"$ne":"a"}}"#, false),
        (r#"{"k":[]}"#, r#"{"k":null}"#, false),
        (r#"{"k":[null]}"#, r#"{"k":null}"#, true),
        (r#"{"k":[[1]]}"#, r#"{"k":1}"#, false),
        (r#"{"k":[1,9]}"#, r#"{"k":{"$gt":5,"$lt":3}}"#, true),
        (r#"{"k":[1,9]}"#, r#"{"k":{"$between":[3,5]}}"#, false),
        (r#"{"k":"b"}"#, r#"{"k":{"$gt":5}}"#, false),
        (r#"{"k":"b"}"#, r#"{"k":{"$gte":"b","$lt":"c"}}"#, true),
        (r#"{"k":"a"}"#, r#"{"k":{"$contains":"a"}}"#, false),
        (r#"{"k":["a",1]}"#, r#"{"k":{"$contains_all":[1.0,"a"]}}"#, true),
        (r#"{"k":["a",1]}"#, r#"{"k":{"$contains_all":[]}}"#, true),
        (r#"{"k":["a",1]}"#, r#"{"k":{"$contains_any":[]}}"#, false),
        (r#"{"k":["a",1]}"#, r#"{"k":{"$contains_any":[2,"a"]}}"#, true),
        (r#"{"k":"SQLite Ü"}"#, r#"{"k":{"$like":"sql%_"}}"#, true),
        (r#"{"k":"SQLite Ü"}"#, r#"{"k":{"$like":"sqlite ü"}}"#, false),
        (r#"{"a":[{"b":1},{"b":2},{"c":3}]}"#, r#"{"a.b":2}"#, true),
        (r#"{"a":[{"b":1},{"b":2}]}"#, r#"{"a.b":{"$contains":2}}"#, false),
        (r#"{"a.b":1,"a":{"b":2}}"#, r#"{"a.b":2}"#, false),
        (r#"{"a.b":1,"a":{"b":2}}"#, r#"{"a.b":1}"#, true),
        (r#"{"a.b":1,"a":{"b":{"c":2}}}"#, r#"{"a.b.c":2}"#, true),
        (r#"{"k":1e999}"#, r#"{"k":{"$gt":1e308}}"#, true),
        (r#"{"k":1}"#, "{}", true),
        (r#"{"k":1}"#, r#"{"$or":[]}"#, false),
        (r#"{"k":1}"#, r#"{"$and":[]}"#, true),
        (r#"{"k":1}"#, r#"{"$not":{"k":2}}"#, true),
        (r#"{"k":1}"#, r#"{"k":{"$not":{"$gt":0}}}"#, false),
        ("[1]", r#"{"k":{"$exists":false}}"#, true),
    ] {
        assert_eq!(passes(json, filter), holds, "{json} {filter}");
    }
}

#[test]
fn what_is_no_filter_is_refused_with_what_would_be() {
    for (filter, why) in [
        ("[]", "the filter must be a JSON object like {\"year\": {\"$gte\": 2020}}, got a list"),
        ("{", "the filter is not valid JSON: expected a key in double quotes, got the end at byte 1"),
        (r#"{"k":1,"k":2}"#, "the key \"k\" is given twice"),
        (r#"{"$nor":[]}"#, "\"$nor\" is no operator that a filter can begin with; $and, $or and $not are"),
        (r#"{"k":{"$gtx":1}}"#, "\"k\": unknown operator \"$gtx\"; known are $eq, $ne, $gt"),
        (r#"{"k":{"x":1}}"#, "\"k\": \"x\" is no operator; write the path with a dot, \"k.x\""),
        (r#"{"k":{}}"#, "\"k\": {} has no operator"),
        (r#"{"k":[1]}"#, "\"k\": equality with a list is not supported; write {\"$in\": [...]}"),
        (r#"{"k":{"$gt":true}}"#, "\"k\": $gt takes a number or a text, got a boolean"),
        (r#"{"k":{"$in":1}}"#, "\"k\": $in takes a list of numbers, texts, booleans and null, got a number"),
        (
            r#"{"k":{"$in":[[1]]}}"#,
            "\"k\": $in takes a list of numbers, texts, booleans and null, got a list in it",
        ),
        (r#"{"k":{"$between":[1,"a"]}}"#, "\"k\": $between takes a list of two numbers or two texts"),
        (r#"{"k":{"$exists":1}}"#, "\"k\": $exists takes true or false, got a number"),
        (r#"{"k":{"$like":1}}"#, "\"k\": $like takes a text with % and _, got a number"),
        (r#"{"$and":{}}"#, "$and takes a list of filters, got an object"),
        (r#"{"$or":[1]}"#, "each filter in $or must be a JSON object"),
    ] {
        let error = JsonFilter::read(filter).unwrap_err();
        assert!(error.contains(why), "{filter}: {error}");
    }
    let many: Vec<String> = (0..5000).map(|k| format!("\"{k}\":1")).collect();
    let error = JsonFilter::read(&format!("{{{}}}", many.join(","))).unwrap_err();
    assert!(error.starts_with("a filter has up to 4096 tests, got 5000"), "{error}");
    assert!(JsonFilter::read(&format!("{{\"{}\":1}}", "k".repeat(2000))).unwrap_err().contains("1024 bytes"));
}
