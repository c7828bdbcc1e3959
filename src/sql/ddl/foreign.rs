//! Words of other databases that users type in a declaration, and the words that mean the same here.

use super::tokens::{Token, is_keyword};

/// Where in a declaration a word stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In place of the type of a column.
    Type,
    /// After the type of a column that is no vector.
    Scalar,
    /// After `VECTOR(n)`.
    Vector,
    Metric,
    Codes,
    Store,
    Index,
    /// In front of `=`, as an argument of its own.
    Option,
}

use Place::{Codes, Index, Metric, Option as TableOption, Scalar, Store, Type, Vector};

const NO_PARTITION: &str =
    "leave PARTITION KEY out: an ordinary metadata column is filtered inside the search";
const NO_DEFAULT: &str = "a column that is searched, or a key, has no default; give the value when inserting";
const ONLY_KEYS: &str = "only a key is unique: TEXT PRIMARY KEY or INTEGER PRIMARY KEY";
const IN_BASE_TABLE: &str = "a nearlite table checks NOT NULL and its key only; leave it out";
const IN_COLUMN: &str = "the metric belongs to the column: VECTOR(n) METRIC cosine, l2 or ip";
const IN_INDEX: &str = "it belongs to the column: VECTOR(n) INDEX hnsw(m=16, ef_construction=128)";
const NOT_NEEDED: &str = "there is no such setting; leave it out";
const NO_METRIC: &str = "a column is searched by cosine, l2 or ip only";

/// Place, words in lower case, what to write instead.
const FOREIGN: &[(Place, &[&str], &str)] = &[
    (
        Type,
        &[
            "varchar",
            "nvarchar",
            "char",
            "nchar",
            "character",
            "clob",
            "string",
            "str",
            "citext",
            "uuid",
            "enum",
        ],
        "write TEXT, or TEXT FULLTEXT for text whose words are searched",
    ),
    (
        Type,
        &["date", "datetime", "timestamp", "timestamptz", "time"],
        "write TEXT for ISO 8601, which sorts by time, or INTEGER for seconds",
    ),
    (
        Type,
        &[
            "bigint",
            "smallint",
            "tinyint",
            "mediumint",
            "int2",
            "int4",
            "int8",
            "int32",
            "int64",
            "serial",
            "bigserial",
            "long",
        ],
        "write INTEGER",
    ),
    (Type, &["numeric", "decimal", "number", "money"], "write INTEGER or REAL"),
    (Type, &["float4", "float8", "float64", "float32"], "write REAL"),
    (Type, &["bit"], "write BOOLEAN"),
    (Type, &["jsonb"], "write JSON for objects to filter by, UNINDEXED for a value that is only stored"),
    (Type, &["bytea", "varbinary", "binary", "any"], "write UNINDEXED for a value that is only stored"),
    (
        Type,
        &["sparsevec"],
        "there are no sparse vectors; write VECTOR(n) for dense ones, TEXT FULLTEXT for words",
    ),
    (Scalar, &["partition"], NO_PARTITION),
    (Vector, &["partition"], NO_PARTITION),
    (Scalar, &["default"], NO_DEFAULT),
    (Vector, &["default"], NO_DEFAULT),
    (Scalar, &["unique"], ONLY_KEYS),
    (Vector, &["unique", "primary"], ONLY_KEYS),
    (
        Scalar,
        &["collate"],
        "text is compared byte by byte; leave it out and write COLLATE in the query, where SQLite checks it",
    ),
    (Scalar, &["check", "references", "generated", "as", "constraint", "on", "deferrable"], IN_BASE_TABLE),
    (Vector, &["check", "references", "generated", "as", "constraint", "collate"], IN_BASE_TABLE),
    (Scalar, &["autoincrement", "auto_increment"], "SQLite chooses the next number by itself; leave it out"),
    (Scalar, &["null"], "NULL is allowed unless NOT NULL is said; leave it out"),
    (Vector, &["null"], "NULL is allowed unless NOT NULL is said; leave it out"),
    (Scalar, &["indexed", "index"], "metadata needs no index: a filter on it is applied inside the search"),
    (
        Scalar,
        &["precision", "varying", "unsigned", "with", "without"],
        "leave it out: TEXT, INTEGER and REAL say enough",
    ),
    (Scalar, &["("], "a length is not declared; leave it out"),
    (Scalar, &["["], "a column holds one value; write JSON and store an object that has the list"),
    (
        Vector,
        &["distance_metric", "distance", "metric_type", "similarity"],
        "write METRIC cosine, METRIC l2 or METRIC ip",
    ),
    (Vector, &["vector_cosine_ops", "cosine", "cos"], "write METRIC cosine"),
    (Vector, &["vector_l2_ops", "l2", "euclidean"], "write METRIC l2"),
    (Vector, &["vector_ip_ops", "ip", "dot"], "write METRIC ip"),
    (Vector, &["hnsw", "using", "indexed"], "write INDEX hnsw, or INDEX flat for exact searches"),
    (Vector, &["flat"], "write INDEX flat"),
    (Vector, &["int8", "bit", "quantize", "quantization"], "write CODES int8 or CODES bit"),
    (Vector, &["m", "ef_construction"], "write INDEX hnsw(m=16, ef_construction=128)"),
    (
        Metric,
        &[
            "euclidean",
            "euclid",
            "euclidian",
            "l2_distance",
            "l2sq",
            "l2_squared",
            "squared_l2",
            "sqeuclidean",
            "vector_l2_ops",
        ],
        "write METRIC l2, which is not squared",
    ),
    (
        Metric,
        &[
            "dot",
            "dotproduct",
            "dot_product",
            "inner",
            "inner_product",
            "innerproduct",
            "max_inner_product",
            "vector_ip_ops",
        ],
        "write METRIC ip, which is -(a . b)",
    ),
    (
        Metric,
        &["cos", "angular", "cosine_similarity", "cosine_distance", "cosinesimil", "vector_cosine_ops"],
        "write METRIC cosine",
    ),
    (Metric, &["l1", "manhattan", "taxicab", "cityblock", "hamming", "jaccard"], NO_METRIC),
    (Codes, &["sq8", "i8", "uint8", "scalar"], "write CODES int8"),
    (Codes, &["binary", "bits", "bq", "b1", "rabitq"], "write CODES bit"),
    (Codes, &["f32", "float32", "float", "off", "no"], "write CODES none"),
    (Codes, &["f16", "float16", "half"], "write STORE f16"),
    (Store, &["float16", "half", "fp16", "halfvec"], "write STORE f16"),
    (Store, &["float32", "float", "fp32", "full"], "write STORE f32"),
    (
        Store,
        &["int8", "bit"],
        "vectors are stored as floats; write CODES int8 or CODES bit for a smaller index",
    ),
    (Index, &["brute", "bruteforce", "brute_force", "exact", "none", "scan"], "write INDEX flat"),
    (Index, &["ivf", "ivfflat", "diskann", "vamana", "annoy", "graph", "rescore"], "write INDEX hnsw"),
    (TableOption, &["distance_metric", "metric", "distance", "similarity"], IN_COLUMN),
    (TableOption, &["dimensions", "dimension", "dim", "dims"], "it belongs to the column: VECTOR(384)"),
    (TableOption, &["m", "ef_construction", "index"], IN_INDEX),
    (
        TableOption,
        &["ef_search", "automerge", "delta_rows", "cache_mb"],
        "a setting is stored by INSERT INTO t(t, rank) VALUES('ef_search', 100)",
    ),
    (
        TableOption,
        &["chunk_size", "prefix", "columnsize", "detail", "contentless_delete", "locale"],
        NOT_NEEDED,
    ),
];

