// ---- The player at the foot of the page: what is chosen, its waveform, its file, its star and note.

const SOURCES = [["track", "Track"], ["mix", "With vocal"], ["vocal", "Vocal"]];

/** What can be heard of the page's variants: a set of stems is one source more. Sets are named where there are several. */
function sourcesOf() {
  const sets = [...new Set(variants.flatMap((variant) => Object.keys(variant.sets)))];
  return [...SOURCES, ...sets.map((source) => [source, sets.length > 1 ? `Stems: ${source.slice(SET.length)}` : "Stems"])];
}
const STEP_S = 5;

const dock = {
  build() {
    this.title = el("p", { class: "dock-title" }, "Choose a variant");
    this.label = el("span", { class: "dock-label" });
    this.facts = el("p", { class: "dock-facts soft" }, el("span", { class: "keyboard" }, "Space plays, arrows seek and switch, ? shows all keys."));
    this.tags = el("p", { class: "dock-tags" });
    this.play = button({ class: "round", "aria-label": "Play", onclick: () => playOrPause() }, icon("play"));
    this.wave = el("canvas", {
      class: "dock-wave", role: "slider", tabindex: 0, "aria-label": "Position", "aria-valuemin": 0, "aria-valuemax": 0, "aria-valuenow": 0,
    });
    this.time = el("span", { class: "dock-time" }, "0:00 / 0:00");
    this.star = button({ class: "star", "aria-label": "Star", "aria-pressed": "false", onclick: () => transport.variant && marks.toggleStar(transport.variant) }, icon("star"));
    this.note = el("input", { type: "text", class: "note", placeholder: "Note", "aria-label": "Note on this variant", maxlength: 2000, autocomplete: "off" });
    this.segments = el("div", { class: "segments", role: "group", "aria-label": "What is heard" });
    this.buildSources();
    this.matched = button({ "aria-pressed": "true", title: "All equally loud", onclick: () => transport.setMatched(!transport.matched) }, "Loudness matched");
    $("dock").append(
      el("div", { class: "dock-main" },
        el("div", { class: "dock-buttons" },
          button({ class: "round small", "aria-label": "Previous variant", onclick: () => step(-1) }, icon("previous")),
          this.play,
          button({ class: "round small", "aria-label": "Next variant", onclick: () => step(1) }, icon("next"))),
        el("div", { class: "dock-names" }, this.title, this.tags, this.facts),
        this.star),
      el("div", { class: "dock-line" }, this.wave, this.time),
      el("div", { class: "dock-more" },
        this.segments, this.matched, this.note, details.button()),
      mixer.build());
    // What opens over the page leaves the player free.
    new ResizeObserver(() => document.body.style.setProperty("--dock", `${$("dock").offsetHeight}px`)).observe($("dock"));
    this.wave.addEventListener("pointerdown", (event) => this.drag(event));
    this.wave.addEventListener("pointermove", (event) => event.buttons && this.drag(event));
    this.note.addEventListener("keydown", (event) => event.key === "Enter" && this.note.blur());
    this.note.addEventListener("change", () => transport.variant && marks.set(transport.variant, { note: this.note.value.trim() }));
  },

  /** Makes a button for each source; a run that goes on may bring stems. */
  buildSources() {
    const all = sourcesOf();
    if (this.sources?.length === all.length) return;
    this.sources = all.map(([source, name]) =>
      button({ data: { source }, "aria-pressed": String(source === transport.source), onclick: () => hear(source) }, name));
    this.segments.replaceChildren(...this.sources);
  },

  drag(event) {
    if (!transport.variant) return;
    this.wave.setPointerCapture(event.pointerId);
    const box = this.wave.getBoundingClientRect();
    transport.seek(((event.clientX - box.left) / box.width) * transport.duration);
  },

  /** What is chosen has changed. */
  choice() {
    const { variant } = transport;
    mixer.show();
    if (blind.running) return this.conceal();
    this.buildSources();
    if (!variant) return this.title.replaceChildren("Choose a variant");
    const { job } = variant;
    this.title.replaceChildren(mark(job.preset), `${stemOf(job)} × ${presetOf(job)}`, this.label);
    this.label.textContent = `take ${job.take}, track ${variant.index}${job.former ? ", earlier version" : ""}`;
    this.tags.textContent = valueOf(job, "tags") ?? "";
    this.tags.title = this.tags.textContent;
    this.facts.textContent = [...musicFacts(variant.music), loudnessOf(transport), job.point].filter(Boolean).join(" · ");
    for (const pressed of this.sources) {
      const { source } = pressed.dataset;
      pressed.disabled = !variant.files[source];
      pressed.setAttribute("aria-pressed", String(variant.files[source] === transport.file));
    }
    this.marked();
    this.moved();
  },

  /** Shows nothing that tells which variant a blind test plays. */
  conceal() {
    this.title.replaceChildren("Blind test");
    this.facts.textContent = this.tags.textContent = this.tags.title = "";
    this.star.setAttribute("aria-pressed", "false");
    this.note.value = "";
    draw(this.wave, "", 0);
  },

  marked() {
    if (!transport.variant || blind.running) return;
    const { star, note } = marks.of(transport.variant);
    details.show(transport.variant);
    this.star.setAttribute("aria-pressed", String(!!star));
    this.note.title = note ?? "";
    if (document.activeElement !== this.note) this.note.value = note ?? "";
  },

  playing() {
    this.play.setAttribute("aria-label", transport.playing ? "Pause" : "Play");
    this.play.replaceChildren(icon(transport.playing ? "pause" : "play"));
    this.matched.setAttribute("aria-pressed", String(transport.matched));
    this.matched.title = `All equally loud, at ${transport.target} LUFS`;
    this.moved();
  },

  moved() {
    const { position, duration, whole } = transport;
    if (!blind.running) draw(this.wave, whole?.wave ?? "", duration ? position / duration : 0);
    this.time.textContent = blind.running ? clock(position) : `${clock(position)} / ${clock(duration)}`;
    this.wave.setAttribute("aria-valuemax", Math.round(duration));
    this.wave.setAttribute("aria-valuenow", Math.round(position));
    this.wave.setAttribute("aria-valuetext", `${clock(position)} of ${clock(duration)}`);
  },
};

