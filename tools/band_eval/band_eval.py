#!/usr/bin/env python3
"""Measures what the band hears, a row a stage, beside the bars and (on request) peers. See README.md."""

import argparse
import json
import pathlib
import subprocess
import sys
import warnings

import mir_eval
import numpy as np

import peers as peer_tools

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOUNDS = {".wav", ".flac", ".mp3", ".ogg", ".m4a", ".aiff"}
METRES = {"TwoFour": [2, 4], "ThreeFour": [3, 4], "FourFour": [4, 4], "SixEight": [6, 8]}

# Row: title, bar that must be reached, aim, whether less is better.
ROWS = {
    "rpa": ("f0 raw pitch accuracy", 0.93, 0.955, False),
    "gap": ("f0 octave gap", 0.02, 0.005, True),
    "onset": ("onset F1, 100 ms", 0.82, 0.88, False),
    "note": ("note F1, 100 ms", 0.82, 0.88, False),
    "nearest": ("note F1, nearest semitone", 0.77, 0.82, False),
    "ratio": ("notes found, per true note", 1.1, 1.0, True),
    "tempo": ("tempo within 4 %", 0.75, 0.85, False),
    "octave": ("tempo with octaves", 0.92, 1.0, False),
    "beat": ("beat F", 0.80, 0.88, False),
    "cmlt": ("beat CMLt", 0.54, 0.70, False),
    "amlt": ("beat AMLt", 0.78, 0.85, False),
    "down": ("downbeat F", 0.55, 0.70, False),
    "phase": ("bar phase wrong", 0.10, 0.05, True),
    "metre": ("metre", 0.85, 0.95, False),
    "bars": ("metre, 2/4 as 4/4", 0.85, 0.95, False),
    "key": ("key exact", 0.85, 0.93, False),
    "signature": ("key signature", 0.93, 0.97, False),
    "chord": ("chords, major or minor", 0.42, 0.46, False),
    "speech": ("remark: speech", 0.02, 0.0, True),
    "remarks": ("remarks, per song", 2.0, 0.5, True),
    "chromatic": ("chromatic chords, by time", 0.10, 0.05, True),
    "seconds": ("seconds for 3 minutes", 0.5, 0.3, True),
}


# What a listener hears of a style. Row: title, least and most.
MUSIC = {
    "plr_lu": ("peak to loudness, LU", 9, 14),
    "lra_lu": ("loudness range, LU", 3, 8),
    "low_correlation": ("left and right below 120 Hz", 0.95, 1),
    "unmasked": ("voice clear at 1-4 kHz", 0.85, 1),
    "spectrum_off_db": ("octaves off -5 dB each, RMS", 0, 3),
    "timing_sd_ms": ("people off the beats, SD, ms", 4, 15),
    "timing_alpha": ("their memory, alpha", 0.6, 1),
    "bass_off_chord": ("bass off chord, strong beats", 0, 0.01),
    "rougher_off": ("rougher a semitone off", 0.95, 1),
}


