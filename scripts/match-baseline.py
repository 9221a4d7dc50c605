#!/usr/bin/env python3
"""What two well-known libraries make of the same files, with the settings that their own manuals show.

    pip install recordlinkage splink
    scripts/match-baseline.py ecm|sum|splink FILE.csv CLUSTERS.csv     (FEBRL's columns or rec_id,name,sex,birth,id_no,phone,address)

Labels are not read. sum and ecm are of recordlinkage: so many of the comparisons agree, or its unsupervised classifier.
Clusters are what is connected. How good they are says: go run ./internal/empi/people/score FILE.csv CLUSTERS.csv
"""
import sys
import time

import pandas as pd


def read(name):
    df = pd.read_csv(name, dtype=str, encoding="utf-8-sig", skipinitialspace=True, keep_default_na=False)
    df.columns = df.columns.str.strip()
    df = df[[c for c in df.columns if not c.startswith("truth")]]
    df = df.apply(lambda c: c.str.strip())
    return df.mask(df == "")


def recordlinkage_pairs(df, febrl, how):
    import recordlinkage as rl

    df = df.set_index("rec_id")
    index, compare = rl.Index(), rl.Compare()
    if febrl:
        blocks = ["given_name", "surname", "date_of_birth", "postcode", "soc_sec_id"]
        for field in ("given_name", "surname", "address_1"):
            compare.string(field, field, method="jarowinkler", threshold=0.85)
        for field in ("date_of_birth", "suburb", "state", "soc_sec_id", "postcode"):
            compare.exact(field, field)
        enough = 4
    else:
        blocks = ["name", "birth", "id_no", "phone"]
        for field in ("name", "address"):
            compare.string(field, field, method="jarowinkler", threshold=0.85)
        compare.string("id_no", "id_no", method="damerau_levenshtein", threshold=0.85)
        for field in ("sex", "birth", "phone"):
            compare.exact(field, field)
        enough = 4
    for field in blocks:
        index.block(field)
    features = compare.compute(index.index(df), df)
    if how == "sum":
        return features[features.sum(axis=1) >= enough].index
    return rl.ECMClassifier(binarize=0.5).fit_predict(features)


def splink_clusters(df, febrl):
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    if febrl:
        blocks = [block_on(c) for c in ("soc_sec_id", "given_name", "surname", "date_of_birth", "postcode")]
        comparisons = [
            cl.NameComparison("given_name"),
            cl.NameComparison("surname"),
            cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
            cl.DamerauLevenshteinAtThresholds("soc_sec_id", [2]),
            cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            cl.ExactMatch("postcode").configure(term_frequency_adjustments=True),
        ]
        sure = [block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth")]
        train = [block_on("date_of_birth"), block_on("postcode")]
    else:
        blocks = [block_on(c) for c in ("id_no", "name", "birth", "phone")]
        comparisons = [
            cl.NameComparison("name").configure(term_frequency_adjustments=True),
            cl.DateOfBirthComparison("birth", input_is_string=True),
            cl.DamerauLevenshteinAtThresholds("id_no", [1, 2]),
            cl.ExactMatch("phone").configure(term_frequency_adjustments=True),
            cl.LevenshteinAtThresholds("address", 2),
            cl.ExactMatch("sex"),
        ]
        sure = [block_on("id_no", "name"), block_on("name", "birth", "phone")]
        train = [block_on("birth"), block_on("id_no")]
    db = DuckDBAPI()
    settings = SettingsCreator(unique_id_column_name="rec_id", link_type="dedupe_only", blocking_rules_to_generate_predictions=blocks, comparisons=comparisons)
    import pyarrow as pa

    linker = Linker(db.register(pa.Table.from_pandas(df, preserve_index=False)), settings, log_level=None)
    linker.training.estimate_probability_two_random_records_match(sure, recall=0.8)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=2)
    for rule in train:
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    pairs = linker.inference.predict(threshold_match_probability=0.2)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, threshold_match_probability=0.95)
    out = clusters.as_duckdbpyrelation().df()
    return dict(zip(out["rec_id"], out["cluster_id"]))


def connected(ids, pairs):
    over = {i: i for i in ids}

    def top(i):
        while over[i] != i:
            over[i] = over[over[i]]
            i = over[i]
        return i

    for a, b in pairs:
        over[top(a)] = top(b)
    return {i: top(i) for i in ids}


def main(how, source, target):
    df = read(source)
    febrl = "soc_sec_id" in df.columns
    begun = time.time()
    if how == "splink":
        clusters = splink_clusters(df, febrl)
    else:
        clusters = connected(df["rec_id"], recordlinkage_pairs(df, febrl, how))
    print(f"{how} {source}: {time.time() - begun:.1f} s", file=sys.stderr)
    with open(target, "w", encoding="utf-8") as out:
        out.write("rec_id,person\n")
        out.writelines(f"{i},{p}\n" for i, p in clusters.items())


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("ecm", "sum", "splink"):
        sys.exit(__doc__)
    main(*sys.argv[1:])
