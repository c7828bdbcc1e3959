//! The jobs of this process, by the token of their claim. Any connection to the file may go on with a job, whichever of
//! them began it; the claim in the file says how far it is.

use super::job::Job;
use super::worker::Signal;
use crate::storage::Token;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// A database as this process knows it. A copy of a file has the same tokens in it, and is another place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Place(pub String);

struct Entry {
    place: Place,
    table: String,
    process: u32,
    job: Arc<Mutex<Job>>,
}

#[derive(Default)]
struct Registry {
    /// That the connections and threads are of. A fork has the memory of its parent, and neither of these.
    process: u32,
    jobs: HashMap<Token, Entry>,
    /// Connections to each place.
    connections: HashMap<Place, usize>,
    /// Why the last maintenance of a table gave up.
    troubles: HashMap<(Place, String), String>,
    /// Why no thread maintains a table that asks for one.
    obstacles: HashMap<(Place, String), String>,
    /// Places whose tables a thread of their `Database` maintains, with what wakes it, once it has begun.
    kept: HashMap<Place, Vec<(Arc<Signal>, bool)>>,
}

impl Registry {
    fn enter(&mut self, process: u32) {
        if self.process != process {
            self.process = process;
            self.connections.clear();
            self.kept.clear();
        }
    }

    /// A connection of a process goes. Whether it was the last one of the place.
    fn leave(&mut self, place: &Place, process: u32) -> bool {
        let Some(count) = self.connections.get_mut(place).filter(|_| self.process == process) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.connections.remove(place);
            return true;
        }
        false
    }
}

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);

fn registry() -> MutexGuard<'static, Registry> {
    let mut registry = REGISTRY.lock();
    registry.enter(std::process::id());
    registry
}

/// The job of this process that has the token.
pub fn find(token: &Token, place: &Place) -> Option<Arc<Mutex<Job>>> {
    let registry = registry();
    let entry = registry.jobs.get(token)?;
    // Its parent's threads build these.
    (entry.place == *place && entry.process == std::process::id()).then(|| Arc::clone(&entry.job))
}

/// Whether this process has the job, under whatever name of the file.
pub fn knows(token: &Token) -> bool {
    registry().jobs.get(token).is_some_and(|entry| entry.process == std::process::id())
}

/// Adds a job.
pub fn add(token: Token, place: &Place, table: &str, job: Job) -> Arc<Mutex<Job>> {
    let job = Arc::new(Mutex::new(job));
    let (place, table, process) = (place.clone(), table.to_owned(), std::process::id());
    let entry = Entry { place, table, process, job: Arc::clone(&job) };
    registry().jobs.insert(token, entry);
    job
}

/// Forgets a job.
pub fn remove(token: &Token) {
    let gone = registry().jobs.remove(token);
    // A job is large, and its end may wake a thread.
    drop(gone);
}

/// Jobs belong to the table whose claims these are: it may have had another name when they began.
pub fn name(place: &Place, table: &str, claims: &[Token]) {
    let mut registry = registry();
    for token in claims {
        if let Some(entry) = registry.jobs.get_mut(token).filter(|entry| entry.place == *place)
            && entry.table != table
        {
            table.clone_into(&mut entry.table);
        }
    }
}

/// Forgets the jobs of a table whose claims are not there any more.
pub fn keep(place: &Place, table: &str, claims: &[Token]) {
    name(place, table, claims);
    let mut registry = registry();
    let lost = |(token, entry): &(&Token, &Entry)| {
        entry.place == *place && entry.table == table && !claims.contains(token)
    };
    let lost: Vec<Token> = registry.jobs.iter().filter(lost).map(|(token, _)| *token).collect();
    let jobs: Vec<_> = lost.iter().filter_map(|token| registry.jobs.remove(token)).collect();
    drop(registry);
    drop(jobs);
}

/// Notes how the maintenance of a table went.
pub fn set_trouble(place: &Place, table: &str, trouble: Option<String>) {
    let mut registry = registry();
    let key = (place.clone(), table.to_owned());
    match trouble {
        Some(trouble) => drop(registry.troubles.insert(key, trouble)),
        None => drop(registry.troubles.remove(&key)),
    }
}

/// Why the last maintenance of a table gave up, if it did, or why it is not done as the table asks.
pub fn trouble(place: &Place, table: &str) -> Option<String> {
    let registry = registry();
    let key = (place.clone(), table.to_owned());
    registry.troubles.get(&key).or_else(|| registry.obstacles.get(&key)).cloned()
}

