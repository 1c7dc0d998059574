"""training-set --into, --verify and --replay: what they print, their exit codes, and what they refuse."""

from __future__ import annotations

import json
import os
import stat

import duckdb
import pytest

from tests.cli.test_accidents import files_of_at_most
from tests.cli.test_bad_input import assert_refused
from tests.cli.tiny import orders

ASK = ("training-set", "--spine", "labels", "--time", "label_at", "--service", "churn")
NOT_THE_CARDS = (
    "the new training set is not the card's\n"
    "  -> definitions, options and examples are the card's; the data behind them is not what it was"
)


@pytest.fixture
def written(applied):
    """Applied, with `t.parquet` and its card, and the table `t` and its."""
    assert applied.run(*ASK, "--output", "t.parquet").code == 0
    assert applied.run(*ASK, "--into", "t").code == 0
    return applied


def count(tiny, sql):
    with duckdb.connect(str(tiny.folder / "shop.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchone()[0]


def test_a_table_is_replaced_and_appended_to(applied):
    assert applied.run(*ASK, "--into", "t", "--replace").code == 0
    assert applied.run(*ASK, "--into", "t", "--replace").code == 0
    assert count(applied, "select count(*) from t") == 2
    ran = applied.run(*ASK, "--into", "t", "--append")
    assert (ran.code, ran.out.startswith("t  4 rows  5 columns  ")) == (0, True)


def test_a_run_of_a_partition_can_be_run_again(applied):
    for day in ("2026-11-24", "2026-11-25", "2026-11-25"):
        ran = applied.run(*ASK, "--into", "t", "--append", "--partition", f"run_date={day}", "--json")
        assert ran.json["card"]["written_to"]["partition"] == ["run_date", day]
    told = applied.run(*ASK, "--into", "t", "--append", "--partition", "run_date=2026-11-25")
    assert told.out.startswith("t.run_date=2026-11-25  2 rows  5 columns  ")
    assert told.err == "Its card: .featurestore/training_sets/t.run_date=2026-11-25.json\n"
    assert count(applied, "select count(*) from t") == 4
    checked = applied.run("training-set", "--verify", "t.run_date=2026-11-25")
    assert (checked.code, checked.out) == (0, "t.run_date=2026-11-25  2 rows  as its card says\n")


@pytest.mark.parametrize("card", ["t.parquet.json", "t.parquet", "t", ".featurestore/training_sets/t.json"])
def test_verify_says_that_all_is_as_it_was(written, card):
    ran = written.run("training-set", "--verify", card)
    assert (ran.code, ran.out, ran.err) == (
        0,
        f"{card.split('/')[-1].removesuffix('.json')}  2 rows  as its card says\n",
        "",
    )


def test_verify_names_what_differs_one_per_line_and_exits_with_3(written):
    written.sql("update t set amount = null, bought = null")
    ran = written.run("training-set", "--verify", "t")
    assert (ran.code, ran.lines) == (
        3,
        [
            "t  2 rows  not as its card says",
            "  column 'bought': other values; NULLs: expected 0, got 2",
            "  column 'amount': other values; NULLs: expected 1, got 2",
        ],
    )
    assert ran.err == "Error: t is not what its card says\n  -> restore it, or make it again: --replay CARD\n"
    as_json = written.run("training-set", "--verify", "t", "--json")
    assert (as_json.code, as_json.json["equal"]) == (3, False)
    assert [each["column"] for each in as_json.json["differences"]] == ["bought", "amount"]


def test_replay_makes_the_same_again(written):
    ran = written.run("training-set", "--replay", "t.parquet.json")
    assert (ran.code, ran.out, ran.err) == (0, "not written  2 rows  the same as the card's\n", "")
    for place in (("--output", "again.parquet"), ("--into", "again"), ("--into", "t", "--replace")):
        ran = written.run("training-set", "--replay", "t.parquet.json", *place)
        assert (ran.code, ran.out) == (0, f"{place[1]}  2 rows  the same as the card's\n")


def test_replay_takes_the_definitions_of_the_cards_version(written):
    """A ttl so short that nothing would be found: it is of version 2."""
    written.write_manifest(orders({"ttl": "1 minute"}))
    assert written.run("apply", "--allow-breaking", "orders").lines[-1].startswith("Applied version 2")
    assert written.run("training-set", "--replay", "t").out == "not written  2 rows  the same as the card's\n"


def test_replay_says_which_columns_are_others(written):
    written.sql("update orders set amount = 7")
    ran = written.run("training-set", "--replay", "t", "--output", "again.parquet")
    assert (ran.code, ran.lines, ran.err) == (
        3,
        ["again.parquet  2 rows  not the same as the card's", "  column 'amount': other values"],
        f"Error: {NOT_THE_CARDS}\n",
    )
    ran = written.run("training-set", "--replay", "t", "--json")
    assert (ran.code, ran.json["equal"], ran.json["path"]) == (3, False, None)
    assert ran.json["card"]["rows"] == 2


def test_examples_may_be_given_again(written):
    given = ("--spine", "select * from labels where bought")
    ran = written.run("training-set", "--replay", "t", *given)
    assert (ran.code, ran.lines[:2]) == (
        3,
        ["not written  1 row  not the same as the card's", "  rows: expected 2, got 1"],
    )


LEAVE_OUT = "the card says what was asked; leave it out"
BESIDE = "it stands beside the training set, e.g. train.parquet.json"
REFUSED = [
    (("--verify", "t", "--service", "churn"), f"--service has no place beside --verify\n  -> {LEAVE_OUT}"),
    (("--replay", "t", "--as-of", "event"), f"--as-of has no place beside --replay\n  -> {LEAVE_OUT}"),
    (("--verify", "t", "--replay", "t"), "expected --verify alone\n  -> it reads, and writes nothing"),
    (("--verify", "t", "--output", "x.parquet"), "expected --verify alone\n  -> it reads, and writes nothing"),
    (("--verify", "none.json"), f"no card at none.json\n  -> {BESIDE}"),
    (
        ("--verify", "target/manifest.json"),
        (
            "target/manifest.json: this is no card of a training set\n"
            "  -> give the .json that stands beside the training set, e.g. train.parquet.json"
        ),
    ),
    (
        ("--verify", "ftp://x/y.json"),
        "cannot write to ftp://\n  -> give a path, or one of s3://, gs://, az://",
    ),
    (("--into", "t", "--replace", "--append"), "expected either --replace or --append, got both"),
    (("--replace",), "--replace, --append and --partition are about a table\n  -> name it: --into TABLE"),
    (
        ("--into", "t", "--partition", "a=b"),
        (
            "a partition says which rows an append replaces\n"
            '  -> add --append, or mode="append" in Python; a table that is replaced has no partitions to keep'
        ),
    ),
    (
        ("--into", "t", "--append", "--partition", "run_date"),
        "--partition: expected COLUMN=VALUE, got 'run_date'\n  -> e.g. --partition run_date=2026-11-25",
    ),
    (("--output", "s3://bucket.parquet"), "expected s3://BUCKET/NAME, got s3://bucket.parquet\n  -> e.g. s3://models/train.parquet"),
    (
        ("--output", "s3://key:hunter2@bucket/t.parquet"),
        (
            "a s3:// URI is a bucket and a name, nothing else\n"
            "  -> give credentials in the environment, e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), REFUSED, ids=[" ".join(each[0]) for each in REFUSED])
def test_what_cannot_be_meant_is_refused(written, arguments, said):
    assert_refused(written.run("training-set", *arguments), said)


def test_a_card_of_a_newer_format_or_another_project_is_refused(written):
    card = written.folder / "t.parquet.json"
    now = json.loads(card.read_text())
    card.write_text(json.dumps({**now, "format": 2, "written_by": "9.0"}))
    said = "t.parquet.json: a card of format 2, written by featurestore 9.0; this reads up to 1"
    hint = "upgrade to featurestore 9.0 or later"
    assert_refused(written.run("training-set", "--verify", "t.parquet.json"), f"{said}\n  -> {hint}", code=1)
    card.write_text(json.dumps({**now, "project": "bank"}))
    said = "t.parquet.json: the card is of the dbt project 'bank', this is 'shop'"
    hint = "change to that project's folder, or name it: --project-dir"
    assert_refused(written.run("training-set", "--replay", "t.parquet.json"), f"{said}\n  -> {hint}")


def test_a_registry_without_the_cards_version_is_told(written):
    written.run("apply")
    ran = written.run("training-set", "--replay", "t", "--registry", "elsewhere")
    assert_refused(ran, f"no version '1' in the registry {written.folder / 'elsewhere'}\n  -> there are none yet")


def test_a_full_disk_leaves_the_table_and_its_card(written):
    card = (written.folder / ".featurestore" / "training_sets" / "t.json").read_bytes()
    many = "select customer_id, label_at, md5(i::varchar) as x from labels, range(400000) t(i)"
    size = (written.folder / "shop.duckdb").stat().st_size + 1_000_000
    for mode in (("--replace",), ("--append", "--partition", "day=1")):
        arguments = (
            "training-set",
            "--spine",
            many,
            "--service",
            "churn",
            "--into",
            "t" if mode[0] == "--replace" else "p",
            *mode,
        )
        ran = written.run_apart(*arguments, preexec_fn=files_of_at_most(size))
        assert (ran.code, ran.out) == (1, ""), ran.err
        assert "Error: DuckDB refused a statement: " in ran.err
    assert (written.folder / ".featurestore" / "training_sets" / "t.json").read_bytes() == card
    assert written.run("training-set", "--verify", "t").code == 0
    assert count(written, "select count(*) from duckdb_tables() where table_name = 'p'") == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_told(written):
    folder = written.folder / "closed"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    ran = written.run(*ASK, "--output", "closed/t.parquet")
    said = "cannot write closed/t.parquet: Permission denied\n  -> check the folder, its permissions and free space"
    assert_refused(ran, said, code=1)


def test_a_folder_in_the_place_of_the_file_is_told(written):
    (written.folder / "dir.parquet").mkdir()
    ran = written.run(*ASK, "--output", "dir.parquet")
    said = "cannot write dir.parquet: it is a folder\n  -> check the folder, its permissions and free space"
    assert_refused(ran, said, code=1)
