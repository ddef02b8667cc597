#!/usr/bin/env python3
"""Learns `listen/metre.bin` and `listen/key.bin`.

python3 weights.py LEADSHEETS.json.gz [TUNES.abc …] [--write]: sings the songs in notes with mistakes (`material.py`), asks the
example `listen_trials` for every hypothesis, and climbs to the weights under which the chosen ones are best. Songs are split in
two halves by their source; each half is measured under the weights of the other, which is the figure to believe. See README.md.
"""

import argparse
import json
import pathlib
import struct
import subprocess
import zlib

import numpy as np
import scipy.optimize

import band_eval
import material

METRES = [[2, 4], [3, 4], [4, 4], [6, 8]]
# What each metre counts in all, what tempo, beats, downbeats and metre count, and what a performance of a sheet and a tune does.
SHARES = {(2, 4): 0.08, (3, 4): 0.20, (4, 4): 0.58, (6, 8): 0.14}
WORTH = np.array([0.8, 1.0, 1.2, 1.0]) / 4
SOURCES = {"sheet": 1.0, "tune": 0.6}
# The classifier of metre: its units, the furthest that a trait counts in standard deviations, and how it is taught.
HIDDEN, FURTHEST = 16, 4.0
EPOCHS, BATCH, RATE, DECAY, DROPPED = 60, 128, 4e-3, 3e-3, 0.25
# A little of the likelihood of the best hypotheses beside the mean worth: the worth alone is flat where all is wrong.
LIKELIHOOD, SHARP = 0.05, 12.0
# What songs in minor count in all: more finds more of them, and hears more songs in major as their relative minor.
MINOR_SHARE = 0.15
# What stretches within a song count in all: they have neither a first nor a last note, and no chords.
STRETCH_SHARE = 0.5
# The roles of the first and the last note among the features of a key.
ENDS = slice(60, 96)
# How much a weight of the key is drawn to nothing.
PULL = 1e-4


def trials(program, songs):
    lines = "".join(json.dumps({"notes": song["notes"]}) + "\n" for song in songs)
    run = subprocess.run([str(program)], input=lines, capture_output=True, text=True, check=True)
    return list(map(compact, run.stdout.splitlines()))


