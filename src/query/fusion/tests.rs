use super::*;
use crate::vector::Metric;

fn hits(list: &[(u32, f64)]) -> Vec<LegHit> {
    list.iter().zip(1..).map(|((ord, raw), rank)| LegHit { id: (0, *ord), rank, raw: *raw }).collect()
}

/// A fused row with what each of two legs gave.
#[derive(Debug, PartialEq)]
struct Row {
    id: RowId,
    score: f32,
    vector: Option<LegScore>,
    text: Option<LegScore>,
}

/// Raw scores of rows that the vector leg and the text leg did not return.
#[derive(Clone, Default)]
struct Fill {
    vector: RowMap<f64>,
    text: RowMap<f64>,
}

fn rows(list: &FusedList) -> Vec<Row> {
    let row = |row: &Fused| {
        let scores = list.scores(row);
        Row { id: row.id, score: row.score, vector: scores[0], text: scores[1] }
    };
    list.rows.iter().map(row).collect()
}

fn leg<'a>(kind: LegKind, hits: &'a [LegHit], fill: &'a RowMap<f64>) -> FusedLeg<'a> {
    FusedLeg { kind, weight: 1.0, hits, edge: None, background: Some(0.0), fill }
}

/// All rows of both lists, fused.
fn fuse(
    fusion: &Fusion,
    metric: Metric,
    vector: &[LegHit],
    text: &[LegHit],
    fill: Option<&Fill>,
    tie: &dyn Fn(RowId) -> i64,
) -> Vec<Row> {
    let fill = fill.cloned().unwrap_or_default();
    let legs = [leg(LegKind::Vector(metric), vector, &fill.vector), leg(LegKind::Text, text, &fill.text)];
    rows(&super::fuse(fusion, &legs, &|_| true, tie))
}

fn order(fused: &[Row]) -> Vec<u32> {
    fused.iter().map(|row| row.id.1).collect()
}

fn by_ord((_, ord): RowId) -> i64 {
    i64::from(ord)
}

fn close(got: f32, expected: f64) {
    assert!((f64::from(got) - expected).abs() < 1e-6, "{got} is not {expected}");
}

#[test]
fn rrf_adds_the_reciprocals_of_ranks_from_one() {
    let (vector, text) = (hits(&[(7, 0.1), (8, 0.2), (9, 0.3)]), hits(&[(9, 5.0), (7, 4.0), (6, 1.0)]));
    let fused = fuse(&Fusion::rrf(), Metric::Cosine, &vector, &text, None, &by_ord);
    assert_eq!(order(&fused), [7, 9, 8, 6]);
    close(fused[0].score, 1.0 / 61.0 + 1.0 / 62.0);
    close(fused[1].score, 1.0 / 63.0 + 1.0 / 61.0);
    close(fused[2].score, 1.0 / 62.0);
    close(fused[3].score, 1.0 / 63.0);
    let seven = fused[0].vector.unwrap();
    assert_eq!((seven.rank, seven.raw, seven.weight, seven.filled), (Some(1), 0.1, 1.0, false));
    assert_eq!(fused[2].text, None);

    let weighted = Fusion::Rrf { k: 2.0, weights: [1.0, 3.0] };
    let fused = fuse(&weighted, Metric::Cosine, &vector, &text, None, &by_ord);
    assert_eq!(order(&fused), [9, 7, 6, 8]);
    close(fused[0].score, 1.0 / 5.0 + 3.0 / 3.0);
    close(fused[1].score, 1.0 / 3.0 + 3.0 / 4.0);
}

#[test]
fn convex_scales_from_the_background_and_fills_what_a_leg_missed() {
    let (vector, text) = (hits(&[(1, 0.2), (2, 0.6)]), hits(&[(2, 10.0), (3, 4.0)]));
    let fill = Fill {
        vector: RowMap::from_iter([((0, 3), 1.4), ((0, 1), 9.0)]),
        text: RowMap::from_iter([((0, 1), 2.0)]),
    };
    let fused = fuse(&Fusion::convex(0.5), Metric::Cosine, &vector, &text, Some(&fill), &by_ord);
    // Similarities 0.8, 0.4 and the filled -0.4 scale from the background, 0, to 0.8: 1, 0.5, and 0 for what is below it.
    assert_eq!(order(&fused), [2, 1, 3]);
    close(fused[0].score, 0.5 * 0.5 + 0.5);
    close(fused[1].score, 0.5 + 0.5 * 0.2);
    close(fused[2].score, 0.5 * 0.4);
    assert!(fused[2].vector.unwrap().filled && fused[2].vector.unwrap().rank.is_none());
    let bare = fuse(&Fusion::convex(0.5), Metric::Cosine, &vector, &text, None, &by_ord);
    close(bare[1].score, 0.5);
    assert_eq!(bare[1].text, None);
}

