//! Code depends downward only: `sql`, `api` -> `query` -> `collection` -> `hnsw` | `text` | `columns` and `storage` -> leaves.
//!
//! The payload layers know neither SQLite nor each other, the storage knows no index, the leaves know leaves.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Types that any module may name.
const LEAVES: [&str; 8] = ["error", "limits", "memory", "random", "schema", "value", "bitmap", "vector"];

/// Modules that `module` may name besides itself and the leaves.
fn allowed(module: &str) -> &'static [&'static str] {
    match module {
        "sql" | "api" => &["query", "collection", "storage", "text", "columns"],
        "query" => &["collection", "storage", "hnsw", "text", "columns"],
        "collection" => &["storage", "hnsw", "text", "columns"],
        // A door to the bare index for benches and for comparison with other libraries.
        "ann" => &["hnsw"],
        _ => &[],
    }
}

/// All that `api` may call of `sql`: opening a database registers the SQL door on its connection, and a collection
/// is created, and its schema compared, as the DDL of that door.
const DOOR: [&str; 3] = ["register", "write_schema", "write_column"];

fn sources() -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    // Tests may use SQLite as a second opinion, and whatever makes their data.
    found.retain(|file| !file.iter().any(|part| part == "tests" || part == "tests.rs"));
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The module of the map in `lib.rs` that a file belongs to.
fn module_of(file: &Path) -> String {
    let relative = file.strip_prefix(root()).unwrap();
    relative.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The file without comments and without its unit tests, which stand at the end.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// Every path after `crate::` in a text, as far as it goes in one word.
fn crate_paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let word = |text: &str| {
            text.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect::<String>()
        };
        if let Some(list) = rest.strip_prefix('{') {
            let list = &list[..list.find(';').unwrap_or(list.len())];
            let mut depth = 0;
            let mut start = 0;
            for (i, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth > 0 => depth -= 1,
                    ',' | '}' if depth == 0 => {
                        found.insert(word(list[start..i].trim_start()));
                        start = i + 1;
                    }
                    _ => {}
                }
                if c == '}' && depth == 0 && start > i {
                    break;
                }
            }
        } else {
            found.insert(word(rest));
        }
    }
    found.remove("");
    found
}

/// All imports of each module: path and the file that has it.
fn imports() -> BTreeMap<String, Vec<(String, PathBuf)>> {
    let mut found: BTreeMap<String, Vec<(String, PathBuf)>> = BTreeMap::new();
    for file in sources() {
        let module = module_of(&file);
        // `lib.rs` only re-exports.
        if module == "lib" {
            continue;
        }
        let paths = crate_paths(&code(&file)).into_iter().map(|path| (path, file.clone()));
        found.entry(module).or_default().extend(paths);
    }
    found
}

#[test]
fn every_module_imports_only_what_lies_below_it() {
    let mut upward = Vec::new();
    let imports = imports();
    for (module, paths) in &imports {
        for (path, file) in paths {
            let target = path.split("::").next().unwrap_or_default();
            // `crate::Error`, `crate::Result`, `crate::Value` and the like: re-exported leaves, and `Op`, the
            // comparison operators that columns evaluate.
            let leaf = LEAVES.contains(&target) || target.starts_with(char::is_uppercase);
            let exempt = module == "api" && target == "sql";
            if target != module && !leaf && !exempt && !allowed(module).contains(&target) {
                upward.push(format!("{} imports crate::{path}", file.display()));
            }
        }
    }
    assert!(imports.len() > 10, "the sources were not found");
    assert!(upward.is_empty(), "these imports go upward or around a layer:\n{}", upward.join("\n"));
}

#[test]
fn the_rust_door_uses_the_sql_door_in_one_place() {
    let users: Vec<PathBuf> = imports()
        .into_iter()
        .filter(|(module, _)| module != "sql")
        .flat_map(|(_, paths)| paths)
        .filter(|(path, _)| path == "sql" || path.starts_with("sql::"))
        .map(|(_, file)| file)
        .collect();
    assert_eq!(users, [root().join("api/database.rs")]);
    let text = code(&users[0]);
    for (at, _) in text.match_indices("sql::") {
        let rest = &text[at + "sql::".len()..];
        assert!(
            DOOR.iter().any(|name| rest.starts_with(&format!("{name}("))),
            "sql::{}",
            &rest[..rest.len().min(30)]
        );
    }
}

#[test]
fn payloads_and_leaves_know_no_sqlite() {
    for file in sources() {
        let module = module_of(&file);
        let pure = ["hnsw", "text", "columns", "vector", "bitmap", "limits", "schema", "ann"]
            .contains(&module.as_str());
        if pure {
            assert!(!code(&file).contains("rusqlite"), "{} speaks to SQLite", file.display());
        }
    }
}

#[test]
fn only_the_storage_names_shadow_tables_in_sql() {
    let verbs = ["SELECT", "INSERT", "UPDATE", "DELETE FROM", "CREATE TABLE", "DROP TABLE"];
    for file in sources() {
        let module = module_of(&file);
        if ["hnsw", "text", "columns", "collection", "query"].contains(&module.as_str()) {
            let text = code(&file);
            let verb = verbs.iter().find(|verb| text.contains(&format!("\"{verb} ")));
            assert!(verb.is_none(), "{} has SQL of its own: {verb:?}", file.display());
        }
    }
}

#[test]
fn lists_of_imports_are_read_in_full() {
    let code = "use crate::{error::{Error, Result}, hnsw, collection::View};\npub(in crate::sql) fn f(x: crate::text::Field) {}";
    let found: Vec<String> = crate_paths(code).into_iter().collect();
    assert_eq!(found, ["collection::View", "error::", "hnsw", "sql", "text::Field"]);
}
