// ---- Waveforms: an outline of one character a column, drawn only when it is seen.

const HEIGHTS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const heightOf = new Map([...HEIGHTS].map((character, at) => [character, at / 63]));

/** Draws `wave` as bars in the canvas's own colour; up to the share `played` in its outline colour. */
function draw(canvas, wave, played = 0) {
  canvas.played = played;
  const { clientWidth: wide, clientHeight: high } = canvas;
  if (!wide || !high) return;
  const scale = Math.min(3, devicePixelRatio || 1);
  canvas.width = wide * scale;
  canvas.height = high * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const style = getComputedStyle(canvas);
  const columns = wave?.length || 0;
  if (!columns) {
    pen.fillStyle = style.color;
    pen.fillRect(0, high / 2 - 0.5, wide, 1);
    return;
  }
  const bars = Math.max(1, Math.min(columns, Math.floor(wide / 3)));
  const step = wide / bars;
  for (let bar = 0; bar < bars; bar += 1) {
    const [from, to] = [bar, bar + 1].map((at) => Math.floor((at * columns) / bars));
    let top = 0;
    for (let column = from; column < to; column += 1) top = Math.max(top, heightOf.get(wave[column]) ?? 0);
    const tall = Math.max(1.5, top * high);
    pen.fillStyle = (bar + 0.5) / bars <= played ? style.outlineColor : style.color;
    pen.fillRect(bar * step, (high - tall) / 2, Math.max(1, step - 1), tall);
  }
}

/** Canvases that wait to be seen. */
const waiting = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    waiting.unobserve(target);
    draw(target, target.wave, target.played);
  }
}, { rootMargin: "200px" });

function waveform(wave) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  canvas.wave = wave;
  waiting.observe(canvas);
  return canvas;
}

/** Has waveforms drawn anew, as they come into sight: without a name all of them, for the colours or the width have changed. */
function redraw(...canvases) {
  for (const canvas of canvases.length ? canvases : document.querySelectorAll("canvas")) {
    if (canvas.wave == null) continue;
    waiting.unobserve(canvas);
    waiting.observe(canvas);
  }
  if (!canvases.length) tell("time");
}
