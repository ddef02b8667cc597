// ---- Stars and notes, kept in the browser: by job and track, so that a later run's report has them too.

/** The name under which this page's marks are kept: the manifest's, and of a page on the disk its place, for all of those share one memory. */
const pageName = location.protocol === "file:" ? `${data.name}:${location.pathname}` : data.name;

const marks = {
  name: `marks:${pageName}`,
  all: {},
  lasting: true,

  load() {
    try {
      const kept = memory.get(this.name);
      const read = JSON.parse(kept ?? memory.get(`marks:${data.name}`) ?? "{}");
      this.all = read && typeof read === "object" && !Array.isArray(read) ? read : {};
      // Earlier versions kept the marks of all pages on the disk by the manifest's name alone: only this page's tracks are taken over.
      if (kept == null) this.all = Object.fromEntries(Object.entries(this.all).filter(([id]) => variantById.has(id)));
    } catch {
      this.all = {};
    }
  },

  of(variant) {
    return this.all[variant.id] ?? {};
  },

  /** Changes some marks of a variant; one without marks is forgotten. */
  set(variant, change) {
    // Another tab may have marked something since.
    if (this.lasting) this.load();
    const mark = { ...this.of(variant), ...change };
    if (!mark.star) delete mark.star;
    if (!mark.note) delete mark.note;
    // A later page may not show the track any more, and exports what is said of it all the same.
    if (mark.star || mark.note) this.all[variant.id] = { ...mark, of: factsOf(variant) };
    else delete this.all[variant.id];
    this.save();
    tell("marks", variant);
  },

  /** Adds the stars and notes of rows: `[[id, { star, note, of }], …]`. */
  add(rows) {
    if (this.lasting) this.load();
    for (const [id, mark] of rows) this.all[id] = { ...this.all[id], ...mark };
    this.save();
    tell("marks", null);
  },

  save() {
    this.lasting = memory.set(this.name, JSON.stringify(this.all));
    if (!this.lasting) say("This browser keeps nothing of this page: export stars and notes before you close it.");
  },

  toggleStar(variant) {
    const star = !this.of(variant).star;
    this.set(variant, { star });
    say(star ? "Starred" : "Star taken away");
  },
};

marks.load();
addEventListener("storage", (event) => {
  if (event.key !== `backline:${marks.name}`) return;
  marks.load();
  tell("marks", null);
});
