//! Several legs, groups and diversity give the same rows and scores through the Rust interface and through SQL.
#![allow(clippy::unwrap_used)]

use nearlite::{Database, Fusion, Metric, Mmr, Schema};

const DIM: usize = 5;
const WORDS: [&str; 6] = ["amber", "falcon", "onyx", "lagoon", "ember", "garnet"];

/// xorshift64*: the same rows on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..DIM).map(|_| (self.next() >> 40) as f32 / 8_388_608.0 - 1.0).collect()
    }
}

fn json(vector: &[f32]) -> String {
    serde_json::to_string(vector).unwrap()
}

#[test]
fn both_interfaces_search_several_legs_alike() {
    println!("seed 77");
    let mut random = Random(77);
    let database = Database::in_memory().unwrap();
    let schema = Schema::new()
        .integer_key("id")
        .full_text("body")
        .integer("topic")
        .vector("a", DIM, Metric::Cosine)
        .vector("b", DIM, Metric::L2);
    let docs = database.collection("docs").create(schema).unwrap();
    for id in 1..=400_i64 {
        let body: Vec<&str> = (0..5).map(|_| WORDS[random.next() as usize % WORDS.len()]).collect();
        let (a, b) = (random.vector(), random.vector());
        docs.insert(&serde_json::json!({"id": id, "body": body.join(" "), "topic": id % 9, "a": a, "b": b}))
            .unwrap();
        if id == 300 {
            docs.optimize().unwrap();
        }
    }
    for round in 0..10 {
        let (a, b) = (random.vector(), random.vector());
        for (fusion, name) in
            [(Fusion::default(), "convex"), (Fusion::rrf(), "rrf"), (Fusion::dbsf(), "dbsf")]
        {
            for (text, group, mmr) in [
                (false, None, None),
                (true, Some(2), None),
                (true, None, Some(0.6)),
                (true, Some(1), Some(0.3)),
            ] {
                let mut search =
                    docs.search().nearest("a", a.clone()).nearest("b", b.clone()).fuse(fusion).limit(12);
                let mut options = serde_json::json!({"fusion": name});
                if text {
                    search = search.text("falcon onyx");
                }
                if let Some(rows) = group {
                    search = search.group_by("topic", rows);
                    options["group_by"] = "topic".into();
                    options["group_rows"] = rows.into();
                }
                if let Some(lambda) = mmr {
                    search = search.rerank(Mmr::lambda(lambda));
                    options["mmr"] = lambda.into();
                }
                let hits = search.run().unwrap();
                let expected: Vec<(i64, f32)> = hits.iter().map(|hit| (hit.rowid, hit.score)).collect();
                let words = if text { "'falcon onyx'" } else { "NULL" };
                let sql = format!(
                    "SELECT rowid, score FROM docs WHERE docs MATCH
                       hybrid_query(near('a', ?1), near('b', ?2), {words}, ?3) AND k = 12"
                );
                let found = database
                    .with_connection(|conn| {
                        let mut statement = conn.prepare(&sql)?;
                        let rows = statement.query_map((json(&a), json(&b), options.to_string()), |row| {
                            Ok((row.get(0)?, row.get(1)?))
                        })?;
                        Ok(rows.collect::<Result<Vec<(i64, f32)>, _>>()?)
                    })
                    .unwrap();
                assert_eq!(found.len(), if group == Some(1) { 9 } else { 12 });
                assert_eq!(found, expected, "round {round}, {options}");
            }
        }
    }
}