def rows_of(program, *arguments):
    """The rows that one of the band's examples prints."""
    run = subprocess.run([program, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def music(program, font):
    """Prints the measures of each style, with `!` at those out of their range."""
    *styles, alike = rows_of(program, *([font] if font else []))
    print(f"{'':28}" + " ".join(f"{key:>16}" for key in MUSIC))
    for row in styles:
        cells = [
            f"{'machine':>15} " if row[key] is None else f"{row[key]:15.3f}{' ' if least <= row[key] <= most else '!'}"
            for key, (_, least, most) in MUSIC.items()
        ]
        print(f"{row['style']:28}" + " ".join(cells))
    for key, (title, least, most) in MUSIC.items():
        values = [row[key] for row in styles if row[key] is not None]
        held = sum(least <= value <= most for value in values)
        print(f"{title:30} {least} to {most}: {held} of {len(values)}; {min(values):.3f} to {max(values):.3f}")
    one, other = alike["most_alike"]
    print(f"most alike: {one}, {other}: chords {alike['chords']:.2f}, feel {alike['feel']:.2f}, players {alike['players']:.2f}")


def instruments(program, font):
    """Prints each instrument beside the font's: octaves apart, and the centroid of loud notes over that of soft ones."""
    apart = []
    print(f"{'':20} {'octaves apart, dB':>18} {'brighter when loud':>20} {'the font':>10}")
    for row in rows_of(program, font):
        brighter = {
            source: np.mean([note["centroid_hz"][1] / max(note["centroid_hz"][0], 1) for note in row[source]])
            for source in ("own", "font")
            if source in row
        }
        cells = f"{brighter['own']:20.2f} {brighter.get('font', float('nan')):10.2f}"
        apart.append(row.get("spectrum_apart_db", np.nan))
        print(f"{row['instrument']:20} {apart[-1]:18.1f} {cells}")
    print(f"{'mean':20} {np.nanmean(apart):18.1f}")


def voices(program, styles, files):
    """Prints how well recorded voices are heard over the band, by style."""
    rows = rows_of(program, styles, *files)
    print(f"{'':20} {'voice clear at 1-4 kHz':>24} {'least':>8} {'mix off -5 dB each':>20}")
    for style in styles.split(","):
        of_style = [row for row in rows if row["style"] == style]
        clear = [row["unmasked"] for row in of_style]
        off = np.mean([row["mix_off_db"] for row in of_style])
        print(f"{style:20} {np.mean(clear):24.3f} {min(clear):8.3f} {off:20.1f}")


def build(example="analyse_json"):
    """Builds one of the band's examples and returns its path."""
    package = ["-p", "backline-band", "--features", "soundfont", "--example", example]
    subprocess.run(
        ["cargo", "build", "--release", "--locked", "-q", *package],
        cwd=ROOT,
        check=True,
    )
    meta = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return pathlib.Path(json.loads(meta.stdout)["target_directory"]) / "release" / "examples" / example


def analyse(program, files):
    """What the band finds, by file."""
    run = subprocess.run([str(program), *map(str, files)], capture_output=True, text=True)
    if run.stderr:
        sys.stderr.write(run.stderr)
    return {line["file"]: line for line in map(json.loads, run.stdout.splitlines())}


def found_by_band(line):
    """The band's answer in the shape that all answers have."""
    analysis = line["analysis"]
    beats = [beat["time_s"] for beat in analysis["beats"]]
    return {
        "f0": np.array([frame["hz"] for frame in analysis["pitch"]]),
        "f0_hop_s": 0.010,
        "notes": [[note["onset_s"], note["offset_s"], note["midi"]] for note in analysis["notes"]],
        # As sung, without the tuning; and as meant.
        "sung": [note["midi"] + note.get("cents", 0.0) / 100 for note in analysis["notes"]],
        "meant": [note.get("meant", note["midi"]) for note in analysis["notes"]],
        "bpm": analysis["tempo_bpm"],
        "beats": beats,
        "downbeats": [beat["time_s"] for beat in analysis["beats"] if beat["position"] == 0],
        "metre": METRES[analysis["metre"]],
        "key": (analysis["key"]["tonic"], analysis["key"]["mode"].lower()),
        "chords": [
            [chord["span"]["start_s"], chord["span"]["end_s"], chord["chord"]["root"], chord["chord"]["quality"]]
            for chord in line.get("chords", [])
        ],
        "seconds": line["seconds"] / max(analysis["duration_s"], 1e-9) * 180,
        "tuning": analysis["tuning_cents"] / 100,
        "remarks": analysis["remarks"],
    }


def measure(found, truth):
    """Every row that both the answer and the truth have something for."""
    row = {}
    if "f0" in truth and found.get("f0") is not None:
        hz = np.array(truth["f0"]["hz"], float)
        hop_s = truth["f0"].get("hop_used_s", truth["f0"].get("hop_s", 0.01))
        melody = mir_eval.melody.evaluate(
            np.arange(len(hz)) * hop_s, hz, np.arange(len(found["f0"])) * found["f0_hop_s"], found["f0"]
        )
        row["rpa"] = melody["Raw Pitch Accuracy"]
        row["gap"] = melody["Raw Chroma Accuracy"] - melody["Raw Pitch Accuracy"]
    if "notes" in truth and found.get("notes") is not None:
        row.update(note_rows(truth["notes"], found))
    if "beats" in truth and found.get("beats") is not None:
        row.update(beat_rows(found, truth))
    elif "bpm_beat" in truth and found.get("bpm"):
        row.update(tempo_rows(found["bpm"] / truth["bpm_beat"]))
    if "time_signature" in truth and found.get("metre"):
        row["metre"] = float(found["metre"] == truth["time_signature"])
        fours = lambda metre: [4, 4] if metre == [2, 4] else list(metre)
        row["bars"] = float(fours(found["metre"]) == fours(truth["time_signature"]))
    if "key_tonic_pc" in truth and found.get("key"):
        key = (truth["key_tonic_pc"], truth["mode"])
        row["key"] = float(found["key"] == key)
        row["signature"] = float(signature(found["key"]) == signature(key))
    row.update(chord_rows(found, truth))
    row.update(sanity_rows(found))
    if "seconds" in found:
        row["seconds"] = found["seconds"]
    return row


def note_rows(truth, found):
    """Onset and note F1, and how many notes were found for each true one.

    Fractional true pitches are as sung: they are compared with the pitch sung (`note`) and with the nearest semitone (`nearest`), at the
    tuning found. Whole ones are as meant: compared with what was meant (`note`) and with the nearest semitone.
    """
    notes = found["notes"]
    if not notes:
        return {"onset": 0.0, "note": 0.0, "nearest": 0.0, "ratio": 0.0}
    as_sung = any(note[2] != round(note[2]) for note in truth)
    tuning = found.get("tuning", 0.0) if as_sung else 0.0
    nearest = [note[2] for note in notes]
    pitches = found.get("sung" if as_sung else "meant", nearest)
    spans = lambda notes: np.array([[note[0], note[1]] for note in notes], float)
    hertz = lambda pitches, up=0.0: 440.0 * 2 ** ((np.array(pitches, float) + up - 69) / 12)
    true = hertz([note[2] for note in truth])
    f1 = lambda pitches: mir_eval.transcription.precision_recall_f1_overlap(
        spans(truth), true, spans(notes), hertz(pitches, tuning), onset_tolerance=0.1, offset_ratio=None
    )[2]
    onset = mir_eval.transcription.onset_precision_recall_f1(spans(truth), spans(notes), onset_tolerance=0.1)[2]
    return {"onset": onset, "note": f1(pitches), "nearest": f1(nearest), "ratio": len(notes) / len(truth)}


def tempo_rows(ratio):
    return {
        "tempo": float(abs(ratio - 1) < 0.04),
        "octave": float(any(abs(ratio / k - 1) < 0.04 for k in (1, 2, 1 / 2, 3, 1 / 3))),
    }


def beat_rows(found, truth):
    beats = np.array(truth["beats"], float)
    inside = lambda times: np.array([t for t in times if beats[0] - 0.1 <= t <= beats[-1] + 0.1])
    mine = inside(found["beats"])
    row = tempo_rows(found["bpm"] / (60 / np.median(np.diff(beats))))
    row["beat"] = mir_eval.beat.f_measure(beats, mine)
    _, row["cmlt"], _, row["amlt"] = mir_eval.beat.continuity(beats, mine)
    if "downbeats" in truth and found.get("downbeats") is not None:
        row["down"] = mir_eval.beat.f_measure(np.array(truth["downbeats"], float), inside(found["downbeats"]))
        if row["beat"] >= 0.8:
            row["phase"] = float(row["down"] < 0.5)
    return row


def sanity_rows(found):
    """What needs no truth: remarks, and chords with tones outside the key that was found (harmonic minor's dominant is inside)."""
    row = {}
    if "remarks" in found:
        row["speech"] = float(any("speech" in remark for remark in found["remarks"]))
        row["remarks"] = len(found["remarks"])
    if found.get("chords"):
        tonic, mode = found["key"]
        scale = {(tonic + step) % 12 for step in ((0, 2, 4, 5, 7, 9, 11) if mode == "major" else (0, 2, 3, 5, 7, 8, 10, 11))}
        whole = outside = 0.0
        for start, end, root, quality in found["chords"]:
            third = {"minor": 3, "major": 4}.get(triad(quality))
            fifth = 6 if "dim" in quality.lower() or "half" in quality.lower() else 7
            tones = {root, (root + fifth) % 12} | ({(root + third) % 12} if third else set())
            whole += end - start
            outside += (end - start) * (not tones <= scale)
        row["chromatic"] = outside / whole if whole else 0.0
    return row


def signature(key):
    tonic, mode = key
    return (tonic + 3) % 12 if mode == "minor" else tonic


def triad(quality):
    """'major', 'minor' or None for what is neither, from the project's names and the lead sheets'."""
    name = quality.lower()
    if any(word in name for word in ("dim", "aug", "sus", "power", "half", "pedal", "none")):
        return None
    return "minor" if name.startswith("min") else "major"


def chord_rows(found, truth):
    """Harmony's rows."""
    if "chords" not in truth or not found.get("chords"):
        return {}
    agreed = told = 0.0
    for start, end, root, quality in truth["chords"]:
        if triad(quality) is None:
            continue
        told += end - start
        for begin, finish, other, kind in found["chords"]:
            both = min(end, finish) - max(start, begin)
            if both > 0 and other == root and triad(kind) == triad(quality):
                agreed += both
    return {"chord": agreed / told} if told else {}


def fits(found):
    """How well an answer fits itself, where nobody knows the truth."""
    hz, notes = found["f0"], found["notes"]
    near = []
    for onset, end, midi in notes:
        frames = hz[int(onset * 100) + 3 : int(end * 100)]
        frames = frames[frames > 0]
        near += list(np.abs(69 + 12 * np.log2(frames / 440) - midi) < 0.6)
    tonic = signature(found["key"])
    in_key = [(note[2] - tonic) % 12 in (0, 2, 4, 5, 7, 9, 11) for note in notes]
    beats = np.array(found["beats"])
    parts = np.arange(0, 1, 1 / 6 if found["metre"] == [6, 8] else 1 / 4)
    grid = np.sort(np.concatenate([beats[:-1] + np.diff(beats) * part for part in parts]))
    onsets = np.array([note[0] for note in notes])
    nearest = lambda times, to: np.min(np.abs(times[:, None] - to[None, :]), axis=1)
    off = float("nan")
    struck = float("nan")
    if len(onsets):
        # By chance a start lies a quarter of a step away.
        off = float(np.mean(nearest(onsets, grid)) / (np.median(np.diff(grid)) / 4))
        sung = beats[(beats >= onsets[0] - 0.1) & (beats <= onsets[-1] + 0.1)]
        struck = float(np.mean(nearest(sung, onsets) < 0.07)) if len(sung) else float("nan")
    mean = lambda values: float(np.mean(values)) if len(values) else float("nan")
    return {"frames near their note": mean(near), "notes in key": mean(in_key), "starts off the grid": off, "beats struck": struck}


def collect(dirs):
    """Files and where their truth may be."""
    if not dirs:
        truths = ROOT / "crates" / "band" / "tests" / "truth"
        return [(file, truths / f"{file.stem}.json") for file in sorted((ROOT / "workflows" / "vocals").glob("*.flac"))]
    files = [file for one in dirs for file in sorted(pathlib.Path(one).rglob("*")) if file.suffix.lower() in SOUNDS]
    return [(file, file.with_suffix(".json")) for file in files]


def table(titles, columns):
    """Rows by columns of mean values."""
    width = max(len(row[0]) for row in ROWS.values())
    print(f"{'':{width}}  {'must':>6} {'aim':>6}  " + " ".join(f"{title:>9}" for title in titles))
    for name, (title, must, aim, less) in ROWS.items():
        cells = []
        for rows in columns:
            values = [row[name] for row in rows if name in row]
            mean = float(np.mean(values)) if values else None
            good = mean is not None and (mean <= must if less else mean >= must)
            cells.append(f"{'–':>9}" if mean is None else f"{mean:8.3f}{' ' if good else '!'}")
        print(f"{title:{width}}  {'≤' if less else '≥'}{must:5.2f} {aim:6.3f}  " + " ".join(cells))


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--dir", action="append", help="a folder of recordings, with truth beside them or without (repeatable)")
    options.add_argument("--program", help="the built analyse_json; built when not given")
    options.add_argument("--peers", action="store_true", help="run librosa (and madmom where it is installed) on the same files")
    options.add_argument("--music", action="store_true", help="measure what is played in each style instead")
    options.add_argument("--soundfont", help="play with this SoundFont (.sf2)")
    options.add_argument("--instruments", action="store_true", help="measure each instrument beside --soundfont instead")
    options.add_argument("--voices", metavar="STYLES", help="measure how well the recordings are heard over these styles instead")
    options.add_argument("--each", action="store_true", help="a line a file too")
    options.add_argument("--json", help="write every figure to this file")
    chosen = options.parse_args()
    if chosen.instruments and not chosen.soundfont:
        options.error("--instruments needs --soundfont")
    warnings.filterwarnings("ignore")
    if chosen.music:
        return music(chosen.program or build("measures"), chosen.soundfont)
    if chosen.instruments:
        return instruments(chosen.program or build("instruments"), chosen.soundfont)
    files = collect(chosen.dir)
    if not files:
        sys.exit("no recordings were found")
    if chosen.voices:
        return voices(chosen.program or build("voice_measures"), chosen.voices, [file for file, _ in files])
    answers = analyse(chosen.program or build(), [file for file, _ in files])
    names = ["band"] + (peer_tools.available() if chosen.peers else [])
    results = {name: [] for name in names}
    wild = []
    for file, truth_file in files:
        line = answers.get(str(file))
        if line is None:
            continue
        found = found_by_band(line)
        if not truth_file.exists():
            wild.append((file, line["analysis"], fits(found)))
            results["band"].append(sanity_rows(found))
            continue
        truth = json.loads(truth_file.read_text())
        for name in names:
            answer = found if name == "band" else peer_tools.run(name, file)
            row = measure(answer, truth)
            results[name].append(row)
            if chosen.each:
                print(f"{file.name:32} {name:8} " + " ".join(f"{key} {value:.2f}" for key, value in row.items()))
    if results["band"]:
        print(f"\n{len(results['band'])} recordings, {len(wild)} of them without truth")
        table(names, [results[name] for name in names])
    for file, analysis, fit in wild:
        key, metre = analysis["key"], METRES[analysis["metre"]]
        print(f"\n{file}")
        print(
            f"  {analysis['tempo_bpm']:.1f} bpm in {metre[0]}/{metre[1]}, tonic {key['tonic']} {key['mode'].lower()},"
            f" {len(analysis['notes'])} notes, {len(analysis['phrases'])} phrases, tuning {analysis['tuning_cents']:+.0f} cents"
        )
        print("  fit: " + ", ".join(f"{name} {value:.2f}" for name, value in fit.items()))
        print("  sure: " + ", ".join(f"{name} {value:.2f}" for name, value in analysis["confidence"].items()))
        for remark in analysis["remarks"]:
            print(f"  {remark}")
    if chosen.json:
        pathlib.Path(chosen.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
