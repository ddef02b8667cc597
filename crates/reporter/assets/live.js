// ---- A run that goes on: what the server pushes is put in its place, and nothing moves that is heard, chosen, focused or written.

const live = {
  /** Jobs that changed, by their place in the plan. */
  changed: new Map(),

  follow() {
    if (data.revision == null) return;
    $("live").hidden = false;
    this.tell("live");
    const source = new EventSource(`events?run=${encodeURIComponent(data.run)}&since=${data.revision}`);
    source.addEventListener("open", () => this.tell("live"));
    // Closed for good: the server has another run by now.
    source.addEventListener("error", () => this.tell(source.readyState === EventSource.CLOSED ? "ended" : "no connection"));
    source.addEventListener("job", (event) => {
      const { at, job } = JSON.parse(event.data);
      this.changed.set(at, job);
      this.soon();
    });
    source.addEventListener("head", (event) => {
      const { counts, gains, ended } = JSON.parse(event.data);
      $("counts").textContent = counts;
      $("gains").textContent = gains;
      if (!ended) return;
      source.close();
      this.tell("ended");
    });
  },

  tell(state) {
    $("live").textContent = state;
    $("live").dataset.state = state;
  },

  /** Many changes come together: they are drawn together. */
  soon() {
    this.due ??= setTimeout(() => {
      this.due = null;
      this.apply();
    }, 50);
  },

  /** During a blind test nothing changes behind it. */
  apply() {
    if (blind.running || !this.changed.size) return;
    const stems = new Set();
    let heard = 0;
    for (const [at, job] of this.changed) {
      if (!data.jobs[at]) continue;
      heard += replaceJob(at, job);
      stems.add(data.jobs[at].stem);
    }
    this.changed.clear();
    grid.renew(stems);
    dock.choice();
    if (heard) say(`${counted(heard, "new variant")}`);
  },
};

$("blind").addEventListener("close", () => live.soon());
