// ---- Stems: the parts of a track that a step took it apart into. They sound together, each from its own file; a switch silences one.

/** How the name of a source begins that is a set of stems. */
const SET = "stems:";

const TITLES = { wav: "WAV", midi: "MIDI" };

/** What people call a step or its file. */
const titleOf = (name) => TITLES[name] ?? name;

const mixer = {
  /** The names of parts that are switched off, and of the one that is heard alone. They stay so for other variants. */
  off: new Set(),
  only: null,

  isHeard(name, parts) {
    return parts.some((part) => part.name === this.only) ? name === this.only : !this.off.has(name);
  },

  /** Switches a part on or off. What was heard alone is then heard beside it. */
  toggle(name) {
    const { parts } = transport;
    this.off = new Set(parts.map((part) => part.name).filter((it) => !this.isHeard(it, parts)));
    this.only = null;
    if (!this.off.delete(name)) this.off.add(name);
    this.changed();
    say(`${name} ${this.off.has(name) ? "off" : "on"}`);
  },

  /** Lets a part be heard alone, or all that are switched on again. */
  alone(name) {
    this.only = this.only === name ? null : name;
    this.changed();
    say(this.only ? `Only ${name}` : "All stems that are switched on");
  },

  changed() {
    transport.silence();
    this.show();
  },

  build() {
    this.element = el("div", { class: "parts", role: "group", "aria-label": "Stems", hidden: true });
    return this.element;
  },

  /** Shows the switches of the stems that are chosen; the same ones stay, for one of them may have the focus. */
  show() {
    const { parts } = transport;
    this.element.hidden = !parts;
    if (!parts) return;
    const shown = JSON.stringify(parts);
    if (this.shown !== shown) {
      this.shown = shown;
      this.element.replaceChildren(...parts.map(({ name, wave }) => el("span", { class: "part", role: "group", "aria-label": name, data: { part: name } },
        button({ class: "part-on", onclick: () => this.toggle(name) }, waveform(wave ?? ""), el("span", {}, name)),
        button({ class: "part-only", "aria-label": `Only ${name}`, title: `Only ${name}`, onclick: () => this.alone(name) }, "solo"))));
    }
    for (const element of this.element.children) {
      const name = element.dataset.part;
      element.querySelector(".part-on").setAttribute("aria-pressed", String(this.isHeard(name, parts)));
      element.querySelector(".part-only").setAttribute("aria-pressed", String(this.only === name));
    }
    redraw(...this.element.querySelectorAll("canvas"));
  },
};
