// ---- Elements. Whatever comes from the data becomes text or an attribute, never markup.

const $ = (id) => document.getElementById(id);

/** An element: `on…` are listeners, `data` goes to its dataset, true and false are attributes without a value. */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null && child !== false));
  return made;
}

/** A button that never sends a form. */
const button = (attributes, ...children) => el("button", { type: "button", ...attributes }, ...children);

/** A drawing that stands in the page as a template. */
const icon = (name) => $(`icon-${name}`).content.cloneNode(true);

/** `3:07` for 187.4 seconds. */
function clock(seconds) {
  if (!Number.isFinite(seconds)) return "–:––";
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Tells screen readers. */
function say(text) {
  $("said").textContent = text;
}

/** Who wants to know of what: `listen("marks", f)`, `tell("marks", …)`. */
const listeners = new Map();
const listen = (topic, listener) => listeners.set(topic, [...(listeners.get(topic) ?? []), listener]);
const tell = (topic, ...facts) => (listeners.get(topic) ?? []).forEach((listener) => listener(...facts));

/** What the browser remembers, or nothing where it may not. */
const memory = {
  get(name) {
    try {
      return localStorage.getItem(`backline:${name}`);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`backline:${name}`, value);
      return true;
    } catch {
      return false;
    }
  },
};
