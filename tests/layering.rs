//! Code depends downward only: `sql`, `api` -> `query` -> `collection` -> `hnsw` | `text` | `columns` and `storage` -> leaves.
//!
//! The payload layers know neither SQLite nor each other, the storage knows no index, the leaves know leaves. Within a layer
//! files import each other in no circles but a few that are named here.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Types that any module may name.
const LEAVES: [&str; 12] = [
    "courier",
    "crew",
    "error",
    "limits",
    "memory",
    "random",
    "schema",
    "text_options",
    "value",
    "bitmap",
    "vector",
    "json",
];

/// Modules that `module` may name besides itself and the leaves.
fn allowed(module: &str) -> &'static [&'static str] {
    match module {
        // The doors.
        "sql" | "api" => &["query", "collection", "storage", "text", "columns"],
        "query" => &["collection", "storage", "hnsw", "text", "columns"],
        "collection" => &["storage", "hnsw", "text", "columns"],
        // A door to the bare index, which is searched among some rows by the plans of queries.
        "ann" => &["hnsw", "query"],
        _ => &[],
    }
}

/// All that `api` may call of `sql`: opening a database registers the SQL door on its connection, and a collection
/// is created and altered, and its schema compared, as the DDL of that door.
const DOOR: [&str; 4] = ["register", "write_schema", "write_column", "write_options"];

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
            let leaf = LEAVES.contains(&target);
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

/// Files that import each other in a circle, and why that is so.
const CIRCLES: [&[&str]; 5] = [
    // The default of a type parameter: `Collection` is one of a `Database` unless something else is said.
    &["api::collection", "api::database", "api::search"],
    // One parser in two files.
    &["sql::ddl", "sql::ddl::vector"],
    // A type and what reads it.
    &["text::joined", "text::merged", "text::parser", "text::query_text", "text::wording"],
    &["text::analyzer", "text::scan"],
    &["vector::codes::quantizer", "vector::codes::query"],
];

/// A file as a path of modules.
fn module_path(file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(root()).unwrap().with_extension("");
    let mut path: Vec<String> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}

/// The paths of a `use` tree, each in full.
fn use_paths(tree: &str, found: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((before, list)) = tree.split_once('{') else {
        found.push(tree.split(" as ").next().unwrap_or_default().trim().to_owned());
        return;
    };
    let list = &list[..list.rfind('}').unwrap_or(list.len())];
    let (mut depth, mut start) = (0, 0);
    for (at, c) in list.char_indices().chain([(list.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let one = list[start..at].trim();
                if !one.is_empty() {
                    use_paths(&format!("{before}{one}"), found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// Every path in a file that starts at `crate`, at `super` or, in a `use`, at `self`.
fn inner_paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = String::new();
    for (nth, part) in code.split("use ").enumerate() {
        let end = part.find(';').unwrap_or(0);
        if nth > 0 && ["crate::", "super::", "self::"].iter().any(|start| part.starts_with(start)) {
            use_paths(&part[..end], &mut found);
            rest.push_str(&part[end..]);
        } else {
            rest.push_str(part);
        }
    }
    for start in ["crate::", "super::"] {
        for (at, _) in rest.match_indices(start) {
            let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            if !rest[..at].ends_with(|c: char| word(c) || c == '$') {
                found.push(rest[at..].chars().take_while(|c| word(*c)).collect());
            }
        }
    }
    found
}

/// The files that each file imports from. A name that a module only re-exports is that of the file it comes from.
fn file_imports() -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let files: BTreeMap<Vec<String>, String> = sources()
        .iter()
        .map(|file| (module_path(file), code(file)))
        .filter(|(path, _)| path != &["lib"])
        .collect();
    fn longest<'p>(files: &BTreeMap<Vec<String>, String>, path: &'p [String]) -> Option<&'p [String]> {
        (1..=path.len()).rev().map(|n| &path[..n]).find(|path| files.contains_key(*path))
    }
    let source = |path: &[String]| -> Option<Vec<String>> {
        let module = longest(&files, path)?;
        let name = path.get(module.len())?;
        let mut exported = Vec::new();
        for part in files[module].split("use ").skip(1) {
            use_paths(&part[..part.find(';').unwrap_or(0)], &mut exported);
        }
        let from = exported.iter().find(|path| path.ends_with(&format!("::{name}")))?;
        let inside: Vec<String> = module.iter().cloned().chain(from.split("::").map(str::to_owned)).collect();
        longest(&files, &inside).filter(|file| file.len() > module.len()).map(<[String]>::to_vec)
    };
    let mut imports: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for (file, code) in &files {
        let targets = imports.entry(file.clone()).or_default();
        for path in inner_paths(code) {
            let mut full: Vec<String> = Vec::new();
            let mut at = file.clone();
            for word in path.split("::").filter(|word| !word.is_empty()) {
                match word {
                    "crate" => at.clear(),
                    "super" => drop(at.pop()),
                    "self" => {}
                    word => full.push(word.to_owned()),
                }
            }
            let full: Vec<String> = at.into_iter().chain(full).collect();
            let target = source(&full).or_else(|| longest(&files, &full).map(<[String]>::to_vec));
            targets.extend(target.filter(|target| target != file));
        }
    }
    imports
}

/// Groups of files each of which can be reached from each other one.
fn circles(imports: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> BTreeSet<Vec<String>> {
    let reach = |from: &Vec<String>| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(next) = open.pop() {
            for target in imports.get(&next).into_iter().flatten() {
                if seen.insert(target.clone()) {
                    open.push(target.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<_, _> = imports.keys().map(|file| (file, reach(file))).collect();
    let circle = |file: &Vec<String>| -> Vec<String> {
        let members =
            reached.iter().filter(|(other, seen)| seen.contains(file) && reached[file].contains(**other));
        members.map(|(other, _)| other.join("::")).collect()
    };
    imports.keys().filter(|file| reached[file].contains(*file)).map(circle).collect()
}

#[test]
fn files_import_each_other_in_no_other_circles_than_those_that_are_named() {
    let imports = file_imports();
    assert!(
        imports.len() > 100 && imports.values().map(BTreeSet::len).sum::<usize>() > 500,
        "the imports were not read"
    );
    let named: BTreeSet<Vec<String>> =
        CIRCLES.iter().map(|circle| circle.iter().map(|file| (*file).to_owned()).collect()).collect();
    assert_eq!(circles(&imports), named);
}

#[test]
fn lists_of_imports_are_read_in_full() {
    let code = "use crate::{error::{Error, Result}, hnsw, collection::View};\npub(in crate::sql) fn f(x: crate::text::Field) {}";
    let found: Vec<String> = crate_paths(code).into_iter().collect();
    assert_eq!(found, ["collection::View", "error::", "hnsw", "sql", "text::Field"]);
}
