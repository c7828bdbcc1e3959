//! Ranking quality on real data, where it is at hand: `NEARLITE_DATA`, or `../shared/data` beside the crate.

use super::*;
use std::collections::HashMap;
use std::path::PathBuf;

fn data(set: &str) -> Option<PathBuf> {
    let root = std::env::var_os("NEARLITE_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let path = root.join(set);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there (set NEARLITE_DATA)", path.display());
    None
}

fn json_lines(path: PathBuf) -> Vec<serde_json::Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Mean nDCG@10 over the judged queries of scifact.
fn ndcg(
    path: &std::path::Path,
    config: &TextConfig,
    texts: &dyn Fn(&serde_json::Value) -> Vec<String>,
) -> f64 {
    let corpus = json_lines(path.join("corpus.jsonl"));
    let bytes = build(
        config,
        &mut corpus.iter().map(|doc| texts(doc).into_iter().map(|text| Some(text.into())).collect()),
    )
    .unwrap();
    let searcher = open(config, &[&Arc::new(TextPayload::decode(bytes).unwrap())]);
    let ids: Vec<String> = corpus.iter().map(|doc| text_of(&doc["_id"])).collect();
    let mut judged: HashMap<String, HashMap<String, f64>> = HashMap::new();
    for line in std::fs::read_to_string(path.join("qrels.tsv")).unwrap().lines().skip(1) {
        let parts: Vec<&str> = line.split('\t').collect();
        let (query, doc, grade) = (parts[0], parts[parts.len() - 2], parts[parts.len() - 1]);
        judged.entry(query.into()).or_default().insert(doc.into(), grade.parse().unwrap());
    }
    let queries = json_lines(path.join("queries.jsonl"));
    let (mut sum, mut count) = (0.0, 0);
    for query in &queries {
        let Some(grades) = judged.get(&text_of(&query["_id"])) else { continue };
        let parsed = searcher.parse(&text_of(&query["text"]), None, Syntax::Query).unwrap();
        let hits = searcher.search(&parsed, &[], 10).unwrap();
        let discount = |rank: usize| 1.0 / ((rank + 2) as f64).log2();
        let gain: f64 = hits
            .iter()
            .enumerate()
            .map(|(rank, hit)| grades.get(&ids[hit.ord as usize]).unwrap_or(&0.0) * discount(rank))
            .sum();
        let mut best: Vec<f64> = grades.values().copied().collect();
        best.sort_by(|a, b| b.total_cmp(a));
        let ideal: f64 = best.iter().take(10).enumerate().map(|(rank, grade)| grade * discount(rank)).sum();
        sum += gain / ideal;
        count += 1;
    }
    assert!(count > 100);
    sum / f64::from(count)
}

fn text_of(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[test]
fn bm25_ranks_scifact_as_well_as_published() {
    let Some(path) = data("scifact") else { return };
    let joined =
        |doc: &serde_json::Value| vec![format!("{} {}", text_of(&doc["title"]), text_of(&doc["text"]))];
    let apart = |doc: &serde_json::Value| vec![text_of(&doc["title"]), text_of(&doc["text"])];
    let one = ndcg(&path, &config(&[("all", 1.0)], "en_stem"), &joined);
    let unstemmed = ndcg(&path, &config(&[("all", 1.0)], "default"), &joined);
    let two = ndcg(&path, &config(&[("title", 1.0), ("body", 1.0)], "en_stem"), &apart);
    println!("scifact nDCG@10: one column {one:.4}, unstemmed {unstemmed:.4}, title and body {two:.4}");
    assert!((one - 0.693).abs() < 0.005);
    assert!((two - 0.682).abs() < 0.01);
}
