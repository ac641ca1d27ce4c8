// Text, tables and buttons. The widget joins dom.js, chart.js and panel.js, in this order, to one module.

const DASH = "–";

// ---- text ----

const formats = new Map();
function fixed(value, decimals, signed = false) {
  if (value === null || value === undefined) return DASH;
  const key = `${decimals}${signed}`;
  if (!formats.has(key)) {
    const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    formats.set(key, new Intl.NumberFormat("en-US", signed ? { ...options, signDisplay: "exceptZero" } : options));
  }
  return formats.get(key).format(value);
}

/** A spread can be a thousandth of a basis point: below a tenth, four decimals. */
const bps = (value, signed = false) => fixed(value, value !== null && Math.abs(value) < 0.1 ? 4 : 2, signed);
const percent = (value, decimals) => (value === null ? DASH : `${fixed(value * 100, decimals)} %`);
const utc = (ms) => `${new Date(ms).toISOString().replace("T", " ").replace("Z", "")} UTC`;
const clock = (ms) => new Date(ms).toISOString().slice(11, 19);

function age(ms) {
  if (ms === null) return "never";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60000)} min ${Math.floor((ms / 1000) % 60)} s`;
}

/** The widest number of decimals seen so far, so that a column does not jitter as trailing zeros come and go. */
function widest() {
  let decimals = 0;
  return (values, cap) => {
    for (const value of values) {
      if (value === null) continue;
      const digits = value.toFixed(8).replace(/0+$/, "").split(".")[1].length;
      decimals = Math.min(cap, Math.max(decimals, digits));
    }
    return decimals;
  };
}

// ---- DOM ----

function node(tag, name = "", ...children) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...children);
  return made;
}

function put(target, text, name) {
  if (target.textContent !== text) target.textContent = text;
  if (name !== undefined && target.className !== name) target.className = name;
}

/** Rows are reused: `cells` are makers, and `fill(cells of a row, datum)` writes them. */
function table(heads) {
  const body = node("tbody");
  const head = node("tr", "", ...heads.map(([text, name]) => node("th", name, text)));
  for (const cell of head.children) cell.scope = "col";
  const root = node("table", "ck-table", node("thead", "", head), body);
  const show = (data, fill) => {
    while (body.children.length > data.length) body.lastChild.remove();
    while (body.children.length < data.length) {
      body.append(node("tr", "", ...heads.map(([, name]) => node("td", name, ...(name === "ck-bar" ? [bar()] : [])))));
    }
    data.forEach((datum, i) => fill(body.children[i].children, datum));
  };
  return { root, show };
}

const bar = () => node("div", "ck-track", node("i"), node("span"));

function setBar(cell, value) {
  const [fill, text] = cell.firstChild.children;
  const half = Math.min(1, Math.abs(value ?? 0)) * 50;
  fill.style.left = `${value < 0 ? 50 - half : 50}%`;
  fill.style.width = `${half}%`;
  put(fill, "", value < 0 ? "ck-ask-fill" : "ck-bid-fill");
  put(text, fixed(value, 2, true));
}

/** A list of names and values; `set(key, text, class)`. */
function facts(rows) {
  const values = {};
  const root = node("dl", "ck-facts");
  for (const [key, label] of rows) {
    values[key] = node("dd");
    root.append(node("dt", "", label), values[key]);
  }
  return { root, set: (key, text, name = "") => put(values[key], text, name) };
}

// ---- a button that must be pressed twice ----

function command(label, name, send) {
  const button = node("button", `ck-button ${name}`, label);
  button.type = "button";
  let timer = 0;
  const disarm = () => {
    clearTimeout(timer);
    timer = 0;
    button.classList.remove("ck-armed");
    button.textContent = label;
  };
  button.addEventListener("click", () => {
    if (timer) { disarm(); send(); return; }
    button.classList.add("ck-armed");
    button.textContent = `Confirm ${label}`;
    timer = setTimeout(disarm, 4000);
  });
  return { root: button, disarm };
}
