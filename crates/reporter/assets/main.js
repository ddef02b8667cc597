// ---- Keys, colours, help, and the beginning.

const narrow = matchMedia("(max-width: 700px)");
const THEMES = [["", "Colours: system"], ["light", "Colours: light"], ["dark", "Colours: dark"]];

const KEYS = [
  ["Space", "play or pause", () => playOrPause()],
  ["← →", `back or forward by ${STEP_S} seconds`, null],
  ["↑ ↓", "previous or next variant of the stem, at the same moment", null],
  ["1 – 9", "first to ninth variant of the cell", null],
  ["n p", "next or previous variant of all", null],
  ["v", "track, mix with the vocal, vocal, stems", () => hearNext()],
  ["s", "star", () => transport.variant && marks.toggleStar(transport.variant)],
  ["i", "open or close the details of the variant", () => details.open()],
  ["e", "write a note; Enter leaves it", () => transport.variant && dock.note.focus()],
  ["l", "loudness matched or as it is", () => transport.setMatched(!transport.matched)],
  ["/", "filter", () => $("filter").focus()],
  ["b", "blind test", () => blind.open()],
  ["?", "this help", () => $("help").showModal()],
  ["Esc", "leave a field, a dialog or the details", null],
];
const MOVES = {
  ArrowLeft: () => transport.seek(transport.position - STEP_S),
  ArrowRight: () => transport.seek(transport.position + STEP_S),
  ArrowUp: () => step(-1),
  ArrowDown: () => step(1),
  n: () => step(1, true),
  p: () => step(-1, true),
  " ": () => playOrPause(),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { target } = event;
  const writes = target.matches("input, select, textarea");
  const inDialog = document.querySelector("dialog[open]");
  if (event.key === "Escape" && !inDialog) {
    if (writes) target.blur();
    else details.open(false);
  }
  if (writes) return;
  if (blind.running) {
    if (event.key === " " && target.closest("button:not(.side)")) return;
    if (blind.key(event)) event.preventDefault();
    return;
  }
  if (inDialog) return;
  // A focused control keeps its own keys.
  const presses = event.key === "Enter" || (event.key === " " && target !== returned);
  if (presses && target.closest("button, summary, a")) return;
  const act = MOVES[event.key]
    ?? (/^[1-9]$/.test(event.key) ? () => pick(Number(event.key)) : KEYS.find(([key]) => key === event.key)?.[2]);
  if (!act) return;
  event.preventDefault();
  act();
});

// A click with a pointer leaves the keys to the page.
addEventListener("click", (event) => {
  if (event.detail > 0 && !event.target.closest("dialog")) event.target.closest("button")?.blur();
});

/** The button that a dialog gave the focus back to: Space plays there, Enter opens the dialog again. */
let returned = null;
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("close", () => { returned = document.activeElement.closest("button"); });
}
addEventListener("focusout", () => { returned = null; });
// A button that has the focus is pressed when the key goes up.
addEventListener("keyup", (event) => event.key === " " && event.target === returned && event.preventDefault());

function buildHelp() {
  $("about").before(
    dialogHead("help-title", "Help"),
    el("dl", { class: "keys" }, ...KEYS.flatMap(([key, what]) => [
      el("dt", {}, ...key.split(" ").map((one) => el("kbd", {}, one))), el("dd", {}, what)])),
    el("p", {}, "A cell names each variant by its take and its track: 2.1 is track 1 of take 2. ",
      "~2.1 is a track of an earlier version: the manifest has changed since. ✎ has a note, ! has remarks."),
    el("p", {}, "A word in the filter is searched everywhere. Conditions are those of ", el("code", {}, "--filter"), ": ",
      el("code", {}, "preset=lofi"), ", ", el("code", {}, "stem!=intro*"), ", ", el("code", {}, "take=1,2"), ", ",
      el("code", {}, "state=failed or state=vetoed"), ", a column, or a setting."),
    el("p", { class: "soft" }, "Stars and notes stay in this browser, for this page's address: Export saves them, and another page imports them. ",
      "Sound files lie beside this page: move them together. ",
      "Where a device lets no page set its volume, loudness is as it is."));
}

function buildTheme() {
  const shown = () => document.documentElement.dataset.theme ?? "";
  const show = () => {
    const [theme, name] = THEMES.find(([it]) => it === shown());
    $("theme").textContent = { "": "◐", light: "○", dark: "●" }[theme];
    $("theme").setAttribute("aria-label", name);
    $("theme").title = name;
    redraw();
  };
  $("theme").addEventListener("click", () => {
    const at = THEMES.findIndex(([theme]) => theme === shown());
    const [theme] = THEMES[(at + 1) % THEMES.length];
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    memory.set("theme", theme);
    show();
  });
  show();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());
}

/** Puts a text into the filter, and shows what it leaves. */
function setFilter(text) {
  $("filter").value = text;
  view.filter = text;
  refresh();
  say(counted(arranged.all.length, "variant"));
}

function setShow(show) {
  $("show").value = show;
  view.show = show;
  refresh();
}

/** The catalogue's columns: in the list of orders, and offered by the filter. */
function buildColumns() {
  $("columns").append(...filterKeys().map((name) => el("option", { value: `${name}=` })));
  if (!columns.length) return;
  $("sort").append(el("optgroup", { label: "by column" }, ...columns.map((name) => el("option", { value: `column:${name}` }, name))));
}

/** Works out and shows the view. */
function refresh() {
  arranged = arrange();
  grid.show();
  grid.mark(transport.variant);
}

function buildView() {
  let late;
  $("filter").addEventListener("input", () => {
    clearTimeout(late);
    late = setTimeout(() => {
      view.filter = $("filter").value;
      refresh();
      say(counted(arranged.all.length, "variant"));
    }, 120);
  });
  for (const choice of ["show", "sort"]) {
    $(choice).addEventListener("change", () => {
      view[choice] = $(choice).value;
      refresh();
      say(counted(arranged.all.length, "variant"));
    });
  }
}

dock.build();
details.build();
buildColumns();
buildHelp();
buildView();
$("open-help").addEventListener("click", () => $("help").showModal());
$("open-exports").addEventListener("click", openExports);
$("open-blind").addEventListener("click", () => blind.open());
refresh();
buildTheme();
let resized;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(() => redraw(), 100);
});
tick();
live.follow();
// Since the page was asked for, in milliseconds: when it could first be used.
document.documentElement.dataset.ready = String(Math.round(performance.now()));