#[test]
fn convex_scales_every_metric_by_similarities_that_have_a_mean() {
    let score = |metric, raws: &[(u32, f64)], background| {
        let (hits, fill) = (hits(raws), RowMap::default());
        let legs = [FusedLeg { background, ..leg(LegKind::Vector(metric), &hits, &fill) }];
        let list = super::fuse(&Fusion::convex(1.0), &legs, &|_| true, &by_ord);
        list.rows.iter().map(|row| row.score).collect::<Vec<_>>()
    };
    // Squared distances 1, 9 and 36 where a typical row has 26.
    let found = score(Metric::L2, &[(1, 1.0), (2, 3.0), (3, 6.0)], Some(-26.0));
    close(found[1], 17.0 / 25.0);
    assert_eq!((found[0], found[2]), (1.0, 0.0));
    close(score(Metric::Ip, &[(1, -6.0), (2, -1.0), (3, 2.0)], Some(-2.0))[1], 3.0 / 8.0);
    // Without a background the worst row stands for it; where nothing is above the background, nothing scores.
    close(score(Metric::Ip, &[(1, -6.0), (2, -1.0), (3, 2.0)], None)[1], 3.0 / 8.0);
    assert_eq!(score(Metric::Cosine, &[(1, 0.9), (2, 1.0)], Some(0.5)), [0.0, 0.0]);
}

#[test]
fn rows_below_the_background_keep_the_order_of_their_scores_before_they_were_cut() {
    let vector = hits(&[(9, 0.1), (8, 1.2), (7, 1.3), (6, 1.4)]);
    let text = hits(&[(9, 4.0), (6, 3.0), (7, 3.0), (8, 3.0)]);
    let fused = fuse(&Fusion::default(), Metric::Cosine, &vector, &text, None, &by_ord);
    assert_eq!(order(&fused), [9, 8, 7, 6]);
    assert_eq!(fused[1].score, fused[3].score);
}

#[test]
fn dbsf_scales_by_three_standard_deviations() {
    let vector = hits(&[(1, 0.1), (2, 0.2), (3, 0.3)]);
    let text = hits(&[(3, 8.0)]);
    let fused = fuse(&Fusion::dbsf(), Metric::Cosine, &vector, &text, None, &by_ord);
    // Similarities 0.9, 0.8, 0.7: mean 0.8, sample deviation 0.1; one text hit counts 0.5.
    assert_eq!(order(&fused), [3, 1, 2]);
    close(fused[0].score, 0.2 / 0.6 + 0.5);
    close(fused[1].score, 0.4 / 0.6);
    close(fused[2].score, 0.3 / 0.6);
    let equal = fuse(&Fusion::dbsf(), Metric::Cosine, &hits(&[(1, 0.1), (2, 0.1)]), &[], None, &by_ord);
    close(equal[0].score, 0.5);
}

#[test]
fn ties_go_to_more_legs_then_better_rank_then_smaller_rowid() {
    let equal = hits(&[(5, 0.5), (4, 0.5)]);
    let fused = fuse(&Fusion::dbsf(), Metric::Cosine, &equal, &[], None, &|_| 0);
    assert_eq!(order(&fused), [5, 4], "the better rank");
    let two = Fusion::Rrf { k: 0.0, weights: [1.0, 1.0] };
    let fused =
        fuse(&two, Metric::Cosine, &hits(&[(1, 0.1), (2, 0.2)]), &hits(&[(3, 9.0), (2, 8.0)]), None, &by_ord);
    assert_eq!(order(&fused), [2, 1, 3], "1/2 + 1/2 in two legs before 1 in one; then the rowid");
    let fused =
        fuse(&two, Metric::Cosine, &hits(&[(1, 0.1), (2, 0.2)]), &hits(&[(3, 9.0)]), None, &|(_, ord)| {
            -i64::from(ord)
        });
    assert_eq!(order(&fused), [3, 1, 2]);
}

