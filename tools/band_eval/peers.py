"""What other people's tools make of a recording, in the shape that `band_eval.measure` takes.

librosa: pyin for f0, beat_track for beats, and the usual recipe for the key (mean chroma against Krumhansl and Kessler's
profiles). It has no notes, no downbeats and no metre. madmom: its RNN and DBN for beats and downbeats.
"""

import importlib
import tempfile
import time

import numpy as np


def available():
    """The peers that are installed and can be loaded."""
    return [name for name in ("librosa", "madmom") if loads(name)]


def loads(name):
    try:
        importlib.import_module(name)
    except Exception:  # whatever a half-built package throws, it is not there
        return False
    return True


def run(name, file):
    return {"librosa": by_librosa, "madmom": by_madmom}[name](file)


def by_librosa(file):
    import librosa

    sound, rate = librosa.load(str(file), sr=22050)
    start = time.perf_counter()
    hz, voiced, _ = librosa.pyin(sound, fmin=65, fmax=1000, sr=rate, frame_length=2048, hop_length=220)
    tempo, beats = librosa.beat.beat_track(y=sound, sr=rate, units="time")
    chroma = librosa.feature.chroma_cqt(y=sound, sr=rate).mean(axis=1)
    seconds = time.perf_counter() - start
    return {
        "f0": np.where(voiced, np.nan_to_num(hz), 0.0),
        "f0_hop_s": 220 / rate,
        "bpm": float(np.atleast_1d(tempo)[0]) or 120.0,
        "beats": list(beats),
        "key": krumhansl(chroma),
        "seconds": seconds / max(len(sound) / rate, 1e-9) * 180,
    }


def krumhansl(chroma):
    profiles = {
        "major": [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
        "minor": [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
    }
    scores = [
        (np.corrcoef(np.roll(chroma, -tonic), profile)[0, 1], tonic, mode)
        for mode, profile in profiles.items()
        for tonic in range(12)
    ]
    _, tonic, mode = max(scores)
    return (tonic, mode)


def by_madmom(file):
    from madmom.features.beats import RNNBeatProcessor, DBNBeatTrackingProcessor
    from madmom.features.downbeats import DBNDownBeatTrackingProcessor, RNNDownBeatProcessor

    # It reads nothing but WAV without ffmpeg.
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        wave = f"{folder}/sound.wav"
        soundfile.write(wave, *soundfile.read(str(file)), subtype="PCM_16")
        beats = DBNBeatTrackingProcessor(fps=100)(RNNBeatProcessor()(wave))
        bars = DBNDownBeatTrackingProcessor(beats_per_bar=[2, 3, 4], fps=100)(RNNDownBeatProcessor()(wave))
    answer = {
        "bpm": float(60 / np.median(np.diff(beats))) if len(beats) > 1 else 120.0,
        "beats": list(beats),
        "downbeats": [when for when, place in bars if place == 1],
    }
    if len(bars):
        answer["metre"] = [int(max(place for _, place in bars)), 4]
    return answer
