"""What the features have to be, by cumulative sums over frames: no SQL, and no line of the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

FEATURES = ["rating_count", "rating_mean"]


def read_ratings(path: Path) -> pd.DataFrame:
    """The raw file under the project's names; times naive, UTC."""
    ratings = pd.read_parquet(path, columns=["userId", "movieId", "timestamp", "rating"])
    ratings.columns = ["user_id", "movie_id", "rated_at", "rating"]
    ratings["rated_at"] = pd.to_datetime(ratings["rated_at"], unit="s").astype("datetime64[us]")
    return ratings


def so_far(ratings: pd.DataFrame, key: str) -> pd.DataFrame:
    """Count and mean up to and including each second, one row per key and second, in order of time.

    Ratings are multiples of half a star, so their sums, and with them the means, are exact in any order.
    """
    per_second = ratings.groupby([key, "rated_at"], as_index=False)["rating"].agg(["count", "sum"])
    running = per_second.sort_values([key, "rated_at"]).groupby(key)[["count", "sum"]].cumsum()
    return per_second[[key, "rated_at"]].assign(
        rating_count=running["count"].astype("Int64"), rating_mean=running["sum"] / running["count"]
    )


def just_before(ratings: pd.DataFrame, key: str, *, ttl: pd.Timedelta | None = None) -> pd.DataFrame:
    """Count and mean strictly before each second: the row of the second before, unless it has outlived the ttl."""
    known = so_far(ratings, key)
    seen = known.groupby(key)[["rated_at", *FEATURES]].shift(1)
    if ttl is not None:
        seen = seen.where(seen["rated_at"] >= known["rated_at"] - ttl)
    return known[[key, "rated_at"]].assign(**{name: seen[name] for name in FEATURES})


def newest(ratings: pd.DataFrame, key: str) -> pd.DataFrame:
    """The last row of each key: its time, count and mean over all its ratings."""
    return so_far(ratings, key).groupby(key, as_index=False).last()


def training_frame(ratings: pd.DataFrame, *, movie_ttl: pd.Timedelta) -> pd.DataFrame:
    """The whole training set, one row per rating, by user and movie."""
    users = just_before(ratings, "user_id").rename(columns={name: f"user_ratings__{name}" for name in FEATURES})
    movies = just_before(ratings, "movie_id", ttl=movie_ttl).rename(
        columns={name: f"movie_ratings__{name}" for name in FEATURES}
    )
    examples = ratings.assign(is_liked=ratings["rating"] >= 4).drop(columns="rating")
    joined = examples.merge(users, on=["user_id", "rated_at"], validate="many_to_one").merge(
        movies, on=["movie_id", "rated_at"], validate="many_to_one"
    )
    return joined.sort_values(["user_id", "movie_id"], ignore_index=True)