def compact(line):
    """A line of trials, its numbers as arrays: as lists those of thousands of songs would fill the memory."""
    answer = json.loads(line)
    for one in answer["hypotheses"]:
        one.update({name: np.array(one[name], np.float32) for name in ("costs", "features")}, ticks=np.array(one["ticks"], np.int32))
    return answer


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
    """Hypotheses one after the other: costs, features and worth, and where each song's begin."""

    def __init__(self, songs, answers):
        every = [(song, one) for song, answer in zip(songs, answers) for one in answer["hypotheses"]]
        self.costs = np.array([one["costs"] for _, one in every], np.float32)
        self.features = np.array([one["features"] for _, one in every], np.float32)
        self.cost = np.array([one["cost"] for _, one in every])
        self.worth = np.array([worth(song, one) for song, one in every])
        self.size = np.array([len(answer["hypotheses"]) for answer in answers])
        self.begin = np.concatenate([[0], np.cumsum(self.size)])
        self.metre = np.array([METRES.index(song["ts"]) for song in songs])
        self.source = np.array([song["from"] for song in songs])
        self.half = np.array([hash_half(song) for song in songs])

    def weight(self, which):
        """How often each song is to be shown."""
        weight = np.zeros(len(which))
        for source, share in SOURCES.items():
            for metre, signature in enumerate(METRES):
                rows = (self.source[which] == source) & (self.metre[which] == metre)
                weight[rows] = share * SHARES[tuple(signature)] / max(1, rows.sum())
        return weight / weight.sum()

    def rows(self, which):
        return np.concatenate([np.arange(self.begin[song], self.begin[song + 1]) for song in which])

    def search(self, which):
        """Climbs the mean worth of what is chosen (Adam, with inputs dropped at random)."""
        chance = np.random.default_rng(1)
        rows = self.rows(which)
        means = self.features[rows].mean(0)
        scales = 1 / (self.features[rows].std(0) + 1e-4)
        spread = self.costs[rows].std(0) + 1e-4
        features, costs = seen(self.features[rows], means, scales), self.costs[rows] / spread
        value = self.worth[rows] @ WORTH
        size, count = self.size[which], features.shape[1]
        begin = np.concatenate([[0], np.cumsum(size)])
        weights = {
            "hidden": chance.normal(0, count**-0.5, (count, HIDDEN)),
            "biases": np.zeros(HIDDEN),
            "units": chance.normal(0, 0.3, HIDDEN),
            "features": np.zeros(count),
            "costs": np.zeros(costs.shape[1]),
        }
        first, second = ({name: 0 * weight for name, weight in weights.items()} for _ in range(2))
        often = self.weight(which)
        steps = EPOCHS * (len(which) // BATCH)
        for step in range(1, steps + 1):
            drawn = chance.choice(len(which), BATCH, p=often)
            at = np.concatenate([np.arange(begin[song], begin[song + 1]) for song in drawn])
            starts = np.concatenate([[0], np.cumsum(size[drawn])[:-1]])
            song = np.repeat(np.arange(BATCH), size[drawn])
            x = features[at] * (chance.random((len(at), count)) > DROPPED) / (1 - DROPPED)
            k = costs[at]
            units = np.tanh(x @ weights["hidden"] + weights["biases"])
            score = units @ weights["units"] + x @ weights["features"] + k @ weights["costs"]
            softmax = lambda score: shares(np.exp(score - np.maximum.reduceat(score, starts)[song]), starts, song)
            likely, wanted = softmax(score), softmax(SHARP * value[at])
            mean = np.add.reduceat(likely * value[at], starts)[song]
            slope = (LIKELIHOOD * (likely - wanted) - likely * (value[at] - mean)) / BATCH
            inner = slope[:, None] * weights["units"] * (1 - units**2)
            slopes = {
                "hidden": x.T @ inner, "biases": inner.sum(0), "units": units.T @ slope, "features": x.T @ slope, "costs": k.T @ slope,
            }  # fmt: skip
            rate = RATE * (0.5 + 0.5 * np.cos(np.pi * step / steps) + 0.02)
            for name, slope in slopes.items():
                slope = slope + (DECAY * weights[name] if name != "costs" else 0)
                first[name] = 0.9 * first[name] + 0.1 * slope
                second[name] = 0.999 * second[name] + 0.001 * slope**2
                weights[name] -= rate * first[name] / (1 - 0.9**step) / (np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8)
        return {**weights, "costs": weights["costs"] / spread, "means": means, "scales": scales}

    def chosen(self, weights, which):
        """The worth of what is chosen: under the weights, or under those in force."""
        rows = self.rows(which)
        cost = self.cost[rows]
        if weights is not None:
            x = seen(self.features[rows], weights["means"], weights["scales"])
            units = np.tanh(x @ weights["hidden"] + weights["biases"])
            cost = -(units @ weights["units"] + x @ weights["features"] + self.costs[rows] @ weights["costs"])
        begin = np.concatenate([[0], np.cumsum(self.size[which])])
        best = [start + cost[start:end].argmin() for start, end in zip(begin, begin[1:])]
        return self.worth[rows][best]

    def file_of(self, weights):
        return metre_file(weights)

    def report(self, title, weights, which):
        value = self.chosen(weights, which)
        cells = [f"{title:34} tempo, beats, downbeats, metre", "  all " + show(self.weight(which) @ value)]
        for source in SOURCES:
            for metre, name in enumerate(METRES):
                rows = (self.metre[which] == metre) & (self.source[which] == source)
                if rows.any():
                    cells.append(f"{source}s in {name[0]}/{name[1]} ({rows.sum()}) " + show(value[rows].mean(0)))
        print("\n    ".join(cells))


def seen(features, means, scales):
    return np.clip((features - means) * scales, -FURTHEST, FURTHEST)


def shares(parts, starts, song):
    return parts / np.add.reduceat(parts, starts)[song]


def metre_file(weights):
    """`metre.bin`, as `listen/classifier.rs` reads it: floats, and the hidden layer with one signed byte a weight."""
    floats = lambda values: struct.pack(f"<{len(values)}f", *values)
    file = b"".join(floats(weights[name]) for name in ("costs", "means", "scales", "features"))
    for unit in weights["hidden"].T:
        scale = np.abs(unit).max() / 127
        file += floats([scale]) + np.round(unit / scale).astype(np.int8).tobytes()
    return file + floats(weights["biases"]) + floats(weights["units"])


def hash_half(song):
    """Which half a song belongs to: all its performances to the same one."""
    return zlib.crc32(str(song["source"]).encode()) % 2


def show(values):
    return " ".join(f"{value:.3f}" for value in values)


class Keys:
    """The evidence of each melody, turned so that each of the twelve tonics comes first, for songs whose key is sure."""

    def __init__(self, songs, answers):
        sure = [at for at, song in enumerate(songs) if song["key"] is not None and answers[at]["chords"]]
        roles, steps, chords = (np.array([answers[at][name] for at in sure], np.float32) for name in ("roles", "steps", "chords"))
        turn = (np.arange(12)[:, None] + np.arange(12)) % 12
        flat = lambda values: values.reshape(len(sure), -1)
        self.features = np.stack(
            [np.concatenate([flat(roles[:, :, up]), flat(steps[:, up][:, :, up])], axis=1) for up in turn], axis=1
        )
        self.chords = np.concatenate([chords, np.roll(chords, -3, axis=1)], axis=1)
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
        self.count = self.features.shape[2]

    def evidence(self, which, within=False):
        """Features and chords; of a stretch within a song, nothing of the ends and no chords."""
        x, chords = self.features[which], self.chords[which]
        if within:
            x = x.copy()
            x[:, :, ENDS] = 0
            chords = np.zeros_like(chords)
        return x, chords

    def scores(self, weights, evidence):
        major, minor, (chords, mode) = weights[: self.count], weights[self.count : -2], weights[-2:]
        x, fits = evidence
        return np.concatenate([x @ major, x @ minor + mode], axis=1) + chords * fits

    def chances(self, weights, evidence):
        score = self.scores(weights, evidence)
        chance = np.exp(score - score.max(1, keepdims=True))
        return chance / chance.sum(1, keepdims=True)

    def loss(self, weights, which, evidence):
        chance, rows = self.chances(weights, evidence), np.arange(len(which))
        share = self.weight[which] / self.weight[which].sum()
        right = chance[rows, self.truth[which]]
        slope = chance.copy()
        slope[rows, self.truth[which]] -= 1
        slope *= share[:, None]
        x, chords = evidence[0].reshape(-1, self.count), evidence[1]
        down = np.concatenate(
            [slope[:, :12].reshape(-1) @ x, slope[:, 12:].reshape(-1) @ x, [(slope * chords).sum(), slope[:, 12:].sum()]]
        )
        return -(share * np.log(right + 1e-12)).sum() + 0.5 * PULL * weights @ weights, down + PULL * weights

    def search(self, which):
        """The weights under which the true keys are most likely, of songs and of stretches within them."""
        parts = [(1 - STRETCH_SHARE, self.evidence(which)), (STRETCH_SHARE, self.evidence(which, within=True))]

        def loss(weights):
            losses = [(share, self.loss(weights, which, evidence)) for share, evidence in parts]
            return sum(share * one[0] for share, one in losses), sum(share * one[1] for share, one in losses)

        return scipy.optimize.minimize(loss, np.zeros(2 * self.count + 2), jac=True, method="L-BFGS-B").x

    def honest_size(self, weights, which):
        """By how much to multiply the weights so that the chances are honest for excerpts that they were not learned from."""
        which = which[~self.tune[which] & ~self.ends[which]]
        rows, evidence = np.arange(len(which)), self.evidence(which)

        def surprise(size):
            return -np.log(self.chances(weights * size, evidence)[rows, self.truth[which]] + 1e-12).mean()

        return scipy.optimize.minimize_scalar(surprise, bounds=(0.1, 2), method="bounded").x

    def file_of(self, weights):
        """`key.bin`, as `listen/key.rs` reads it: roles of both modes, steps of both, the chords' weight and minor's."""
        modes = [weights[: self.count], weights[self.count : -2]]
        steps = self.count - 144
        parts = [mode[:steps] for mode in modes] + [mode[steps:] for mode in modes] + [weights[-2:]]
        return np.concatenate(parts).astype("<f4").tobytes()

    def report(self, title, weights, which):
        chance = self.chances(weights, self.evidence(which))
        found = chance.argmax(1)
        truth, tune, ends = self.truth[which], self.tune[which], self.ends[which]
        signature = lambda key: np.where(key >= 12, (key + 3) % 12, key)
        print(f"{title:34} exact, signature, mean chance of what was found")
        groups = {
            "sheets to their end": ~tune & ends,
            "sheets cut short": ~tune & ~ends,
            "tunes, major": tune & (truth < 12),
            "tunes, minor": tune & (truth >= 12),
        }
        for name, rows in groups.items():
            if rows.any():
                right = [(found == truth)[rows].mean(), (signature(found) == signature(truth))[rows].mean(), chance.max(1)[rows].mean()]
                print(f"    {name} ({rows.sum()}) {show(right)}")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("sheets", type=pathlib.Path)
    options.add_argument("tunes", nargs="*", type=pathlib.Path)
    options.add_argument("--program", help="the built listen_trials; built when not given")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--write", action="store_true", help="writes both files; without it, everything is only measured")
    chosen = options.parse_args()
    songs = material.performances(chosen.sheets, chosen.tunes, chosen.seed)
    answers = trials(chosen.program or band_eval.build("listen_trials"), songs)
    kept = [at for at, answer in enumerate(answers) if answer["hypotheses"]]
    songs, answers = [songs[at] for at in kept], [answers[at] for at in kept]
    print(f"{len(songs)} performances")
    for name, kind in (("metre", Metres(songs, answers)), ("key", Keys(songs, answers))):
        print(f"\n== {name}")
        every = np.arange(len(kind.half))
        sizes = []
        for half in (0, 1):
            weights = kind.search(every[kind.half != half])
            if name == "metre":
                kind.report(f"half {half}, weights in force", None, every[kind.half == half])
            else:
                sizes.append(kind.honest_size(weights, every[kind.half == half]))
            kind.report(f"half {half}, weights of the other", weights, every[kind.half == half])
        weights = kind.search(every)
        if name == "key":
            weights *= np.mean(sizes)
        kind.report("weights of all", weights, every)
        if chosen.write:
            path = band_eval.ROOT / f"crates/band/src/listen/{name}.bin"
            path.write_bytes(kind.file_of(weights))
            print(f"written: {path}")


if __name__ == "__main__":
    main()
