// ---- The one transport that all players share: what is heard, where in it, how loud.
//
// A switch lets the old sound go on until the new one stands at the same moment and is ready, then fades over. Files are played by audio
// elements and made equally loud by their volume alone: a page from the disk may not read its neighbours' samples, only play them.

const POOL = 8;
const FADE_MS = 40;
const DRIFT_S = 0.04;

/** Stems are together where they differ by less than the first, and are moved where they differ by more than the second. */
const [NEAR_S, FAR_S, MOST_RATE] = [0.006, 0.25, 0.04];

/** Loudness that all are brought down to: the quietest of them, within what music is delivered at. */
function quietest() {
  const measured = variants.flatMap(({ files }) => [files.track.lufs, files.mix?.lufs]).filter((lufs) => lufs != null);
  return Math.min(-14, Math.max(-23, Math.min(...measured, -14)));
}

const transport = {
  /** The variant that is chosen, and which of its files: `track`, `mix`, `vocal` or a set of stems. */
  variant: null,
  source: "track",
  playing: false,
  matched: true,
  /** Worked out anew at each switch, for a quieter variant may have come; never while one is heard. */
  target: quietest(),
  /** Where to go on, while nothing plays. */
  rest: 0,
  active: null,
  /** What sounds together with the active file: the other stems of its set. */
  followers: [],
  pool: new Map(),
  turns: 0,
  /** Addresses that are about to be heard. */
  wanted: new Set(),

  /** The file of a variant that is heard; its track where it has none of the chosen kind. */
  fileOf(variant) {
    return variant?.files[this.source] ?? variant?.files.track ?? null;
  },

  get file() {
    return this.fileOf(this.variant);
  },

  /** The stems that are chosen; none where one file is. */
  get parts() {
    return this.variant?.sets[this.source] ?? null;
  },

  /** The loudness of what is chosen. Stems add up to it: what sounds together is as loud as the sum of their powers. */
  get lufs() {
    if (!this.parts) return this.file?.lufs ?? null;
    const powers = this.parts.map(({ lufs }) => (lufs == null ? 0 : 10 ** (lufs / 10)));
    const sum = powers.reduce((one, other) => one + other, 0);
    return sum > 0 ? Math.round(100 * Math.log10(sum)) / 10 : null;
  },

  /** The file that shows how it looks: of stems, what they are the parts of. */
  get whole() {
    return this.parts ? (this.variant.files.mix ?? this.variant.files.track) : this.file;
  },

  get group() {
    return [this.active, ...this.followers].filter(Boolean);
  },

  get position() {
    return this.active && !this.pending ? this.active.currentTime : this.rest;
  },

  get duration() {
    const known = this.active?.duration;
    return Number.isFinite(known) && !this.pending ? known : (this.file?.seconds ?? 0);
  },

  /** How loud each audio element plays. */
  get volume() {
    if (!this.matched || this.lufs == null) return 1;
    return Math.min(1, 10 ** ((this.target - this.lufs) / 20));
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
    if (!this.pending) for (const audio of this.group) audio.currentTime = position;
    tell("time");
  },

  /** Makes the chosen file heard, or stands ready at its place. `jump`: the place is told, not the old sound's. */
  async sound(position, play, jump = true) {
    this.turns += 1;
    const turn = this.turns;
    const file = this.file;
    if (!file) return;
    this.target = quietest();
    const parts = this.parts ?? [file];
    this.wanted = new Set(parts.map((part) => part.at));
    const [old, left, group] = [this.active, this.group, parts.map((part) => this.audio(part.at))];
    const next = group[0];
    this.rest = position;
    this.playing = play;
    this.pending = old !== next;
    tell("playing");
    const stale = () => turn !== this.turns;
    try {
      await Promise.all(group.map(ready));
      if (stale()) return;
      const follow = play && !jump && old && old !== next && !old.paused;
      const aim = () => within(follow ? old.currentTime : position, next);
      const moved = group.filter((audio) => old !== next || Math.abs(audio.currentTime - aim()) > DRIFT_S);
      await Promise.all(moved.map((audio) => moveTo(audio, aim())));
      if (stale()) return;
      const { volume } = this;
      this.silence(group);
      for (const audio of group) audio.playbackRate = 1;
      if (play) {
        for (const audio of group) audio.volume = old === next ? volume : 0;
        await Promise.all(group.map((audio) => audio.play()));
        if (stale()) return group.forEach((audio) => this.group.includes(audio) || audio.pause());
        if (follow && Math.abs(next.currentTime - old.currentTime) > DRIFT_S) next.currentTime = aim();
      }
      [this.active, ...this.followers] = group;
      this.pending = false;
      this.fade(left.filter((audio) => !group.includes(audio)), volume);
      tell("playing");
      this.readAhead();
    } catch (error) {
      if (stale()) return;
      this.pending = false;
      this.playing = false;
      for (const audio of [...left, ...group]) audio.pause();
      tell("playing");
      tell("trouble", error);
    }
  },

  /** Fades from what was heard to what is; without a sound to leave, only the new one's volume is set. */
  fade(left, volume) {
    const [group, start] = [this.group, performance.now()];
    if (!left.some((old) => !old.paused)) {
      for (const audio of group) audio.volume = volume;
      return;
    }
    const from = left.map((old) => old.volume);
    const step = (now) => {
      const share = Math.min(1, Math.max(0, (now - start) / FADE_MS));
      if (group[0] === this.active) for (const audio of group) audio.volume = volume * share;
      for (const [at, old] of left.entries()) {
        old.volume = from[at] * (1 - share);
        if (share >= 1 && !this.group.includes(old)) old.pause();
      }
      if (share < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  },

  /** Silences the stems that are switched off. They go on, so that they come back at the same moment. */
  silence(group = this.pending ? [] : this.group) {
    const { parts } = this;
    for (const [at, audio] of group.entries()) audio.muted = !!parts?.[at] && !mixer.isHeard(parts[at].name, parts);
  },

  /** Keeps stems together: one that is a little early or late is played a little slower or faster, one that is far off is moved. */
  align() {
    if (!this.playing || this.pending || this.active?.seeking) return;
    for (const audio of this.followers) {
      if (audio.seeking) continue;
      const late = this.active.currentTime - audio.currentTime;
      if (Math.abs(late) > FAR_S) audio.currentTime = this.active.currentTime;
      else audio.playbackRate = Math.abs(late) < NEAR_S ? 1 : 1 + Math.max(-MOST_RATE, Math.min(MOST_RATE, late / 0.4));
    }
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
      audio.preservesPitch = false;
      audio.addEventListener("timeupdate", () => audio === this.active && tell("time"));
      audio.addEventListener("ended", () => audio === this.active && this.ended());
      audio.src = at;
      document.body.append(audio);
    }
    this.pool.delete(at);
    this.pool.set(at, audio);
    for (const [key, old] of this.pool) {
      if (this.pool.size <= POOL) break;
      if (old === audio || this.group.includes(old) || this.wanted.has(key)) continue;
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
    for (const audio of this.followers) audio.pause();
    for (const audio of this.group) audio.currentTime = 0;
    tell("playing");
  },

  /** Loads what is likely to be heard next. */
  readAhead() {
    for (const variant of this.likely?.() ?? []) {
      const file = this.fileOf(variant);
      // A set of stems is many files: they are loaded when they are chosen.
      if (file && !variant.sets[this.source]) this.audio(file.at);
    }
    if (this.active && this.file) this.audio(this.file.at);
  },

  setMatched(matched) {
    this.matched = matched;
    if (!this.pending) for (const audio of this.group) audio.volume = this.volume;
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
