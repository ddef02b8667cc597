#!/usr/bin/env python3
"""Finds the weights of `listen/metre.rs` and `listen/key.rs`, and prints them as Rust.

python3 weights.py LEADSHEETS.json.gz [TUNES.abc …]: sings the songs in notes with mistakes (`material.py`), asks the example
`listen_trials` for every hypothesis, and searches the weights under which the believed ones are best. Songs are split in two
halves by their source; each half is measured under the weights of the other, which is the figure to believe. See README.md.
"""

import argparse
import json
import pathlib
import subprocess

import numpy as np
import scipy.optimize

import band_eval
import material

METRES = [[2, 4], [3, 4], [4, 4], [6, 8]]
# What each metre counts in all, and what tempo, beats, downbeats and metre count.
SHARES = {(2, 4): 0.06, (3, 4): 0.18, (4, 4): 0.68, (6, 8): 0.08}
WORTH = np.array([0.8, 1.0, 1.2, 1.0])
# A softer choice than the least cost has a slope to climb: nats that make a hypothesis e times less likely.
SOFT = 0.35
# What songs in minor count in all: more finds more of them, and hears more songs in major as their relative minor.
MINOR_SHARE = 0.1
# How much a weight is drawn to nothing, in units of what it was.
PULL = 2e-3


def trials(program, songs):
    lines = "".join(json.dumps({"notes": song["notes"]}) + "\n" for song in songs)
    run = subprocess.run([str(program)], input=lines, capture_output=True, text=True, check=True)
    return list(map(json.loads, run.stdout.splitlines()))


def worth(song, heard):
    """Tempo, beats, downbeats and metre of a hypothesis, each 0..1, judged at the notes."""
    metre = METRES.index(song["ts"])
    beat, bar = [12, 12, 12, 18][metre], [24, 36, 48, 36][metre]
    both = [(tick, truth) for tick, truth in zip(heard["ticks"], song["ticks"]) if truth is not None]
    ticks, truth = np.array([tick for tick, _ in both]), np.array([true for _, true in both])

    def agreement(heard_every, true_every):
        found = (ticks >= 0) & (ticks % heard_every == 0)
        wanted = truth % true_every == 0
        return 2 * np.sum(found & wanted) / max(1, np.sum(found) + np.sum(wanted))

    return [
        float(abs(heard["beat_s"] / song["beat_s"] - 1) < 0.04),
        agreement(heard["beat"], beat),
        agreement(heard["bar"], bar),
        float(heard["metre"] == metre),
    ]


class Metres:
    """Hypotheses as arrays: features (songs × hypotheses × features), worth, and a mask of what is none."""

    def __init__(self, songs, answers):
        most = max(len(answer["hypotheses"]) for answer in answers)
        self.features = np.zeros((len(songs), most, len(answers[0]["weights"])))
        self.worth = np.zeros((len(songs), most, 4))
        self.absent = np.ones((len(songs), most), bool)
        for at, (song, answer) in enumerate(zip(songs, answers)):
            for which, one in enumerate(answer["hypotheses"]):
                self.features[at, which] = one["features"]
                self.worth[at, which] = worth(song, one)
                self.absent[at, which] = False
        self.metre = np.array([METRES.index(song["ts"]) for song in songs])
        self.half = np.array([hash_half(song) for song in songs])
        share = np.array([SHARES[tuple(song["ts"])] for song in songs])
        self.weight = share / np.array([np.sum(self.metre == metre) for metre in self.metre])
        self.start = np.array(answers[0]["weights"])
        self.size = np.abs(self.start) + 0.2

    def chosen(self, weights, which):
        cost = np.where(self.absent[which], np.inf, self.features[which] @ weights)
        return self.worth[which, cost.argmin(1)]

    def loss(self, weights, which):
        cost = np.where(self.absent[which], np.inf, self.features[which] @ weights) / SOFT
        chance = np.exp(-(cost - cost.min(1, keepdims=True)))
        chance /= chance.sum(1, keepdims=True)
        value = self.worth[which] @ WORTH
        mean = (chance * value).sum(1, keepdims=True)
        weight = self.weight[which] / self.weight[which].sum()
        slope = -(chance * (value - mean))[..., None] * self.features[which] / SOFT
        # The choice depends on the weights' directions alone; this keeps their size.
        off = PULL * weights / self.size**2
        return -(weight * mean[:, 0]).sum() + 0.5 * off @ weights, -(weight[:, None] * slope.sum(1)).sum(0) + off

    def search(self, which):
        best = None
        chance = np.random.default_rng(1)
        for attempt in range(8):
            start = self.start * np.exp(chance.normal(0, 0.3 if attempt else 0, len(self.start)))
            found = scipy.optimize.minimize(self.loss, start, args=(which,), jac=True, method="L-BFGS-B", options={"maxiter": 400})
            if best is None or found.fun < best.fun:
                best = found
        return best.x

    def report(self, title, weights, which):
        value = self.chosen(weights, which)
        weight = self.weight[which] / self.weight[which].sum()
        cells = [f"{title:34} tempo, beats, downbeats, metre", "  all " + show(weight @ value)]
        for metre, name in enumerate(METRES):
            rows = self.metre[which] == metre
            if rows.any():
                cells.append(f"{name[0]}/{name[1]} ({rows.sum()}) " + show(value[rows].mean(0)))
        print("\n    ".join(cells))


