//! Reads a filter from its JSON form.
//!
//! ```text
//! filter    := { condition, ... }                    all of them; {} is true
//! condition := path: scalar                          as {"$eq": scalar}
//!            | path: { operator: operand, ... }      all of them, at least one
//!            | "$and": [filter, ...] | "$or": [filter, ...] | "$not": filter
//! operator  := $eq $ne $gt $gte $lt $lte $in $nin $between $exists $contains $contains_any $contains_all $like
//!            | $not: { operator: operand, ... }
//! ```

use super::like::Pattern;
use super::node::{Node, Order, Test};
use super::parse::{Json, parse_unique};
use super::path::MAX_PATH;
use super::scalar::Scalar;

/// Most tests of one filter: each is evaluated over all rows.
const MAX_TESTS: usize = 4096;

const OPERATORS: &str = "$eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $between, $exists, $contains, $contains_any, \
                         $contains_all, $like, $not";

/// Reads a filter.
pub(super) fn filter(text: &str) -> Result<Node, String> {
    let json = parse_unique(text).map_err(|why| format!("the filter is not valid JSON: {why}"))?;
    let mut reader = Reader { tests: 0 };
    let root = reader.filter(&json, "the filter")?;
    if reader.tests > MAX_TESTS {
        return Err(format!("a filter has up to {MAX_TESTS} tests, got {}; use $in for lists", reader.tests));
    }
    Ok(root)
}

struct Reader {
    tests: usize,
}

/// A key or a value as errors show it.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(40).collect();
    format!("\"{cut}{}\"", if cut.len() < text.len() { "…" } else { "" })
}

fn all(mut nodes: Vec<Node>) -> Node {
    match nodes.pop() {
        Some(node) if nodes.is_empty() => node,
        Some(node) => {
            nodes.push(node);
            Node::And(nodes)
        }
        None => Node::And(nodes),
    }
}

fn not(node: Node) -> Node {
    Node::Not(Box::new(node))
}

impl Reader {
    /// `place` says what is read, for errors.
    fn filter(&mut self, json: &Json<'_>, place: &str) -> Result<Node, String> {
        let Json::Object(members) = json else {
            return Err(format!(
                "{place} must be a JSON object like {{\"year\": {{\"$gte\": 2020}}}}, got {}",
                json.kind()
            ));
        };
        let nodes =
            members.iter().map(|(key, value)| self.condition(key, value)).collect::<Result<_, _>>()?;
        Ok(all(nodes))
    }

    fn condition(&mut self, key: &str, value: &Json<'_>) -> Result<Node, String> {
        match key {
            "$and" | "$or" => {
                let Json::List(filters) = value else {
                    return Err(format!("{key} takes a list of filters, got {}", value.kind()));
                };
                let place = format!("each filter in {key}");
                let nodes =
                    filters.iter().map(|filter| self.filter(filter, &place)).collect::<Result<_, _>>()?;
                Ok(if key == "$and" { Node::And(nodes) } else { Node::Or(nodes) })
            }
            "$not" => self.filter(value, "the filter in $not").map(not),
            _ if key.starts_with('$') => Err(format!(
                "{} is no operator that a filter can begin with; $and, $or and $not are, others stand behind a path: \
                 {{\"path\": {{\"$eq\": 1}}}}",
                shown(key)
            )),
            _ if key.len() > MAX_PATH => {
                Err(format!("a path has up to {MAX_PATH} bytes, got {}: {}", key.len(), shown(key)))
            }
            path => match value {
                Json::Object(operators) => self.operators(path, operators),
                Json::List(_) => Err(format!(
                    "{}: equality with a list is not supported; write {{\"$in\": [...]}} for one of them, \
                     {{\"$contains_all\": [...]}} for a list that has all of them",
                    shown(path)
                )),
                scalar => self.test(path, "$eq", scalar),
            },
        }
    }

