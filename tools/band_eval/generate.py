#!/usr/bin/env python3
"""Sings traditional tunes with numpy, with ground truth beside them: python3 generate.py OUT [--songs N] [--seed S].

A glottal pulse train through formants that move between vowels, with consonants of noise or murmur, scoops, vibrato, pitch
drift, rubato and room noise. Not a person, but honest about where every note and beat is.
"""

import argparse
import json
import pathlib

import numpy as np
import scipy.signal
import soundfile

RATE = 44100
NAMES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
VOWELS = [(730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240)]

# Name: time signature, tonic, mode, pickup in quarters, the tune (pitch/quarters, "-" rests).
TUNES = {
    "ode-to-joy": ([4, 4], 2, "major", 0, "f#4/1 f#4/1 g4/1 a4/1 a4/1 g4/1 f#4/1 e4/1 d4/1 d4/1 e4/1 f#4/1 f#4/1.5 e4/.5 e4/2 f#4/1 f#4/1 g4/1 a4/1 a4/1 g4/1 f#4/1 e4/1 d4/1 d4/1 e4/1 f#4/1 e4/1.5 d4/.5 d4/2"),
    "auld-lang-syne": ([4, 4], 5, "major", 1, "c4/1 f4/1.5 f4/.5 f4/1 a4/1 g4/1.5 f4/.5 g4/1 a4/1 f4/1.5 f4/.5 a4/1 c5/1 d5/3 d5/1 c5/1.5 a4/.5 a4/1 f4/1 g4/1.5 f4/.5 g4/1 a4/1 f4/1.5 d4/.5 d4/1 c4/1 f4/3"),
    "clementine": ([3, 4], 5, "major", 1, "f4/.75 f4/.25 f4/1 c4/1 a4/.75 a4/.25 a4/1 f4/1 f4/.75 a4/.25 c5/1.5 c5/.5 bb4/.75 a4/.25 g4/2 g4/.75 a4/.25 bb4/1 bb4/1 a4/.75 g4/.25 a4/1 f4/1 f4/.75 a4/.25 g4/1.5 c4/.5 e4/.75 g4/.25 f4/2"),
    "silent-night": ([3, 4], 10, "major", 0, "f4/1.5 g4/.5 f4/1 d4/3 f4/1.5 g4/.5 f4/1 d4/3 c5/2 c5/1 a4/3 bb4/2 bb4/1 f4/3 g4/2 g4/1 bb4/1.5 a4/.5 g4/1 f4/1.5 g4/.5 f4/1 d4/3"),
    "scarborough-fair": ([3, 4], 2, "minor", 0, "d4/2 d4/1 a4/2 a4/1 e4/1.5 f4/.5 e4/1 d4/3 -/1 a4/1 c5/1 d5/2 c5/1 a4/1 b4/1 g4/1 a4/5 -/1 d5/2 d5/1 d5/2 c5/1 a4/2 a4/1 g4/1 f4/1 e4/1 c4/4 -/2 d4/2 a4/1 g4/2 f4/1 e4/1 d4/1 c4/1 d4/5"),
    "oh-susanna": ([2, 4], 0, "major", 0.5, "c4/.25 d4/.25 e4/.5 g4/.5 g4/.75 a4/.25 g4/.5 e4/.5 c4/.75 d4/.25 e4/.5 e4/.5 d4/.5 c4/.5 d4/1.5 c4/.25 d4/.25 e4/.5 g4/.5 g4/.75 a4/.25 g4/.5 e4/.5 c4/.75 d4/.25 e4/.5 e4/.5 d4/.5 d4/.5 c4/1.5"),
    "row-your-boat": ([6, 8], 0, "major", 0, "c4/1.5 c4/1.5 c4/1 d4/.5 e4/1.5 e4/1 d4/.5 e4/1 f4/.5 g4/3 c5/.5 c5/.5 c5/.5 g4/.5 g4/.5 g4/.5 e4/.5 e4/.5 e4/.5 c4/.5 c4/.5 c4/.5 g4/1 f4/.5 e4/1 d4/.5 c4/3"),
    "greensleeves": ([6, 8], 9, "minor", 0.5, "a4/.5 c5/1 d5/.5 e5/.75 f5/.25 e5/.5 d5/1 b4/.5 g4/.75 a4/.25 b4/.5 c5/1 a4/.5 a4/.75 g#4/.25 a4/.5 b4/1 g#4/.5 e4/1 a4/.5 c5/1 d5/.5 e5/.75 f5/.25 e5/.5 d5/1 b4/.5 g4/.75 a4/.25 b4/.5 c5/.75 b4/.25 a4/.5 g#4/.75 f#4/.25 g#4/.5 a4/3"),
}


def parse(text):
    notes, now = [], 0.0
    for token in text.split():
        pitch, length = token.split("/")
        if pitch != "-":
            sharp = {"#": 1, "b": -1}.get(pitch[1], 0)
            notes.append((now, float(length), NAMES[pitch[0]] + sharp + 12 * (int(pitch[-1]) + 1)))
        now += float(length)
    return notes, now


def held(times, grid, notes, chance):
    """Times in which an untrained singer holds some of the long notes for as long as they like, or cuts them short."""
    steps = np.diff(times, append=2 * times[-1] - times[-2])
    for onset, length, _ in notes:
        if length >= 1.5 and chance.random() < 0.4:
            steps[(grid >= onset) & (grid < onset + length)] *= chance.choice([0.8, 1.25, 1.5, 1.7])
    return times[0] + np.concatenate([[0], np.cumsum(steps)[:-1]])