def hash_half(song):
    """Which half a song belongs to: all its performances to the same one."""
    return (song["source"] if isinstance(song["source"], int) else len(song["notes"]) + song["notes"][0][2]) % 2


def show(values):
    return " ".join(f"{value:.3f}" for value in values)


class Keys:
    """The 24 keys' features, for songs whose key is sure."""

    def __init__(self, songs, answers):
        sure = [at for at, song in enumerate(songs) if song["key"] is not None]
        self.features = np.array([answers[at]["keys"] for at in sure])
        self.truth = np.array([songs[at]["key"] + 12 * songs[at]["minor"] for at in sure])
        self.half = np.array([hash_half(songs[at]) for at in sure])
        self.tune = np.array([songs[at]["from"] == "tune" for at in sure])
        self.ends = np.array([songs[at]["ends"] for at in sure])
        # Sheets and tunes count the same, whatever their number.
        self.weight = np.ones(len(sure))
        for group in (self.tune, ~self.tune):
            self.weight[group] /= max(1, group.sum())
        minor = self.truth >= 12
        self.weight[minor] *= MINOR_SHARE / max(1e-9, self.weight[minor].sum())
        self.weight[~minor] *= (1 - MINOR_SHARE) / self.weight[~minor].sum()
        self.start = np.array(answers[0]["key_weights"])
        self.size = np.abs(self.start)

    def chances(self, weights, which):
        score = self.features[which] @ weights
        chance = np.exp(score - score.max(1, keepdims=True))
        rows = np.arange(len(which))
        return chance / chance.sum(1, keepdims=True), rows, self.truth[which], self.weight[which] / self.weight[which].sum()

    def loss(self, weights, which):
        chance, rows, truth, weight = self.chances(weights, which)
        right = chance[rows, truth]
        slope = (self.features[which][rows, truth] - (chance[..., None] * self.features[which]).sum(1)) * right[:, None]
        off = PULL * weights / self.size**2
        return -(weight * right).sum() + 0.5 * off @ weights, -weight @ slope + off

    def search(self, which):
        """The weights that give the true key the greatest chance on average, at the size at which the chances are honest."""
        best = None
        chance = np.random.default_rng(1)
        for attempt in range(6):
            start = self.start * np.exp(chance.normal(0, 0.3 if attempt else 0, len(self.start)))
            found = scipy.optimize.minimize(self.loss, start, args=(which,), jac=True, method="L-BFGS-B")
            if best is None or found.fun < best.fun:
                best = found

        def surprise(size):
            chance, rows, truth, weight = self.chances(best.x * size, which)
            return -(weight * np.log(chance[rows, truth] + 1e-12)).sum()

        return best.x * scipy.optimize.minimize_scalar(surprise, bounds=(0.1, 3), method="bounded").x

    def report(self, title, weights, which):
        found = (self.features[which] @ weights).argmax(1)
        truth, tune, ends = self.truth[which], self.tune[which], self.ends[which]
        signature = lambda key: np.where(key >= 12, (key + 3) % 12, key)
        print(f"{title:34} exact, signature")
        groups = {
            "sheets to their end": ~tune & ends,
            "sheets cut short": ~tune & ~ends,
            "tunes, major": tune & (truth < 12),
            "tunes, minor": tune & (truth >= 12),
        }
        for name, rows in groups.items():
            if rows.any():
                right = [(found == truth)[rows].mean(), (signature(found) == signature(truth))[rows].mean()]
                print(f"    {name} ({rows.sum()}) {show(right)}")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("sheets", type=pathlib.Path)
    options.add_argument("tunes", nargs="*", type=pathlib.Path)
    options.add_argument("--program", help="the built listen_trials; built when not given")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    songs = material.performances(chosen.sheets, chosen.tunes, chosen.seed)
    answers = trials(chosen.program or band_eval.build("listen_trials"), songs)
    kept = [at for at, answer in enumerate(answers) if answer["hypotheses"]]
    songs, answers = [songs[at] for at in kept], [answers[at] for at in kept]
    print(f"{len(songs)} performances")
    for name, kind in (("metre", Metres(songs, answers)), ("key", Keys(songs, answers))):
        print(f"\n== {name}")
        every = np.arange(len(kind.half))
        kind.report("weights in force", kind.start, every)
        for half in (0, 1):
            weights = kind.search(every[kind.half != half])
            kind.report(f"half {half}, weights in force", kind.start, every[kind.half == half])
            kind.report(f"half {half}, weights of the other", weights, every[kind.half == half])
        weights = kind.search(every)
        kind.report("weights of all", weights, every)
        print(f"{name}.rs: [{', '.join(f'{weight:.3g}' for weight in weights)}]")


if __name__ == "__main__":
    main()
