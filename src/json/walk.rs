//! Every path of an object with what it leads to.

use super::parse::Json;
use super::path::{MAX_PATH, ambiguous};
use std::borrow::Cow;

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Leaf<'t, 'a> {
    /// A value that is neither a list nor an object.
    Scalar(&'t Json<'a>),
    /// A list.
    List,
    /// Such a value inside a list.
    Element(&'t Json<'a>),
    /// An object.
    Object,
}

/// Hands every path of `root` and what it leads to to `each`, a path once for each value. A value that is no object
/// has none; paths of more than [`MAX_PATH`] bytes, which no filter can ask for, are left out.
pub fn walk<'t, 'a>(root: &'t Json<'a>, each: &mut dyn FnMut(&str, Leaf<'t, 'a>)) {
    if let Json::Object(members) = root {
        inside(members, &mut String::new(), true, each);
    }
}

fn inside<'t, 'a>(
    members: &'t [(Cow<'a, str>, Json<'a>)],
    path: &mut String,
    top: bool,
    each: &mut dyn FnMut(&str, Leaf<'t, 'a>),
) {
    let length = path.len();
    for (key, value) in members {
        if length + key.len() + usize::from(!top) > MAX_PATH {
            continue;
        }
        if !top {
            path.push('.');
        }
        path.push_str(key);
        match value {
            Json::Object(inner) => {
                each(path, Leaf::Object);
                inside(inner, path, false, each);
            }
            Json::List(values) => {
                each(path, Leaf::List);
                for value in values {
                    match value {
                        Json::Object(inner) => inside(inner, path, false, each),
                        Json::List(_) => {}
                        scalar => each(path, Leaf::Element(scalar)),
                    }
                }
            }
            scalar => each(path, Leaf::Scalar(scalar)),
        }
        path.truncate(length);
    }
}

/// Whether a path of the tree may be read in two ways, see [`ambiguous`].
pub fn is_ambiguous(root: &Json<'_>) -> bool {
    match root {
        Json::Object(members) => {
            members.iter().any(|(key, _)| key.contains('.')) && ambiguous(members)
                || members.iter().any(|(_, value)| is_ambiguous(value))
        }
        Json::List(values) => values.iter().any(is_ambiguous),
        _ => false,
    }
}
