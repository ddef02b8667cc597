// ---- The grid: a row a stem, a column a preset, filled when it comes into sight.

const grid = {
  rows: new Map(),
  /** The variant that Tab reaches, when none is chosen. */
  entry: null,
  /** A row's elements while it is laid out anew. */
  before: new Map(),

  /** Lays the whole grid out anew. */
  show() {
    const { stems, presets, all } = arranged;
    this.rows.clear();
    this.sight.disconnect();
    $("nothing").hidden = stems.length > 0;
    if (!stems.length) {
      $("nothing").replaceChildren(...nothing());
      return $("grid").replaceChildren();
    }
    // Few variants have room for larger waveforms.
    this.large = all.length <= 48 && presets.length <= 4;
    $("grid").dataset.size = this.large ? "large" : "";
    const head = el("tr", { role: "row" },
      el("th", { scope: "col", role: "columnheader", class: "corner" }, counted(stems.length, "stem")),
      ...presets.map((preset) => el("th", { scope: "col", role: "columnheader", title: data.presets[preset] }, mark(preset), data.presets[preset])));
    const body = el("tbody", { role: "rowgroup" });
    for (const stem of stems) {
      const row = el("tr", { role: "row", data: { stem } });
      row.style.height = `${this.height(stem)}px`;
      row.append(this.rowHead(stem));
      this.rows.set(stem, row);
      body.append(row);
    }
    const table = el("table", { role: "table", "aria-label": "Stems by presets" },
      el("thead", { role: "rowgroup" }, head), body);
    table.style.minWidth = `${9.5 + 11.5 * presets.length}rem`;
    $("grid").replaceChildren(table);
    this.entry = all[0] ?? null;
    for (const row of this.rows.values()) this.sight.observe(row);
  },

  /** About how high a row will be, in pixels. */
  height(stem) {
    const cellHeight = (entries) =>
      entries.reduce((sum, entry) => sum + (entry.job.point ? 30 : 0) + (entry.why != null ? 34 : 0) + entry.variants.length * (this.large ? 58 : 36), 18);
    const heights = arranged.presets.map((preset) => cellHeight(arranged.cell(stem, preset)));
    return narrow.matches ? heights.reduce((sum, height) => sum + height + 26, 44) : Math.max(...heights);
  },

  /** Lays the rows of some stems out anew. All that is in the others stays as it is. */
  renew(stems) {
    const before = arranged;
    arranged = arrange();
    const same = (one, other) => one.length === other.length && one.every((it, at) => it === other[at]);
    const focus = this.focused();
    if (same(before.stems, arranged.stems) && same(before.presets, arranged.presets)) {
      this.entry ??= arranged.all[0] ?? null;
      for (const stem of stems) this.refill(this.rows.get(stem));
    } else {
      const [left, top] = [scrollX, scrollY];
      this.show();
      scrollTo(left, top);
    }
    this.mark(transport.variant);
    focus();
  },

  refill(row) {
    if (!row?.dataset.filled) return;
    const open = [...row.querySelectorAll("details[open]")].map((it) => it.dataset.job);
    // Whoever is about to press a button presses this one, not one that took its place.
    this.before = new Map([...row.querySelectorAll(".variant")].map((it) => [it.dataset.id, it]));
    row.replaceChildren(this.rowHead(Number(row.dataset.stem)));
    delete row.dataset.filled;
    this.fill(row);
    this.before.clear();
    for (const details of row.querySelectorAll("details")) details.open = open.includes(details.dataset.job);
  },

  /** Remembers which button of a variant has the focus, and gives it back. */
  focused() {
    const { id } = document.activeElement?.closest?.(".variant")?.dataset ?? {};
    const part = document.activeElement?.classList.contains("star") ? ".star" : ".play";
    return () => {
      if (!id) return;
      const variant = variantById.get(id);
      const row = this.rows.get(variant.job.stem);
      if (row) this.fill(row);
      this.element(variant)?.querySelector(part).focus({ preventScroll: true });
    };
  },

  rowHead(stem) {
    const { name, vocal } = data.stems[stem];
    const listen = vocal && button(
      { class: "quiet", data: { vocal: stem }, tabindex: -1, "aria-label": `Play the vocal of ${name}` }, icon("play"), "vocal");
    const vars = varsOf(stem).filter(([, value]) => value).map(([column, value]) =>
      button({ class: "var", tabindex: -1, data: { column, value }, title: `${column}: ${value}` }, value));
    return el("th", { scope: "row", role: "rowheader" },
      el("div", { class: "stem" }, el("span", { class: "stem-name" }, name), vars.length > 0 && el("p", { class: "vars" }, ...vars)), listen);
  },

  fill(row) {
    if (row.dataset.filled) return;
    row.dataset.filled = "yes";
    const stem = Number(row.dataset.stem);
    for (const preset of arranged.presets) {
      const cell = el("td", { role: "cell", data: { preset: data.presets[preset] } });
      const entries = arranged.cell(stem, preset);
      if (!entries.length) cell.classList.add("bare");
      paint(cell, preset);
      let point = "";
      for (const { job, variants: shown, why } of entries) {
        if (job.point !== point) cell.append(el("p", { class: "point", title: job.point }, job.point));
        point = job.point;
        for (const variant of shown) {
          const element = this.variant(variant);
          // A little room tells takes apart.
          element.classList.toggle("first", variant === shown[0]);
          cell.append(element);
        }
        if (why != null) cell.append(untold(job, why));
      }
      row.append(cell);
    }
    row.style.height = "";
    this.mark(transport.variant);
  },

  variant(variant) {
    const same = this.before.get(variant.id);
    const looks = JSON.stringify([variant.title, variant.files.track, remarksOf(variant), this.large]);
    if (same?.looks === looks) return same;
    const made = this.makeVariant(variant);
    made.looks = looks;
    return made;
  },

  makeVariant(variant) {
    const { star, note } = marks.of(variant);
    const { seconds, lufs, wave } = variant.files.track;
    const facts = [variantName(variant), seconds && clock(seconds), lufs != null && `${lufs} LUFS`, variant.unverified && "not verified"];
    const remarks = remarksOf(variant).join("; ");
    return el("div", { class: "variant", data: { id: variant.id, noted: note ? "yes" : "", former: variant.job.former ? "yes" : "" } },
      button({ class: "play", tabindex: variant === this.entry ? 0 : -1, "aria-label": facts.filter(Boolean).join(", "), title: variant.unverified ? `${variant.title} (not verified: ${variant.unverified})` : variant.title },
        el("span", { class: "place" }, `${variantLabel(variant)}${variant.unverified ? "?" : ""}`), el("span", { class: "noted", title: "has a note", "aria-hidden": "true" }, "✎"), remarks && el("span", { class: "remarked", title: remarks }, "!"),
        waveform(wave ?? ""), el("span", { class: "length" }, clock(seconds))),
      button({ class: "star", tabindex: -1, "aria-pressed": String(!!star), "aria-label": "Star" }, icon("star")));
  },

  element: (variant) => variant && document.querySelector(`.variant[data-id="${variant.id}"]`),

  /** Shows which variant is chosen and heard; the row is filled if need be. */
  mark(variant) {
    for (const was of document.querySelectorAll(".variant.chosen")) {
      was.classList.remove("chosen");
      const canvas = was.querySelector("canvas");
      canvas.played = 0;
      redraw(canvas);
      was.querySelector(".play").tabIndex = -1;
      was.querySelector(".play").removeAttribute("aria-current");
    }
    const now = this.element(variant);
    if (!now || blind.running) return;
    now.classList.add("chosen");
    now.querySelector(".play").tabIndex = 0;
    now.querySelector(".play").setAttribute("aria-current", "true");
  },

  /** Brings a variant into sight. */
  reveal(variant) {
    const row = this.rows.get(variant.job.stem);
    if (!row) return;
    this.fill(row);
    this.mark(variant);
    this.element(variant)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  },

  /** How far the chosen variant has been heard. */
  moved() {
    const canvas = this.element(transport.variant)?.querySelector("canvas");
    if (canvas && !blind.running && transport.duration) draw(canvas, canvas.wave, transport.position / transport.duration);
  },

  remark(variant) {
    const found = variant ? [this.element(variant)] : document.querySelectorAll(".variant");
    for (const element of found) {
      if (!element) continue;
      const { star, note } = marks.of(variantById.get(element.dataset.id));
      element.querySelector(".star").setAttribute("aria-pressed", String(!!star));
      element.dataset.noted = note ? "yes" : "";
    }
  },
};