    fn operators<'a>(
        &mut self,
        path: &str,
        operators: &[(std::borrow::Cow<'a, str>, Json<'a>)],
    ) -> Result<Node, String> {
        if operators.is_empty() {
            return Err(format!("{}: {{}} has no operator; known are {OPERATORS}", shown(path)));
        }
        let nodes = operators
            .iter()
            .map(|(operator, operand)| self.test(path, operator, operand))
            .collect::<Result<_, _>>()?;
        Ok(all(nodes))
    }

    fn test(&mut self, path: &str, operator: &str, operand: &Json<'_>) -> Result<Node, String> {
        self.tests += 1;
        let wrong =
            |takes: &str| Err(format!("{}: {operator} takes {takes}, got {}", shown(path), operand.kind()));
        let test = |test: Test| Ok(Node::Test(path.to_owned(), test));
        let scalar = || Scalar::of(operand);
        let ordered = |order: Order| match scalar().filter(Scalar::is_ordered) {
            Some(bound) => test(Test::Compare(order, bound)),
            None => wrong("a number or a text"),
        };
        let list = || -> Result<Vec<Scalar>, String> {
            let Json::List(values) = operand else {
                return Err(format!(
                    "{}: {operator} takes a list of numbers, texts, booleans and null, got {}",
                    shown(path),
                    operand.kind()
                ));
            };
            let scalar = |value: &Json<'_>| {
                Scalar::of(value).ok_or_else(|| {
                    format!(
                        "{}: {operator} takes a list of numbers, texts, booleans and null, got {} in it",
                        shown(path),
                        value.kind()
                    )
                })
            };
            let mut values = values.iter().map(scalar).collect::<Result<Vec<_>, _>>()?;
            values.sort_unstable_by(Scalar::total_cmp);
            values.dedup_by(|a, b| a.total_cmp(b).is_eq());
            Ok(values)
        };
        match operator {
            "$eq" | "$ne" => {
                let Some(value) = scalar() else { return wrong("a number, a text, a boolean or null") };
                let equal = test(Test::In(vec![value]))?;
                Ok(if operator == "$eq" { equal } else { not(equal) })
            }
            "$gt" => ordered(Order::Gt),
            "$gte" => ordered(Order::Ge),
            "$lt" => ordered(Order::Lt),
            "$lte" => ordered(Order::Le),
            "$in" => test(Test::In(list()?)),
            "$nin" => test(Test::In(list()?)).map(not),
            "$between" => self.between(path, operand),
            "$exists" => match operand {
                Json::Bool(true) => test(Test::Exists),
                Json::Bool(false) => test(Test::Exists).map(not),
                _ => wrong("true or false"),
            },
            "$contains" => match scalar() {
                Some(value) => test(Test::ContainsAll(vec![value])),
                None => wrong("a number, a text, a boolean or null"),
            },
            "$contains_any" => test(Test::ContainsAny(list()?)),
            "$contains_all" => test(Test::ContainsAll(list()?)),
            "$like" => match operand {
                Json::Text(pattern) => {
                    let pattern = Pattern::new(pattern).map_err(|why| format!("{}: {why}", shown(path)))?;
                    test(Test::Like(pattern))
                }
                _ => wrong("a text with % and _"),
            },
            "$not" => match operand {
                Json::Object(operators) => self.operators(path, operators).map(not),
                _ => wrong("an object of operators like {\"$gt\": 5}"),
            },
            other if other.starts_with('$') => {
                Err(format!("{}: unknown operator {}; known are {OPERATORS}", shown(path), shown(other)))
            }
            key => Err(format!(
                "{}: {} is no operator; write the path with a dot, \"{path}.{key}\", or one of {OPERATORS}",
                shown(path),
                shown(key)
            )),
        }
    }

    fn between(&mut self, path: &str, operand: &Json<'_>) -> Result<Node, String> {
        let wrong = || {
            Err(format!("{}: $between takes a list of two numbers or two texts, [low, high]", shown(path)))
        };
        let Json::List(values) = operand else { return wrong() };
        let [low, high] = values.as_slice() else { return wrong() };
        match (Scalar::of(low), Scalar::of(high)) {
            (Some(low), Some(high))
                if low.is_ordered()
                    && high.is_ordered()
                    && matches!(low, Scalar::Text(_)) == matches!(high, Scalar::Text(_)) =>
            {
                Ok(Node::Test(path.to_owned(), Test::Between(low, high)))
            }
            _ => wrong(),
        }
    }
}