/// What is noted of a table goes with it to its new name; without one it is forgotten.
pub fn move_notes(place: &Place, table: &str, new: Option<&str>) {
    let mut registry = registry();
    let Registry { troubles, obstacles, .. } = &mut *registry;
    for notes in [troubles, obstacles] {
        let note = notes.remove(&(place.clone(), table.to_owned()));
        if let (Some(note), Some(new)) = (note, new) {
            notes.insert((place.clone(), new.to_owned()), note);
        }
    }
}

/// Notes why no thread maintains a table that asks for one, or that one does.
pub fn set_obstacle(place: &Place, table: &str, obstacle: Option<&str>) {
    let mut registry = registry();
    let key = (place.clone(), table.to_owned());
    match obstacle {
        Some(why) => drop(registry.obstacles.insert(key, why.to_owned())),
        None => drop(registry.obstacles.remove(&key)),
    }
}

/// Wakes the thread of a `Database` that maintains the tables of a place. False: there is none.
pub fn poke(place: &Place, table: Option<&str>) -> bool {
    let registry = registry();
    let Some(signals) = registry.kept.get(place) else { return false };
    let mut running = signals.iter().filter(|(signal, begun)| *begun && !signal.has_ended()).peekable();
    let is_there = running.peek().is_some();
    if let Some(table) = table {
        running.for_each(|(signal, _)| signal.wrote(table));
    }
    is_there
}

/// Whether a connection of this process has used the tables of a place, or a `Database` keeps them in order.
pub fn is_open(place: &Place) -> bool {
    let registry = registry();
    registry.connections.contains_key(place) || registry.kept.contains_key(place)
}

/// While it lives, a thread maintains the tables of a place, from when it has begun.
pub struct Kept(Place, Arc<Signal>);

impl Kept {
    /// The thread that listens to `signal`.
    pub fn at(place: Place, signal: &Arc<Signal>) -> Self {
        registry().kept.entry(place.clone()).or_default().push((Arc::clone(signal), false));
        Self(place, Arc::clone(signal))
    }

    /// The thread has begun.
    pub fn begin(&self) {
        for (signal, begun) in registry().kept.get_mut(&self.0).into_iter().flatten() {
            *begun |= Arc::ptr_eq(signal, &self.1);
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut registry = registry();
        if let Some(signals) = registry.kept.get_mut(&self.0) {
            signals.retain(|(signal, _)| !Arc::ptr_eq(signal, &self.1));
            if signals.is_empty() {
                registry.kept.remove(&self.0);
            }
        }
    }
}

/// A connection to a place. When the last one goes, so do the jobs.
#[derive(Debug)]
pub struct Stay(Place, u32);

impl Stay {
    /// Counts a connection.
    pub fn at(place: Place) -> Self {
        *registry().connections.entry(place.clone()).or_default() += 1;
        Self(place, std::process::id())
    }

    /// Where.
    pub fn place(&self) -> &Place {
        &self.0
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut registry = registry();
        if !registry.leave(&self.0, self.1) {
            return;
        }
        registry.troubles.retain(|(place, _), _| *place != self.0);
        registry.obstacles.retain(|(place, _), _| *place != self.0);
        let gone: Vec<Token> =
            registry.jobs.iter().filter(|(_, e)| e.place == self.0).map(|(t, _)| *t).collect();
        let jobs: Vec<_> = gone.iter().filter_map(|token| registry.jobs.remove(token)).collect();
        drop(registry);
        drop(jobs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_counts_none_of_its_parents_connections_and_threads() {
        let (place, mut registry) = (Place("kept.db".into()), Registry::default());
        registry.enter(1);
        registry.connections.insert(place.clone(), 2);
        registry.kept.insert(place.clone(), vec![(Arc::default(), true)]);
        registry.enter(1);
        assert_eq!((registry.connections[&place], registry.kept.len()), (2, 1));
        // In the child, with a connection of its own.
        registry.enter(2);
        assert!(registry.connections.is_empty() && registry.kept.is_empty());
        registry.connections.insert(place.clone(), 1);
        assert!(!registry.leave(&place, 1), "a connection of the parent is none of the child's");
        assert!(registry.leave(&place, 2));
    }
}