grid.sight = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    grid.sight.unobserve(target);
    grid.fill(target);
  }
}, { rootMargin: "300px" });

/** The shape and colour of a preset. */
function mark(preset) {
  const made = el("span", { class: "mark", "aria-hidden": "true", data: { shape: preset % SHAPES } });
  paint(made, preset);
  return made;
}

/** Gives an element the colour of a preset: hues far from each other follow one another. */
function paint(element, preset) {
  element.style.setProperty("--hue", String(Math.round(200 + preset * 137.5) % 360));
}

const SHAPES = 4;

/** Why nothing is shown, and what helps. */
function nothing() {
  const clear = button({ class: "primary", onclick: () => setFilter("") }, "Clear the filter");
  const everything = button({ class: "primary", onclick: () => setShow("all") }, "Show everything");
  const say = (text, ...more) => [el("p", {}, text), ...more];
  if (!data.jobs.length) return say("The manifest has no jobs.");
  if (view.filter) {
    const { unknown } = arranged;
    const near = unknown && nearestKey(unknown);
    const hint = unknown && ` No column, setting or key is called “${unknown}”${near ? `; did you mean “${near}”?` : "."}`;
    return say(`Nothing matches “${view.filter}”.${hint || ""}`, clear);
  }
  if (view.show === "starred") return say("No variant has a star yet. Press the star beside a variant.", everything);
  if (view.show === "noted") return say("No variant has a note yet. Write one in the player's field.", everything);
  if (view.show === "remarked") return say("No track has a remark.", everything);
  if (view.show === "none") return say("Every job has all of its tracks.", everything);
  return say("No track is on disk yet. Run the manifest, then open this page again.", everything);
}