/// Vector types of sqlite-vec and pgvector, which have their length in brackets.
const VECTORS: &[(&[&str], &str)] = &[
    (&["int8", "i8"], "write VECTOR(n) CODES int8"),
    (&["bit"], "write VECTOR(n) CODES bit"),
    (&["halfvec", "float16", "f16"], "write VECTOR(n) STORE f16"),
    (&["float32", "f32", "float4", "vec", "f32_blob", "float8", "float64"], "write VECTOR(n)"),
];

/// What to write instead of `word` at `place`; `brackets` is what the brackets hold that follow it.
pub(super) fn advice(place: Place, word: &str, brackets: Option<&str>) -> Option<String> {
    let word = word.to_ascii_lowercase();
    let among = |words: &[&str]| words.contains(&word.as_str());
    if let (Type, Some(brackets)) = (place, brackets)
        && let Some((_, advice)) = VECTORS.iter().find(|(words, _)| among(words))
    {
        return Some(advice.replace("(n)", &format!("({brackets})")));
    }
    let (.., advice) = FOREIGN.iter().find(|(at, words, _)| *at == place && among(words))?;
    Some((*advice).to_owned())
}

/// Whether an argument that starts so is a constraint of an ordinary table.
pub(super) fn is_constraint(first: &Token, second: &Token) -> bool {
    let is = |words: [&str; 2]| words.iter().any(|word| is_keyword(first, word));
    is(["PRIMARY", "FOREIGN"]) && is_keyword(second, "KEY")
        || is(["UNIQUE", "CHECK"]) && *second == Token::Sign('(')
}
