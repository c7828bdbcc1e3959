//! The options of a table: `name = value`.

use super::Parser;
use super::foreign::Place;
use super::tokens::Token;
use crate::error::Result;
use crate::schema::Schema;

const OPTIONS: [&str; 9] = [
    "tokenizer",
    "model",
    "hidden_prefix",
    "stop_words",
    "syntax",
    "operator",
    "minimum_match",
    "prefix_last",
    "fuzzy",
];

impl Parser<'_> {
    /// Reads an option of the table into `schema`.
    pub(super) fn option(&mut self, name: &str, schema: &mut Schema) -> Result<()> {
        let lower = name.to_ascii_lowercase();
        let mut text_option = None;
        let slot = match lower.as_str() {
            "tokenizer" => &mut schema.tokenizer,
            "model" => &mut schema.model,
            "hidden_prefix" => &mut schema.hidden_prefix,
            name if OPTIONS.contains(&name) => {
                if schema.text.declared().iter().any(|(given, _)| *given == name) {
                    return self.error(format_args!("{lower}= is given twice"));
                }
                &mut text_option
            }
            "content" | "content_rowid" => {
                return self.error(format_args!(
                    "{lower}= (an index over an existing table) is not supported yet; \
                     insert the rows into the nearlite table"
                ));
            }
            _ => return self.unexpected(Some(Place::Option), &OPTIONS),
        };
        if slot.is_some() {
            return self.error(format_args!("{lower}= is given twice"));
        }
        self.at = 2;
        let value = match self.peek() {
            Some(Token::Word(value) | Token::Quoted(value) | Token::Text(value)) => value.clone(),
            _ => return self.error(format_args!("{lower}= needs a value, for example {lower} = 'name'")),
        };
        self.at += 1;
        *slot = Some(value);
        if let Some(value) = text_option
            && let Some(Err(allowed)) = schema.text.set_text(&lower, &value)
        {
            return self.error(format_args!("{lower} must be {allowed}, got '{value}'"));
        }
        match self.peek() {
            None => Ok(()),
            Some(extra) => {
                let extra = extra.shown();
                self.error(format_args!("{extra} after {lower}= is not understood; expected a comma"))
            }
        }
    }
}
