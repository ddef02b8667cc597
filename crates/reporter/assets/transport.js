// ---- The one transport that all players share: what is heard, where in it, how loud.
//
// A switch lets the old sound go on until the new one stands at the same moment and is ready, then fades over. Files are played by audio
// elements and made equally loud by their volume alone: a page from the disk may not read its neighbours' samples, only play them.

const POOL = 8;
const FADE_MS = 40;
const DRIFT_S = 0.04;

/** Loudness that all are brought down to: the quietest of them, within what music is delivered at. */
function quietest() {
  const measured = variants.flatMap(({ files }) => [files.track.lufs, files.mix?.lufs]).filter((lufs) => lufs != null);
  return Math.min(-14, Math.max(-23, Math.min(...measured, -14)));
}

const transport = {
  /** The variant that is chosen, and which of its files: `track`, `mix` or `vocal`. */
  variant: null,
  source: "track",
  playing: false,
  matched: true,
  /** Worked out anew at each switch, for a quieter variant may have come; never while one is heard. */
  target: quietest(),
  /** Where to go on, while nothing plays. */
  rest: 0,
  active: null,
  pool: new Map(),
  turns: 0,

  /** The file of a variant that is heard; its track where it has none of the chosen kind. */
  fileOf(variant) {
    return variant?.files[this.source] ?? variant?.files.track ?? null;
  },

  get file() {
    return this.fileOf(this.variant);
  },

  get position() {
    return this.active && !this.pending ? this.active.currentTime : this.rest;
  },

  get duration() {
    const known = this.active?.duration;
    return Number.isFinite(known) && !this.pending ? known : (this.file?.seconds ?? 0);
  },

  volume(file) {
    if (!this.matched || file?.lufs == null) return 1;
    return Math.min(1, 10 ** ((this.target - file.lufs) / 20));
  },

  /** Chooses a variant. The position stays within a stem and starts anew with another one. */
  async choose(variant, { play = this.playing, source = this.source, at } = {}) {
    if (!variant) return;
    const same = this.variant?.job.stem === variant.job.stem;
    const position = at ?? (same ? this.position : 0);
    this.variant = variant;
    this.source = source;
    tell("choice");
    await this.sound(position, play, at != null || !same);
  },

  toggle() {
    if (this.playing) this.pause();
    else if (this.variant) this.sound(this.position, true);
  },

  pause() {
    this.rest = this.position;
    this.turns += 1;
    this.pending = false;
    this.playing = false;
    for (const audio of this.pool.values()) audio.pause();
    tell("playing");
  },

  seek(seconds) {
    const end = this.duration ? Math.max(0, this.duration - 0.05) : seconds;
    const position = Math.min(Math.max(0, seconds), end);
    this.rest = position;
    if (this.active && !this.pending) this.active.currentTime = position;
    tell("time");
  },

  /** Makes the chosen file heard, or stands ready at its place. `jump`: the place is told, not the old sound's. */
  async sound(position, play, jump = true) {
    this.turns += 1;
    const turn = this.turns;
    const file = this.file;
    if (!file) return;
    this.target = quietest();
    const [old, next] = [this.active, this.audio(file.at)];
    this.rest = position;
    this.playing = play;
    this.pending = old !== next;
    tell("playing");
    const stale = () => turn !== this.turns;
    try {
      await ready(next);
      if (stale()) return;
      const follow = play && !jump && old && old !== next && !old.paused;
      const aim = () => within(follow ? old.currentTime : position, next);
      if (old !== next || Math.abs(next.currentTime - aim()) > DRIFT_S) await moveTo(next, aim());
      if (stale()) return;
      if (play) {
        next.volume = old === next ? this.volume(file) : 0;
        await next.play();
        if (stale()) return next !== this.active && next.pause();
        if (follow && Math.abs(next.currentTime - old.currentTime) > DRIFT_S) next.currentTime = aim();
      }
      this.active = next;
      this.pending = false;
      this.fade(old === next ? null : old, next, this.volume(file));
      tell("playing");
      this.readAhead();
    } catch (error) {
      if (stale()) return;
      this.pending = false;
      this.playing = false;
      old?.pause();
      tell("playing");
      tell("trouble", error);
    }
  },

  /** Fades from one sound to another; without a sound to leave, only the new one's volume is set. */
  fade(old, next, volume) {
    if (!old || old.paused) {
      old?.pause();
      next.volume = volume;
      return;
    }
    const [from, start] = [old.volume, performance.now()];
    const step = (now) => {
      const share = Math.min(1, Math.max(0, (now - start) / FADE_MS));
      if (next === this.active) next.volume = volume * share;
      old.volume = from * (1 - share);
      if (share < 1) requestAnimationFrame(step);
      else if (old !== this.active) old.pause();
    };
    requestAnimationFrame(step);
  },

  /** The audio element of an address; the least used ones make room. */
  audio(at) {
    let audio = this.pool.get(at);
    if (audio?.error) {
      audio.remove();
      this.pool.delete(at);
      audio = null;
    }
    if (!audio) {
      audio = el("audio", { preload: "auto", hidden: true });
      audio.addEventListener("timeupdate", () => audio === this.active && tell("time"));
      audio.addEventListener("ended", () => audio === this.active && this.ended());
      audio.src = at;
      document.body.append(audio);
    }
    this.pool.delete(at);
    this.pool.set(at, audio);
    for (const [key, old] of this.pool) {
      if (this.pool.size <= POOL) break;
      if (old === this.active || old === audio) continue;
      old.pause();
      old.removeAttribute("src");
      old.remove();
      this.pool.delete(key);
    }
    return audio;
  },

  ended() {
    this.playing = false;
    this.rest = 0;
    this.active.currentTime = 0;
    tell("playing");
  },

  /** Loads what is likely to be heard next. */
  readAhead() {
    for (const variant of this.likely?.() ?? []) {
      const file = this.fileOf(variant);
      if (file) this.audio(file.at);
    }
    if (this.active && this.file) this.audio(this.file.at);
  },

  setMatched(matched) {
    this.matched = matched;
    if (this.active && !this.pending) this.active.volume = this.volume(this.file);
    tell("playing");
  },
};

/** A place in a sound, a little before its end at the latest. */
const within = (seconds, audio) =>
  Number.isFinite(audio.duration) ? Math.min(seconds, Math.max(0, audio.duration - 0.1)) : seconds;

/** Waits until an audio element knows its length. */
function ready(audio) {
  if (audio.readyState >= HTMLMediaElement.HAVE_METADATA) return Promise.resolve();
  return once(audio, "loadedmetadata");
}

/** Moves an audio element and waits until it could sound from there. */
function moveTo(audio, seconds) {
  const moved = once(audio, "seeked");
  audio.currentTime = seconds;
  return moved;
}

function once(audio, event) {
  return new Promise((resolve, reject) => {
    const end = (how) => () => {
      audio.removeEventListener(event, well);
      audio.removeEventListener("error", badly);
      how();
    };
    const well = end(resolve);
    const badly = end(() => reject(audio.error ?? new Error("it can't be played")));
    audio.addEventListener(event, well);
    audio.addEventListener("error", badly);
    if (audio.error) badly();
  });
}