#[test]
fn a_row_of_the_group_at_which_a_leg_was_cut_counts_like_the_others_of_the_group() {
    let vector = hits(&[(1, 0.1), (2, 0.2), (3, 0.3)]);
    let text: Vec<LegHit> = [(9, 5.0, 1), (1, 4.0, 2), (8, 4.0, 2)]
        .map(|(ord, raw, rank)| LegHit { id: (0, ord), rank, raw })
        .to_vec();
    let fill = Fill { text: RowMap::from_iter([((0, 2), 4.0), ((0, 3), 3.9)]), ..Fill::default() };
    for fusion in [Fusion::rrf(), Fusion::convex(0.5), Fusion::dbsf()] {
        let legs = [
            leg(LegKind::Vector(Metric::Cosine), &vector, &fill.vector),
            FusedLeg { edge: Some(Edge { raw: 4.0, rank: 2 }), ..leg(LegKind::Text, &text, &fill.text) },
        ];
        let fused = rows(&super::fuse(&fusion, &legs, &|(_, ord)| ord != 8, &by_ord));
        let text_of = |ord| fused.iter().find(|row| row.id.1 == ord).unwrap().text;
        let (drawn, computed) = (text_of(1).unwrap(), text_of(2).unwrap());
        assert_eq!(drawn, computed, "{fusion:?}");
        assert_eq!((computed.rank, computed.filled), (Some(2), false));
        assert_eq!(text_of(3).is_some(), fusion.fills_missing());
        assert!(fused.iter().all(|row| row.id.1 != 8), "{fusion:?}: a row that is not listed");
    }
}

#[test]
fn every_formula_takes_any_number_of_legs() {
    let (first, second, text) =
        (hits(&[(1, 0.2), (2, 0.4)]), hits(&[(2, 1.0), (3, 3.0)]), hits(&[(3, 8.0), (1, 2.0)]));
    let none = RowMap::default();
    let legs = [
        leg(LegKind::Vector(Metric::Cosine), &first, &none),
        FusedLeg { weight: 3.0, background: Some(-13.0), ..leg(LegKind::Vector(Metric::L2), &second, &none) },
        leg(LegKind::Text, &text, &none),
    ];
    let scores = |fusion: &Fusion, legs: &[FusedLeg<'_>]| {
        let list = super::fuse(fusion, legs, &|_| true, &by_ord);
        list.rows.iter().map(|row| (row.id.1, row.score)).collect::<std::collections::BTreeMap<_, _>>()
    };
    let rrf = scores(&Fusion::Rrf { k: 1.0, weights: [1.0, 2.0] }, &legs);
    close(rrf[&1], 1.0 / 2.0 + 2.0 / 3.0);
    close(rrf[&2], 1.0 / 3.0 + 3.0 / 2.0);
    close(rrf[&3], 3.0 / 3.0 + 2.0 / 2.0);
    // Of the 0.8 of the vector legs the first has a quarter; similarities scale from 0 to 0.8, squares from 13 to 1.
    let convex = scores(&Fusion::convex(0.8), &legs);
    close(convex[&1], 0.2 + 0.2 * 0.25);
    close(convex[&2], 0.2 * 0.75 + 0.6);
    close(convex[&3], 0.6 / 3.0 + 0.2);
    // Without a text leg the vector legs have all of it.
    close(scores(&Fusion::convex(0.8), &legs[..2])[&2], 0.25 * 0.75 + 0.75);
    let dbsf = scores(&Fusion::dbsf(), &legs);
    assert!(dbsf.values().all(|score| score.is_finite()) && dbsf.len() == 3);
}

