//! How texts are read and asked for.

use super::{ColumnKind, Schema};
use crate::text_options::TextOptions;

impl Schema {
    /// Gives the FULLTEXT column declared last a tokenizer of its own. After any other column it is a mistake that
    /// [`validate`](Self::validate) reports.
    ///
    /// ```
    /// use nearlite::{Database, Schema};
    ///
    /// let files = Database::in_memory()?.collection("files").create(
    ///     Schema::new().integer_key("id").full_text("about").full_text("source").tokenizer_of_column("code"))?;
    /// files.insert(&serde_json::json!({"id": 1, "about": "who asks", "source": "fn getUserById(id: u64)"}))?;
    /// assert_eq!(files.search().text("user").run()?.keys(), [1]);
    /// assert_eq!(files.search().text("get_user_by_id").run()?.keys(), [1]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn tokenizer_of_column(mut self, name: impl Into<String>) -> Self {
        match self.columns.last_mut().map(|column| &mut column.kind) {
            Some(ColumnKind::FullText { tokenizer, .. }) => *tokenizer = Some(name.into()),
            _ => {
                let mistake =
                    "tokenizer_of_column() is about the FULLTEXT column before it, and there is none";
                self.mistake = Some(mistake);
            }
        }
        self
    }

    /// How text queries are meant that do not say it themselves.
    pub fn text_options(mut self, options: TextOptions) -> Self {
        self.text = options;
        self
    }

    /// Sets the tokenizer of the FULLTEXT columns that have none of their own.
    pub fn tokenizer(mut self, name: impl Into<String>) -> Self {
        self.tokenizer = Some(name.into());
        self
    }
}