def sing(name, out, seed, untrained):
    chance = np.random.default_rng(seed)
    signature, tonic, mode, pickup, text = TUNES[name]
    verse, quarters = parse(text)
    repeats = 2
    # The next verse starts where the first did in its bar.
    bar = signature[0] * 4 / signature[1]
    quarters = np.ceil((quarters - 1e-9) / bar) * bar
    notes = [(onset + verse_no * quarters, length, midi) for verse_no in range(repeats) for onset, length, midi in verse]
    up = int(chance.integers(-9, 4))
    tuning = float(chance.choice([0, 0, 15, -20, 30]))
    slow, fast = {(6, 8): (90, 150), (3, 4): (80, 150), (2, 4): (66, 108), (4, 4): (72, 140)}[tuple(signature)]
    bpm, rubato, lead = chance.uniform(slow, fast), float(chance.choice([0, 0.02, 0.04])), float(chance.choice([0.4, 1.5, 4.0]))
    grid = np.arange(0, repeats * quarters + 4, 0.25)
    sway = rubato * np.sin(2 * np.pi * grid / chance.uniform(9, 17) + chance.uniform(0, 6))
    times = lead + np.concatenate([[0], np.cumsum(60 / bpm * (1 + sway) * 0.25)[:-1]])
    if untrained:
        times = held(times, grid, notes, chance)
    when = lambda quarter: float(np.interp(quarter, grid, times))
    length = int((when(repeats * quarters) + 1) * RATE)
    hz, level, vowel, hiss = np.zeros(length), np.zeros(length), np.zeros((length, 3)), np.zeros(length)
    truth, before = [], None
    for onset, lasts, midi in notes:
        start = when(onset) + chance.normal(0, 0.03 if untrained else 0.012)
        end = max(when(onset + lasts) - chance.choice([0.0, 0.03, 0.08]), start + 0.1)
        target = midi + up + tuning / 100 + chance.normal(0, 0.3 if untrained else 0.12)
        a, b = int(start * RATE), min(int(end * RATE), length)
        now = np.arange(b - a) / RATE
        pitch = np.full(b - a, target)
        scoop = before if before is not None and abs(before - target) < 8 else target - 1
        pitch += (scoop - target) * np.exp(-now / 0.025)
        pitch += np.clip((now - 0.25) / 0.3, 0, 1) * chance.uniform(0.1, 0.5) * np.sin(2 * np.pi * 5.5 * now)
        hz[a:b] = 440 * 2 ** ((pitch - 69) / 12)
        level[a:b] = np.clip(0.25 + now / 0.05, 0, 1) * np.clip((end - start - now) / 0.06, 0, 1)
        vowel[a:b] = VOWELS[chance.integers(len(VOWELS))]
        lead_in = int(0.07 * RATE)
        if chance.random() < 0.5 and a > lead_in:
            hiss[a - lead_in : a] = 0.06
            level[a - lead_in : a] = 0
        truth.append([round(start, 4), round(end, 4), midi + up])
        before = target
    pulses = scipy.signal.sawtooth(2 * np.pi * np.cumsum(hz) / RATE) * (hz > 0)
    sound = np.zeros(length)
    block = RATE // 100
    states = [np.zeros(2) for _ in range(3)]
    for at in range(0, length, block):
        part = pulses[at : at + block] * level[at : at + block]
        middle = vowel[min(at + block // 2, length - 1)]
        for index, formant in enumerate(middle if middle[0] > 0 else VOWELS[0]):
            radius = np.exp(-np.pi * (70 + 30 * index) / RATE)
            poles = [1, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2]
            shaped, states[index] = scipy.signal.lfilter([1 - radius], poles, part, zi=states[index])
            sound[at : at + block] += shaped / (index + 1)
    sound /= np.max(np.abs(sound))
    noise = scipy.signal.lfilter([1, -0.9], [1], chance.normal(size=length))
    sound = 0.5 * sound + noise * hiss * 0.5 + 0.0005 * chance.normal(size=length)
    soundfile.write(out.with_suffix(".wav"), sound.astype(np.float32), RATE, subtype="PCM_16")
    unit = 1.5 if signature == [6, 8] else 1.0
    last = notes[-1][0] + 1e-6
    ticks = lambda first, step: [round(when(q), 4) for q in np.arange(first, last, step)]
    facts = {
        "name": name, "bpm_beat": bpm / unit, "time_signature": signature, "key_tonic_pc": (tonic + up) % 12, "mode": mode,
        "notes": truth, "beats": ticks(pickup % unit, unit), "downbeats": ticks(pickup, bar),
        "f0": {"hop_used_s": 0.01, "hz": [round(float(value), 2) for value in (hz * (level > 0.05))[:: RATE // 100]]},
    }
    out.with_suffix(".json").write_text(json.dumps(facts))


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("out", type=pathlib.Path)
    options.add_argument("--songs", type=int, default=16)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--untrained", action="store_true", help="long notes held or cut, times and pitches less exact")
    chosen = options.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    names = list(TUNES)
    for index in range(chosen.songs):
        name = names[index % len(names)]
        sing(name, chosen.out / f"{name}-{index + 1:02}", chosen.seed * 1000 + index, chosen.untrained)


if __name__ == "__main__":
    main()
