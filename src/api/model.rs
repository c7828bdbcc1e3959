//! The model whose vectors a collection holds.

use super::access::Access;
use super::collection::Collection;
use super::search::Search;
use crate::error::{Error, Result};

impl<D: Access> Collection<D> {
    /// Checks that vectors of the model `name` belong here: that it is the one the collection was declared with. Where none
    /// was declared every name passes.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let db = Database::in_memory()?;
    /// let schema = Schema::new().vector("e", 2, Metric::Cosine).model("all-MiniLM-L6-v2");
    /// let notes = db.collection("notes").create(schema)?;
    /// notes.check_model("all-MiniLM-L6-v2")?;
    /// assert!(notes.check_model("bge-small-en").unwrap_err().to_string().contains("all-MiniLM-L6-v2"));
    /// assert!(notes.search().nearest("e", [1.0, 0.0]).model("bge-small-en").run().is_err());
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Value`] that names both models.
    pub fn check_model(&self, name: &str) -> Result<()> {
        Error::check_model(self.name(), self.schema().model.as_deref(), name)
    }
}

impl<D: Access> Search<'_, D> {
    /// Says which model made the query vectors: the search fails if the collection holds those of
    /// [another one](Collection::check_model).
    pub fn model(mut self, name: &str) -> Self {
        if let Err(error) = self.collection.check_model(name) {
            self.wrong(error);
        }
        self
    }
}