/** Chooses and brings into sight. */
function go(variant) {
  if (!variant) return;
  transport.choose(variant);
  grid.reveal(variant);
  say(variantName(variant));
}

/** Another variant of the same stem, at the same moment; with `across`, of any stem, in reading order. */
function step(by, across = false) {
  const { variant } = transport;
  const list = across || !variant ? arranged.all : arranged.ofStem(variant.job.stem);
  if (!list.length) return;
  const at = list.indexOf(variant);
  go(list[at < 0 ? 0 : (at + by + list.length) % list.length]);
}

/** The variant with this number in the chosen one's cell. */
function pick(place) {
  const { job } = transport.variant ?? arranged.all[0] ?? {};
  if (!job) return;
  go(arranged.cell(job.stem, job.preset).flatMap((entry) => entry.variants)[place - 1]);
}

function playOrPause() {
  if (transport.variant) return transport.toggle();
  go(arranged.all[0]);
  transport.toggle();
}

function hear(source) {
  if (transport.variant?.files[source]) transport.choose(transport.variant, { source });
}

/** The next of the files that the chosen variant has. */
function hearNext() {
  const has = sourcesOf().map(([source]) => source).filter((source) => transport.variant?.files[source]);
  if (has.length) hear(has[(has.indexOf(transport.source) + 1) % has.length]);
}

transport.likely = () => {
  if (blind.running) return blind.likely();
  const list = arranged.ofStem(transport.variant.job.stem);
  const at = list.indexOf(transport.variant);
  return at < 0 ? [] : [list[at + 1], list[at - 1]].filter(Boolean);
};

listen("choice", () => dock.choice());
listen("playing", () => dock.playing());
listen("marks", () => dock.marked());
listen("time", () => dock.moved());
listen("trouble", () => {
  const [broken] = [...transport.pool].find(([, audio]) => audio.error) ?? [transport.file?.at ?? ""];
  dock.facts.textContent = `${decodeURIComponent(broken)} can't be played: it is gone, or this browser does not know its format.`;
  say(dock.facts.textContent);
});

/** Moves the bar smoothly while something plays. */
function tick() {
  transport.align();
  if (transport.playing && !document.hidden) {
    dock.moved();
    grid.moved();
  }
  setTimeout(() => requestAnimationFrame(tick), 100);
}