/** A job without all tracks, and why. */
function untold(job, why) {
  return el("details", { class: "untold", data: { sign: job.sign, job: job.key } },
    el("summary", {}, el("span", {}, el("span", { class: "sign", "aria-hidden": "true" }, job.sign), ` take ${job.take} ${job.state}`),
      why && el("span", { class: "why-short", title: why }, why)),
    el("p", {}, `take ${job.take}: ${why || job.state}`),
    job.task && el("p", { class: "soft" }, `task ${job.task}`));
}

const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

$("grid").addEventListener("click", (event) => {
  const pressed = event.target.closest("button");
  if (!pressed) return;
  if (pressed.dataset.column) {
    const { column, value } = pressed.dataset;
    return setFilter(`${column}=${/\s/.test(value) ? `"${value}"` : value}`);
  }
  if (pressed.dataset.vocal) {
    const variant = arranged.ofStem(Number(pressed.dataset.vocal))[0]
      ?? variants.find((it) => it.job.stem === Number(pressed.dataset.vocal));
    if (variant) transport.choose(variant, { play: true, source: "vocal" });
    return;
  }
  const variant = variantById.get(pressed.closest(".variant")?.dataset.id);
  if (!variant) return;
  if (pressed.classList.contains("star")) return marks.toggleStar(variant);
  if (variant === transport.variant && transport.source !== "vocal") transport.toggle();
  else transport.choose(variant, { play: true, source: transport.source === "vocal" ? "track" : transport.source });
});

listen("choice", () => grid.mark(transport.variant));
listen("playing", () => grid.mark(transport.variant));
listen("time", () => grid.moved());
listen("marks", (variant) => grid.remark(variant));
