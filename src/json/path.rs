//! Dotted paths: which values of a tree a path leads to.
//!
//! A path is the keys from the root to a value, joined by dots; a list on the way stands for each object in it. Where
//! an object has a key with a dot, one path can be read in two ways: of the keys that a path may begin with, the longest
//! that leads to a value is taken. So a literal key goes before a nested one.

use super::parse::Json;

/// Longest path in bytes that can be asked for.
pub const MAX_PATH: usize = 1024;

/// Hands every value that `path` leads to from `root` to `found`; reports whether there was one.
pub fn find<'t, 'a>(root: &'t Json<'a>, path: &str, found: &mut dyn FnMut(&'t Json<'a>)) -> bool {
    match root {
        Json::Object(members) => in_object(members, path, found),
        _ => false,
    }
}

type Members<'a> = [(std::borrow::Cow<'a, str>, Json<'a>)];

/// The value of a key.
fn member<'t, 'a>(members: &'t Members<'a>, key: &str) -> Option<&'t Json<'a>> {
    let at = members.binary_search_by(|(own, _)| own.as_ref().cmp(key)).ok()?;
    members.get(at).map(|(_, value)| value)
}

/// Recursion goes one level down the tree with each call, and no node is visited twice.
fn in_object<'t, 'a>(members: &'t Members<'a>, path: &str, found: &mut dyn FnMut(&'t Json<'a>)) -> bool {
    if let Some(value) = member(members, path) {
        found(value);
        return true;
    }
    let mut end = path.len();
    while let Some(dot) = path.get(..end).and_then(|head| head.rfind('.')) {
        let (key, rest) = (&path[..dot], &path[dot + 1..]);
        let any = match member(members, key) {
            Some(Json::Object(inner)) => in_object(inner, rest, found),
            Some(Json::List(values)) => {
                let mut any = false;
                for value in values {
                    if let Json::Object(inner) = value {
                        any |= in_object(inner, rest, found);
                    }
                }
                any
            }
            _ => false,
        };
        if any {
            return true;
        }
        end = dot;
    }
    false
}

/// Whether a path may be read in two ways within an object: it has a key `a` with an object or a list, and a key `a.b`.
pub fn ambiguous(members: &Members<'_>) -> bool {
    members.iter().filter(|(key, _)| key.len() <= MAX_PATH).any(|(key, _)| {
        key.match_indices('.')
            .any(|(dot, _)| matches!(member(members, &key[..dot]), Some(Json::Object(_) | Json::List(_))))
    })
}
