"""Boosted regression trees as arrays, read and evaluated without LightGBM."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from mmbot.forecast.history import Floats

# Bits of LightGBM's `decision_type`: default left, the mask of the missing type, and its NaN.
_DEFAULT_LEFT, _MISSING, _MISSING_NAN = 2, 12, 8


class Trees(msgspec.Struct, frozen=True):
    """A sum of trees with n nodes in total. Both children of a leaf are the leaf itself.

    Attributes:
        roots: The root node of each tree.
        features: The column that each node tests, shape (n,).
        thresholds: A value goes right if it is greater than this, shape (n,).
        missing_right: Whether NaN goes right, shape (n,).
        children: The left and the right child of each node, interleaved; shape (2 n,).
        values: The value of each leaf, shape (n,).
    """

    roots: NDArray[np.intp]
    features: NDArray[np.intp]
    thresholds: Floats
    missing_right: NDArray[np.bool_]
    children: NDArray[np.intp]
    values: Floats

    @classmethod
    def read(cls, model: str) -> Trees:
        """Read a model of numeric features in LightGBM's text format."""
        blocks = model.partition("\nend of trees")[0].split("\nTree=")[1:]
        trees = [_read_tree(block) for block in blocks]
        starts = np.cumsum([0, *(len(tree.values) for tree in trees)])[:-1].astype(np.intp)
        begun = list(zip(trees, starts, strict=True))
        return cls(
            np.concatenate([tree.roots + start for tree, start in begun]),
            np.concatenate([tree.features for tree in trees]),
            np.concatenate([tree.thresholds for tree in trees]),
            np.concatenate([tree.missing_right for tree in trees]),
            np.concatenate([tree.children + start for tree, start in begun]),
            np.concatenate([tree.values for tree in trees]),
        )

    def predict(self, rows: Floats) -> Floats:
        """Return the sum of the trees for each row of features, from (n, features) to (n,)."""
        flat, begins = rows.ravel(), rows.shape[1] * np.arange(len(rows))[:, None]
        before, at = None, np.tile(self.roots, (len(rows), 1))
        while before is None or not np.array_equal(before, at):
            values = flat.take(begins + self.features.take(at))
            right = values > self.thresholds.take(at)
            right |= np.isnan(values) & self.missing_right.take(at)
            before, at = at, self.children.take(2 * at + right)
        total: Floats = self.values.take(at).sum(axis=1)
        return total


def _read_tree(block: str) -> Trees:
    """Read one tree; its nodes are the splits, from the root on, then the leaves."""
    fields = {name: text for name, _, text in (x.partition("=") for x in block.splitlines())}

    def numbers(name: str) -> Floats:
        return np.array(fields.get(name, "").split(), dtype=np.float64)

    thresholds, leaves = numbers("threshold"), numbers("leaf_value")
    splits, ends = len(thresholds), np.zeros(len(leaves))
    decisions = numbers("decision_type").astype(int)
    # At a split that saw no NaN in training, LightGBM takes NaN as 0.
    right = np.where(
        (decisions & _MISSING) == _MISSING_NAN, decisions & _DEFAULT_LEFT == 0, thresholds < 0
    )
    sides = np.stack([numbers("left_child"), numbers("right_child")], axis=1).astype(np.intp)
    # Leaf i is written as ~i.
    sides = np.where(sides < 0, splits + ~sides, sides)
    own = splits + np.arange(len(leaves))
    return Trees(
        np.zeros(1, dtype=np.intp),
        np.concatenate([numbers("split_feature"), ends]).astype(np.intp),
        np.concatenate([thresholds, ends]),
        np.concatenate([right, ends.astype(bool)]),
        np.concatenate([sides, np.stack([own, own], axis=1)]).ravel(),
        np.concatenate([np.zeros(splits), leaves]),
    )
