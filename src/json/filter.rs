//! A filter over JSON objects, from its text.

use super::node::Node;
use super::parse::Json;
use super::read;

/// A filter over JSON objects.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonFilter {
    root: Node,
}

impl JsonFilter {
    /// Reads a filter from its text, a JSON object.
    ///
    /// # Errors
    /// What is wrong with it, in one sentence.
    pub fn read(text: &str) -> Result<Self, String> {
        read::filter(text).map(|root| Self { root })
    }

    /// The filter that a tree is.
    pub fn of(root: Node) -> Self {
        Self { root }
    }

    /// The tree.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Whether a value passes. One that is no object has no keys.
    pub fn matches(&self, value: &Json<'_>) -> bool {
        self.root.matches(value)
    }
}
