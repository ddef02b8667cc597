// ---- What a blind test shows: by preset and by the values of each swept setting, with how sure that is. The reports add up in the same way.

/** Adds the answers up by what `of` says of a job. Two sides that are the same in it say nothing about it. */
function tallyBy(answered, of) {
  const tally = new Map();
  const row = (name) => {
    if (!tally.has(name)) tally.set(name, { won: 0, lost: 0, same: 0 });
    return tally.get(name);
  };
  for (const { a, b, answer } of answered) {
    const [one, other] = [of(a), of(b)];
    if (one == null || other == null || one === other) continue;
    for (const [name, side] of [[one, "a"], [other, "b"]]) row(name)[answer === "same" ? "same" : answer === side ? "won" : "lost"] += 1;
  }
  return tally;
}

const shareOf = ({ won, lost, same }) => (won + same / 2) / (won + lost + same);

/** Wilson's 95 % interval of a share of `number` answers. */
function wilson(share, number) {
  const z = 1.959964;
  const middle = (share + z ** 2 / (2 * number)) / (1 + z ** 2 / number);
  const half = (z / (1 + z ** 2 / number)) * Math.sqrt((share * (1 - share)) / number + z ** 2 / (4 * number ** 2));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

const percent = (share) => `${Math.round(share * 100)} %`;

/** A table of a tally, the most preferred first; nothing where no answer told anything. */
function tallyTable(title, tally) {
  if (!tally.size) return null;
  const rows = [...tally].sort(([, one], [, other]) => shareOf(other) - shareOf(one));
  const head = [title, "share", "95 % interval", "answers", "won", "lost", "no difference"];
  // Roles, for a phone lays the rows out otherwise.
  return el("table", { class: "tally", role: "table" },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...head.map((name) => el("th", { scope: "col", role: "columnheader" }, name)))),
    el("tbody", { role: "rowgroup" }, ...rows.map(([name, it]) => {
      const number = it.won + it.lost + it.same;
      const [low, high] = wilson(shareOf(it), number);
      const cells = [percent(shareOf(it)), `${percent(low)} – ${percent(high)}`, number, it.won, it.lost, it.same];
      return el("tr", { role: "row" }, el("th", { scope: "row", role: "rowheader" }, name), ...cells.map((value) => el("td", { role: "cell" }, String(value))));
    })));
}
