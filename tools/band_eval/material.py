"""Songs in notes to learn listening's weights from: lead sheets and ABC tunes, cut and performed with a singer's mistakes.

A song is a dict: `ts` [upper, lower], `key` (pitch class of the tonic), `minor`, `pickup` (quarters before the first downbeat),
`notes` [[onset_quarters, length_quarters, midi]] from 0, or `None` for a key that nobody can be sure of.
"""

import gzip
import json
import random
import re
from fractions import Fraction

import numpy as np

TICKS = 12
SHARPS = "FCGDAEB"
CLASSES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
FIFTHS = {"C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5, "F": -1, "F#": 6, "C#": 7, "Bb": -2, "Eb": -3, "Ab": -4, "Db": -5}
MODES = {"": 0, "maj": 0, "m": -3, "min": -3, "dor": -2, "mix": -1, "phr": -4, "aeo": -3}
MINOR = {"m", "min", "dor", "phr", "aeo"}
# Of a file with more tunes than this, evenly spread ones are taken.
MOST_OF_A_FILE = 60


def lead_sheets(path, chance):
    """Every sheet that the tables were learned from: whole, cut from its start, and cut up to its end."""
    for number, sheet in enumerate(json.load(gzip.open(path))):
        # The sheets that the tables leave out are left out here too: they are what is measured.
        if number % 5 == 4 or not sheet["time_signature"] or sheet["fifths"] is None or len(sheet["bars"]) < 3:
            continue
        upper, lower = sheet["time_signature"]
        if (upper, lower) not in ((4, 4), (2, 2), (3, 4), (2, 4), (6, 8)):
            continue
        bar = upper * 4 / lower
        starts = [one[0] for one in sheet["bars"]]
        # Only the second bar line tells how long the first bar is.
        if any(abs(b - a - bar) > 1e-6 for a, b in zip(starts[1:], starts[2:])):
            continue
        tonic = sheet["fifths"] * 7 % 12
        root, kind = sheet["chords"][-1][1], sheet["chords"][-1][2]
        minor = kind.startswith("minor")
        key = root if root == (tonic + (9 if minor else 0)) % 12 else None
        lines = [line for line in starts if line >= starts[1]]
        for cut in ("whole", "start", "end", "middle"):
            bars = chance.choice([16, 20, 24, 40])
            if cut == "whole":
                notes = sheet["notes"]
            elif cut == "middle":
                # From any note to any other: an excerpt knows nothing of phrases.
                first = chance.randrange(len(sheet["notes"]))
                until = sheet["notes"][first][0] + chance.choice([6, 10, 16]) * bar
                notes = [note for note in sheet["notes"][first:] if note[0] < until]
            elif cut == "end":
                first = max(0, len(lines) - bars)
                notes = [note for note in sheet["notes"] if note[0] >= lines[first] - 1e-6 or first == 0]
            else:
                notes = [note for note in sheet["notes"] if note[0] < starts[1] + bars * bar]
            if len(notes) < 24:
                continue
            begin = notes[0][0]
            line = next((line for line in [starts[1] - bar, *starts[1:]] if line >= begin - 1e-6), begin)
            sure = key is not None and at_home(sheet["chords"], notes[0][0], sum(notes[-1][:2]), root, minor)
            song = {"source": number, "ts": [4, 4] if lower == 2 else [upper, lower], "halves": lower == 2}
            song.update(key=key if sure else None, minor=minor, ends=cut in ("whole", "end"), whole=cut == "whole")
            song["pickup"] = line - begin
            song["notes"] = [[onset - begin, length, midi] for onset, length, midi in notes]
            yield song


def at_home(chords, begin, end, root, minor):
    """Whether the tonic's chord sounds for a fifth of the time at least: a cut may lie where the song has gone to another key."""
    home = whole = 0.0
    for (onset, other, kind, *_), after in zip(chords, [*(chord[0] for chord in chords[1:]), end]):
        length = min(after, end) - max(onset, begin)
        if length > 0:
            whole += length
            home += length * (other == root and kind.startswith("minor") == minor)
    return home >= 0.2 * whole > 0


def tunes(path):
    """The tunes of an ABC file that can be read and whose bars are even."""
    for text in re.split(r"\n(?=X:)", open(path, errors="replace").read()):
        song = tune(text)
        if song:
            yield song


def tune(text):
    head, body, in_body = {}, [], False
    for line in text.splitlines():
        field = re.match(r"^([A-Za-z]):\s*(.*)$", line)
        if field:
            if in_body and field[1] in "KLM":
                return None
            head.setdefault(field[1], field[2].strip())
            in_body |= field[1] == "K"
        elif in_body:
            body.append(line.split("%")[0])
    metre = re.match(r"^(\d+)/(\d+)$", {"C": "4/4", "C|": "2/2"}.get(head.get("M", ""), head.get("M", "")))
    key = re.match(r"^([A-G][#b]?)\s*([A-Za-z]*)", head.get("K", ""))
    if not metre or not key:
        return None
    mode = key[2].lower()[:3]
    mode = "m" if mode.startswith("m") and mode not in MODES else mode
    signature = (int(metre[1]), int(metre[2]))
    if mode not in MODES or key[1] not in FIFTHS or signature not in ((4, 4), (3, 4), (2, 4), (6, 8)):
        return None
    notes, bars = melody(" ".join(body), FIFTHS[key[1]] + MODES[mode], Fraction(head.get("L", "1/8")) * 4)
    bar = Fraction(signature[0] * 4, signature[1])
    if len(notes) < 24 or not bars:
        return None
    late = bars[0] % bar
    if sum((line - late) % bar == 0 for line in bars) < 0.8 * len(bars):
        return None
    begin = notes[0][0]
    tonic = (CLASSES[key[1][0]] + {"#": 1, "b": -1}.get(key[1][1:], 0)) % 12
    third = lambda semitones: sum(length for _, length, midi in notes if (midi - tonic) % 12 == semitones)
    return {
        "ts": list(signature), "halves": False, "key": tonic, "ends": True,
        # Collections that write no modes write the tonic alone.
        "minor": mode in MINOR or (mode == "" and third(3) > third(4)), "pickup": float((late - begin) % bar),
        "notes": [[float(onset - begin), float(length), midi] for onset, length, midi in notes],
    }  # fmt: skip


def melody(text, fifths, unit):
    """Notes and bar lines of an ABC body, in quarters; repeats are not played twice."""
    sharp = {(SHARPS if fifths > 0 else SHARPS[::-1])[at]: 1 if fifths > 0 else -1 for at in range(min(abs(fifths), 7))}
    text = re.sub(r'\{[^}]*\}|"[^"]*"|![^!]*!', "", text)
    tokens = re.findall(r"\(\d(?::\d*)*|[|:\]\[]+\d?|[_^=]*[A-Ga-gzx][,']*\d*/*\d*|[<>]+|-", text)
    now, notes, bars, altered, left, factor, dotted, tied = Fraction(0), [], set(), {}, 0, Fraction(1), None, False
    for token in tokens:
        if token[0] == "(":
            left = int(token[1])
            factor = {2: Fraction(3, 2), 3: Fraction(2, 3), 4: Fraction(3, 4)}.get(left, Fraction(2, max(left, 1)))
        elif token[0] in "|:][":
            if "|" in token:
                bars.add(now)
                altered = {}
        elif token[0] in "<>":
            short = Fraction(1, 2 ** len(token))
            dotted = (2 - short, short) if token[0] == ">" else (short, 2 - short)
        elif token == "-":
            tied = True
        else:
            sign, name, octave, times, slashes, parts = re.match(r"([_^=]*)([A-Ga-gzx])([,']*)(\d*)(/*)(\d*)", token).groups()
            length = unit * int(times or 1)
            if slashes:
                length /= int(parts) if parts else 2 ** len(slashes)
            if left:
                length, left = length * factor, left - 1
            if dotted and notes:
                now += notes[-1][1] * (dotted[0] - 1)
                notes[-1][1] *= dotted[0]
                length *= dotted[1]
            dotted = None
            if name in "zx":
                now, tied = now + length, False
                continue
            if sign:
                altered[name + octave] = sign.count("^") - sign.count("_")
            step = altered.get(name + octave, sharp.get(name.upper(), 0))
            midi = 60 + CLASSES[name.upper()] + step + 12 * (name.islower() + octave.count("'") - octave.count(","))
            if tied and notes and notes[-1][2] == midi and sum(notes[-1][:2]) == now:
                notes[-1][1] += length
            else:
                notes.append([now, length, midi])
            tied, now = False, now + length
    return notes, sorted(line for line in bars if line > 0)


def often_missed(length_s, repeated):
    """How often a note that long is not heard: counted on sung songs, short notes much oftener than long ones."""
    if repeated:
        return 0.3 if length_s < 0.2 else 0.12 if length_s < 0.3 else 0.04
    return 0.85 if length_s < 0.12 else 0.46 if length_s < 0.2 else 0.25 if length_s < 0.3 else 0.03


def perform(song, chance):
    """The song as a singer might sing it and a listener hear it: tempo drifts, long notes are held, notes are early, missed, split, misread.

    Returns a dict to ask `listen_trials` about, with the truth: `beat_s`, `ticks` (from a downbeat; `None` for what is no note).
    """
    written = song["notes"]
    lengths = sorted(note[1] for note in written)
    middle, spread, fastest = {(6, 8): (100, 0.4, 200), (3, 4): (100, 0.4, 190), (2, 4): (84, 0.4, 150), (4, 4): (92, 0.45, 180)}[tuple(song["ts"])]
    if song["halves"]:
        middle, spread, fastest = 140, 0.3, 200
    # People sing some songs slowly, but neither their short notes faster nor their usual ones slower than words can be sung.
    bpm = min(max(middle * 2 ** chance.gauss(0, spread), 45, 60 * lengths[len(lengths) // 2] / 1.4), fastest, 60 * lengths[len(lengths) // 20] / 0.13)
    rubato, drift = chance.choice([0, 0.01, 0.02, 0.03, 0.05]), chance.choice([0, 0, 0.06, -0.06])
    end = max(onset + length for onset, length, _ in written)
    grid = np.arange(0, end + 8, 0.25)
    noise = np.random.RandomState(chance.randint(0, 1 << 30))
    sway = np.convolve(np.cumsum(noise.randn(len(grid)) * rubato * 0.25), np.ones(8) / 8)[: len(grid)]
    pace = 1 + np.clip(sway, -3 * rubato, 3 * rubato) + drift * grid / end
    steps = 60 / bpm * pace * 0.25
    beat_s = float(np.median(steps[grid <= end])) * 4
    holds = chance.choice([0, 0, 0.2, 0.4])
    for onset, length, _ in written:
        if length >= 1.5 and chance.random() < holds:
            steps[(grid >= onset) & (grid < onset + length)] *= chance.choice([0.7, 0.8, 1.25, 1.5, 1.7])
    times = np.concatenate([[0], np.cumsum(steps)[:-1]]) + chance.choice([0.35, 0.8, 2.3])
    at = lambda quarters: float(np.interp(quarters, grid, times))
    jitter = chance.choice([0.015, 0.02, 0.03])
    split = chance.choice([0.02, 0.06, 0.12])
    # In semitones: how exact the singer's pitches are, how far they end from where they began, and what the tuning found is off.
    exact, sinking, tuning = chance.choice([0.1, 0.2, 0.3, 0.35]), chance.choice([0, 0, 0, chance.uniform(-0.6, 0.6)]), chance.uniform(-0.2, 0.2)
    missed = chance.choice([0.5, 1, 1.5])
    notes, ticks = [], []
    for index, (onset, length, midi) in enumerate(written):
        repeated = index > 0 and written[index - 1][2] == midi
        if notes and chance.random() < missed * often_missed(at(onset + length) - at(onset), repeated):
            notes[-1][1] = max(notes[-1][1], at(onset + length))
            continue
        start = at(onset) + noise.randn() * jitter
        stop = at(onset + length) - (0.06 if chance.random() < 0.5 else 0)
        midi = round(midi + noise.randn() * exact + tuning + sinking * onset / end, 3)
        if notes:
            notes[-1][1] = min(notes[-1][1], start)
            if start - notes[-1][0] < 0.05:
                continue
        notes.append([start, max(stop, start + 0.08), midi])
        ticks.append(round((onset - song["pickup"]) * TICKS))
        if chance.random() < split:
            cut = start + chance.uniform(0.08, max(0.1, (stop - start) * 0.9))
            if cut < stop - 0.06:
                notes[-1][1] = cut
                notes.append([cut, stop, midi + chance.choice([0, 0, 1, -1])])
                ticks.append(None)
    beat = 1.5 if song["ts"] == [6, 8] else 1.0
    return {
        **{name: song[name] for name in ("ts", "key", "minor", "ends")}, "source": song["source"],
        "beat_s": beat_s * beat, "notes": notes, "ticks": ticks,
    }  # fmt: skip


def performances(sheets, abc_files, seed):
    """All of it, the rare metres and modes oftener: a list of performances, each with the weight that it should have."""
    chance = random.Random(seed)
    found = []
    for song in lead_sheets(sheets, chance):
        for _ in range((3 if song["ts"] in ([2, 4], [6, 8]) else 1) * (3 if song["whole"] else 1)):
            found.append({**perform(song, chance), "from": "sheet"})
    for path in abc_files:
        every = list(tunes(path))
        for number, song in enumerate(every[:: -(-len(every) // MOST_OF_A_FILE)] if every else []):
            song["source"] = f"{path.stem} {number}"
            found.append({**perform(song, chance), "from": "tune"})
    return found