#[test]
fn no_input_gives_nan_and_an_empty_leg_is_no_error() {
    let odd = hits(&[
        (1, f64::NAN),
        (2, f64::INFINITY),
        (3, f64::NEG_INFINITY),
        (4, 0.0),
        (5, f64::from(f32::MAX)),
    ]);
    for fusion in [
        Fusion::rrf(),
        Fusion::convex(0.3),
        Fusion::dbsf(),
        Fusion::Rrf { k: f32::NAN, weights: [f32::NAN, 1.0] },
    ] {
        for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
            for (vector, text) in [(&odd[..], &odd[..]), (&odd, &[]), (&[], &odd), (&odd[..1], &odd[1..2])] {
                let fused = fuse(&fusion, metric, vector, text, None, &by_ord);
                assert!(fused.iter().all(|row| row.score.is_finite()), "{fusion:?} {metric:?} {fused:?}");
                assert_eq!(
                    fused.len(),
                    vector.len().max(text.len()).max(if vector.len() == 1 { 2 } else { 0 })
                );
            }
        }
        assert!(fuse(&fusion, Metric::Cosine, &[], &[], None, &by_ord).is_empty());
    }
}

#[test]
fn a_fusion_that_makes_no_sense_is_refused() {
    for good in [Fusion::rrf(), Fusion::convex(0.0), Fusion::convex(1.0), Fusion::dbsf()] {
        good.check().unwrap();
    }
    for bad in [
        Fusion::Rrf { k: -1.0, weights: [1.0, 1.0] },
        Fusion::Rrf { k: 60.0, weights: [0.0, 0.0] },
        Fusion::Dbsf { weights: [f32::NAN, 1.0] },
        Fusion::convex(1.1),
        Fusion::convex(f32::NAN),
    ] {
        assert!(bad.check().is_err(), "{bad:?}");
    }
}

#[test]
fn options_are_read_and_their_mistakes_explained() {
    let read = |json: &str| parse_options(json).unwrap();
    assert_eq!(read(""), HybridOptions::default());
    assert_eq!(read("{}").fusion, Fusion::convex(0.45));
    assert_eq!(read(r#"{"alpha":0.7}"#).fusion, Fusion::convex(0.7));
    assert_eq!(read(r#"{"k":5,"weights":[2,1]}"#).fusion, Fusion::Rrf { k: 5.0, weights: [2.0, 1.0] });
    assert_eq!(read(r#"{"alpha":0.7,"fusion":"convex"}"#).fusion, Fusion::convex(0.7));
    assert_eq!(read(r#"{"fusion":"convex","weights":[3,1]}"#).fusion, Fusion::convex(0.75));
    let all = read(r#"{"fusion":"dbsf","weights":[1,2],"depth":50,"column":"e","ef_search":80}"#);
    assert_eq!((all.depth, all.column.as_deref(), all.ef_search), (Some(50), Some("e"), Some(80)));
    assert_eq!((all.depth_for(None, 10), all.depth_for(Some(60), 10), all.depth_for(None, 70)), (50, 60, 70));
    assert_eq!(
        [0, 10, 30, 100, 300, 90_000].map(|page| read("{}").depth_for(None, page)),
        [100, 100, 100, 100, 300, 10_000]
    );
    let every = r#"{"fusion":"rrf","k":60,"alpha":0.5,"weights":[1,1],"depth":100,"column":"embedding","ef_search":100}"#;
    assert_eq!(read(every).fusion, Fusion::rrf());
    assert_eq!(read(&every.replace("rrf", "convex")).fusion, Fusion::convex(0.5));
    let error = |json: &str| parse_options(json).unwrap_err().to_string();
    assert_eq!(
        error(r#"{"fusoin":"rrf"}"#),
        "hybrid_query options: unknown word \"fusoin\"; allowed are fusion, k, alpha, weights, depth, column, ef_search, group_by, group_rows, mmr, syntax, operator, minimum_match, prefix_last, fuzzy, stop_words"
    );
    assert_eq!(
        error(r#"{"fusion":"rff"}"#),
        "hybrid_query options: \"fusion\" must be \"rrf\", \"convex\" or \"dbsf\", got \"rff\""
    );
    for wrong in [
        r#"{"k":-1}"#,
        r#"{"k":"60"}"#,
        r#"{"alpha":0.5,"k":9}"#,
        r#"{"fusion":"convex","alpha":1.5}"#,
        r#"{"weights":[1]}"#,
        r#"{"weights":[0,0]}"#,
        r#"{"depth":0}"#,
        r#"{"depth":1.5}"#,
        r#"{"column":3}"#,
        "[1]",
        "{",
        "3",
        r#"{"ef_search":null}"#,
    ] {
        assert!(error(wrong).starts_with("hybrid_query options: "), "{wrong}");
    }
}
