// ---- The panel about what is chosen: its settings, its catalogue's columns, its music. Beside the grid where there is room, else on request.

/** `−16.2 LUFS`, or nothing. */
const loudnessOf = (file) => (file?.lufs == null ? null : `${String(file.lufs).replace("-", "−")} LUFS`);

/** Key, tempo and metre as short texts. */
const musicFacts = ({ key, tempo, metre }) => [key, tempo && `${Math.round(tempo)} bpm`, metre].filter(Boolean);

/** `G major (91 % sure)`. */
const withConfidence = (text, share) => (text && share != null ? `${text} (${Math.round(share * 100)} % sure)` : text);

const details = {
  /** The button that opens and closes the panel where it is not always there. */
  button() {
    this.toggle = button({ class: "details-open", "aria-expanded": "false", "aria-controls": "details", onclick: () => this.open() }, "Details");
    return this.toggle;
  },

  open(open = document.body.dataset.details !== "open") {
    document.body.dataset.details = open ? "open" : "";
    this.toggle.setAttribute("aria-expanded", String(open));
  },

  build() {
    $("details").append(el("p", { class: "soft" }, "Choose a variant to see its settings, its music and where it comes from."));
  },

  /** What steps made of a variant, to take away, and what they have not made yet. */
  made({ sets, made, open }) {
    const link = ({ name, at }) => el("a", { href: at, download: place({ at }).split("/").at(-1), target: "_blank", rel: "noopener" }, titleOf(name));
    const rows = [["", made], ...Object.entries(sets).map(([source, parts]) => [source.slice(SET.length), parts])].filter(([, files]) => files.length);
    const waits = open.filter(({ sign }) => !WRONG.includes(sign)).map(({ name, state }) => `${titleOf(name)}: ${state}`);
    if (!rows.length && !waits.length) return [];
    return [
      el("h3", {}, "Downloads"),
      ...rows.map(([name, files]) => el("ul", { class: "links", "aria-label": name || "Files" }, ...files.map((file) => el("li", {}, link(file))))),
      waits.length > 0 && el("p", { class: "soft" }, waits.join(" · ")),
    ];
  },

  show(variant) {
    const { job, music } = variant;
    const { confidence = {} } = music;
    const settings = job.settings.filter(([name]) => name !== "tags" && name !== "lyrics");
    const [key, tempo, metre] = [music.key, music.tempo && `${music.tempo} bpm`, music.metre];
    const groups = [
      ["", [["tags", valueOf(job, "tags")], ...settings, ["lyrics", valueOf(job, "lyrics")]]],
      ["Stem", varsOf(job.stem)],
      ["Music", [
        ["key", withConfidence(key, confidence.key)], ["tempo", withConfidence(tempo, confidence.tempo)],
        ["metre", withConfidence(metre, confidence.metre)], ["style", music.style],
        ["instruments", music.instruments?.join(", ")], ["chords", music.chords],
      ]],
      ["File", [
        ["length", clock(variant.files.track.seconds)], ["track", loudnessOf(variant.files.track)], ["mix", loudnessOf(variant.files.mix)],
        ["file", place(variant.files.track)], ["task", job.task], ["credits", job.credits || null], ["run", job.run],
      ]],
    ];
    const { note } = marks.of(variant);
    const remarks = [variant.unverified && `not verified: ${variant.unverified}`, ...remarksOf(variant)].filter(Boolean);
    const list = (pairs) => {
      const known = pairs.filter(([, value]) => value != null && value !== "");
      return known.length > 0 && el("dl", {}, ...known.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]));
    };
    const close = button({ class: "quiet details-close", "aria-label": "Close", onclick: () => this.open(false) }, "Close");
    $("details").replaceChildren(...[
      el("div", { class: "dialog-head" }, el("h2", {}, mark(job.preset), `${stemOf(job)} × ${presetOf(job)}`), close),
      el("p", { class: "soft" }, [`take ${job.take}, track ${variant.index}`, job.point, variant.title].filter(Boolean).join(" · ")),
      job.former && el("p", { class: "remark" }, "An earlier version: the manifest has changed since it was bought."),
      note && el("p", { class: "noted-here" }, el("span", { class: "soft" }, "✎ "), note),
      ...remarks.map((remark) => el("p", { class: "remark" }, remark)),
      ...this.made(variant),
      ...groups.flatMap(([title, pairs]) => {
        const shown = list(pairs);
        return shown ? [title && el("h3", {}, title), shown].filter(Boolean) : [];
      }),
    ].filter(Boolean));
  },
};
