// The panel in the browser. Plain DOM and canvas: nothing is fetched, nothing is bundled.
// Comes after dom.js and chart.js in the same module.
// The kernel may die without a word, so this script alone judges whether the numbers still move.

const STALE_MS = 2000;
const BEAT_MS = 4000;

// ---- the panel ----

function build(send) {
  const venues = table([
    ["Venue", ""], ["State", ""], ["Bid", "ck-n"], ["size", "ck-n ck-dim"], ["Ask", "ck-n"], ["size", "ck-n ck-dim"],
    ["Spread bps", "ck-n"], ["Microprice", "ck-n"], ["Imb. top 1", "ck-bar"], ["Imb. top 5", "ck-bar"], ["Imb. top 10", "ck-bar"],
    ["Age", "ck-n"], ["Book age", "ck-n ck-dim"],
  ]);
  const orders = table([
    ["Order", ""], ["Kind", ""], ["Side", ""], ["Status", ""], ["Filled / qty", "ck-n"], ["Working at", "ck-n"], ["Average", "ck-n"],
    ["Slippage bps", "ck-n"], ["Reprices", "ck-n"], ["Note", "ck-note"],
  ]);
  const signal = facts([
    ["side", "Signal"], ["probability", "Probability"], ["size", "Size"], ["regime", "Regime"], ["hurst", "Hurst"],
    ["volatility", "Volatility"], ["trend", "Trend"], ["asof", "As of"], ["until", "Valid until"], ["reason", "Reason"],
  ]);
  const gate = facts([["gate", "Gate"], ["why", ""], ["guard", "Guard"], ["engine", "Engine"]]);
  const quote = facts([["bid", "Best bid"], ["ask", "Best ask"], ["spread", "Spread"], ["imbalance", "Imbalance"]]);
  quote.root.classList.add("ck-quote");
  const spread = chart("Spread", "bps"), imbalance = chart("Imbalance", "venues: top 5 levels; best of all: best quotes", [-1, 1]);
  const ui = {
    venues, orders, signal, gate, quote, spread, imbalance,
    badge: node("strong", "ck-badge"), symbol: node("b", "ck-symbol"), time: node("span", "ck-time"),
    said: node("span", "ck-said"), alarm: node("div", "ck-alarm"), mark: node("div", "ck-mark"),
    legend: node("div", "ck-legend"), reasons: node("p", "ck-none"), none: node("p", "ck-none", "No orders"), more: node("p", "ck-none"),
    kill: command("KILL", "ck-kill", () => send("kill")), resume: command("Resume", "", () => send("resume")),
  };
  ui.alarm.setAttribute("role", "alert");
  ui.said.setAttribute("role", "status");
  ui.mark.setAttribute("aria-hidden", "true");
  const head = node("header", "ck-head", ui.badge, ui.symbol, ui.time, ui.said, ui.resume.root, ui.kill.root);
  const market = node("section", "ck-market", quote.root, node("div", "ck-scroll", venues.root), ui.reasons, ui.legend, spread.root, imbalance.root);
  const macro = node("section", "ck-macro", node("h3", "", "Macro signal"), signal.root, node("h3", "", "May it trade?"), gate.root);
  const working = node("section", "ck-orders", node("h3", "", "Orders"), node("div", "ck-scroll", orders.root), ui.none, ui.more);
  ui.root = node("div", "ck", head, ui.alarm, node("div", "ck-body", market, macro, working, ui.mark));
  return ui;
}

const tone = { LIVE: "ck-good", SYNCING: "ck-warn", STALE: "ck-warn", INIT: "ck-dim", GAP: "ck-bad" };
const sideTone = (side) => (side === "BUY" ? "ck-bid" : side === "SELL" ? "ck-ask" : "ck-dim");

function showMarket(ui, view, digits, later) {
  const { quote, venues } = view;
  const price = digits.price([quote.bid, quote.ask, ...venues.flatMap((v) => [v.bid, v.ask])], 8);
  const qty = digits.qty([quote.bid_qty, quote.ask_qty, ...venues.flatMap((v) => [v.bid_qty, v.ask_qty])], 3);
  ui.quote.set("bid", `${fixed(quote.bid, price)} ${quote.bid_venue}`, "ck-bid");
  ui.quote.set("ask", `${fixed(quote.ask, price)} ${quote.ask_venue}`, "ck-ask");
  ui.quote.set("spread", `${bps(quote.spread_bps)} bps${quote.crossed ? " CROSSED" : ""}`, quote.crossed ? "ck-bad" : "");
  ui.quote.set("imbalance", fixed(quote.imbalance, 2, true));
  ui.venues.show(venues, (cells, v) => {
    put(cells[0], v.venue);
    put(cells[1], v.standing, v.verified || v.state !== "LIVE" ? tone[v.state] : "ck-warn");
    put(cells[2], fixed(v.bid, price));
    put(cells[3], fixed(v.bid_qty, qty));
    put(cells[4], fixed(v.ask, price));
    put(cells[5], fixed(v.ask_qty, qty));
    put(cells[6], bps(v.spread_bps));
    put(cells[7], fixed(v.microprice, Math.min(8, price + 1)));
    v.imbalance.forEach((value, i) => setBar(cells[8 + i], value));
    showAges(cells, v, later);
  });
  put(ui.reasons, venues.filter((v) => v.state_reason).map((v) => `${v.venue}: ${v.state_reason}`).join(" · "));
}

function showAges(cells, venue, later) {
  const old = venue.age_ms === null || venue.age_ms + later > STALE_MS;
  put(cells[11], age(venue.age_ms === null ? null : venue.age_ms + later), old ? "ck-n ck-warn" : "ck-n");
  put(cells[12], age(venue.book_age_ms === null ? null : venue.book_age_ms + later));
}

function showMacro(ui, view) {
  const { signal, verdict } = view;
  const good = signal !== null && signal.state === "valid";
  const set = (key, text, name) => ui.signal.set(key, signal === null ? DASH : text(), name);
  ui.signal.set("side", signal === null ? "none yet" : good ? signal.side : `${signal.side}, ${signal.state.toUpperCase()}`,
    signal === null ? "ck-dim" : good ? `ck-strong ${sideTone(signal.side)}` : "ck-strong ck-warn");
  set("probability", () => percent(signal.probability, 1));
  set("size", () => `${percent(signal.fraction, 1)} of equity`);
  set("regime", () => signal.regime);
  set("hurst", () => fixed(signal.hurst, 2));
  set("volatility", () => `${percent(signal.volatility, 0)} a year`);
  set("trend", () => `${fixed(signal.trend, 1, true)} × its noise`);
  set("asof", () => utc(signal.asof_ms).replace(/\.\d+/, ""));
  set("until", () => utc(signal.valid_until_ms).replace(/\.\d+/, "") + (signal.state === "expired" ? " EXPIRED" : ""), good ? "" : "ck-warn");
  set("reason", () => signal.reason);
  ui.gate.set("gate", verdict === null ? "not asked yet" : verdict.allowed ? "ALLOWED" : "BLOCKED",
    verdict === null ? "ck-dim" : verdict.allowed ? "ck-strong ck-good" : "ck-strong ck-bad");
  ui.gate.set("why", verdict === null ? "" : verdict.text);
  ui.gate.set("guard", view.guard, view.guard === "ok" ? "ck-good" : "ck-strong ck-bad");
  ui.gate.set("engine", view.engine, view.engine === "running" ? "ck-good" : "ck-strong ck-warn");
}

function showOrders(ui, view, digits) {
  const { orders } = view;
  const price = digits.price([], 8);
  const size = (value) => (value === null ? DASH : String(Number(value.toFixed(8))));
  ui.orders.show(orders, (cells, o) => {
    put(cells[0], `${o.id} · ${o.venue}`);
    put(cells[1], o.forced ? "DRILL" : o.purpose, o.forced ? "ck-drill" : "");
    put(cells[2], o.side, sideTone(o.side));
    put(cells[3], o.status, o.status === "working" ? "ck-good" : o.status === "failed" ? "ck-bad" : "");
    put(cells[4], `${size(o.filled)} / ${size(o.qty)}`);
    put(cells[5], fixed(o.working_price, price));
    put(cells[6], fixed(o.average_price, Math.min(8, price + 1)));
    put(cells[7], bps(o.slippage_bps, true));
    put(cells[8], String(o.reprices));
    put(cells[9], o.note);
  });
  ui.orders.root.parentElement.hidden = !orders.length;
  ui.none.hidden = orders.length > 0;
  put(ui.more, view.orders_hidden ? `and ${view.orders_hidden} older` : "");
}

/** Why the numbers must not be taken for live, or "". */
function alarm(frame, silence) {
  if (!frame?.view) return frame?.fault ? `NO DATA · ${frame.fault}` : "WAITING for the kernel's first message";
  if (frame.closed) return `CLOSED · the panel was closed; the numbers are of ${utc(frame.view.asof_ms)}`;
  if (silence === Infinity) return "STALE · nothing was heard from the kernel since this view was opened";
  if (silence > STALE_MS) return `STALE · the kernel has been silent for ${age(silence)}: every number below is old`;
  if (frame.fault) return `STALE · the engine can't be read: ${frame.fault}`;
  const still = frame.standing_ms + silence;
  if (still > STALE_MS) return `STALE · market time has stood still for ${age(still)} (engine: ${frame.view.engine})`;
  if (frame.lag_ms > STALE_MS) return `STALE · the engine is ${age(frame.lag_ms)} behind`;
  return "";
}

function saidText(said, pending) {
  if (pending) {
    const waited = performance.now() - pending.at;
    return [`${pending.name} sent${waited > 1500 ? `, NO ANSWER for ${age(waited)}` : " …"}`, "ck-said ck-strong ck-bad"];
  }
  if (!said) return ["", "ck-said"];
  const name = said.state === "done" ? "ck-said ck-strong" : "ck-said ck-strong ck-bad";
  return [`${said.name} ${said.state} at ${clock(said.at_ms)} UTC${said.text ? `: ${said.text}` : ""}`, name];
}

/** Reads a CSS variable; the answers are forgotten once a second, since the theme may change. */
function styles(root) {
  let computed = null, cache = {}, until = 0;
  return (name) => {
    if (performance.now() > until) {
      computed = getComputedStyle(root);
      cache = {};
      until = performance.now() + 1000;
    }
    return (cache[name] ??= computed.getPropertyValue(name).trim());
  };
}

function paint(ui, state) {
  const { frame, points, names, digits, style } = state;
  if (!frame?.view) return;
  const view = frame.view;
  ui.root.dataset.mode = view.mode;
  put(ui.badge, view.mode === "LIVE" ? "LIVE · REAL MONEY" : view.mode);
  put(ui.mark, view.mode);
  put(ui.symbol, view.symbol);
  put(ui.time, `market time ${utc(view.asof_ms)}`);
  showMarket(ui, view, digits, state.later());
  showMacro(ui, view);
  showOrders(ui, view, digits);
  for (const name of ["kill", "resume"]) ui[name].root.hidden = !frame.commands.includes(name);
  if (ui.legend.childElementCount !== names.length) {
    ui.legend.replaceChildren(...names.map((name, i) => {
      const key = node("i");
      key.style.background = `var(${SERIES[i % SERIES.length]})`;
      return node("span", "", key, name);
    }));
  }
  ui.spread.draw(points, "spread", names, style);
  ui.imbalance.draw(points, "imbalance", names, style);
}

function judge(ui, state) {
  const why = alarm(state.frame, state.silence());
  put(ui.alarm, why);
  ui.alarm.hidden = !why;
  ui.root.dataset.stale = String(Boolean(why));
  put(ui.said, ...saidText(state.frame?.said, state.pending));
  (state.frame?.view?.venues ?? []).forEach((venue, i) => {
    const row = ui.venues.root.tBodies[0].children[i];
    if (row) showAges(row.children, venue, state.later());
  });
}

function render({ model, el }) {
  const state = { frame: null, points: [], names: [], heard: null, pending: null, digits: { price: widest(), qty: widest() } };
  // Both clocks: a sleeping computer may stop the one, a corrected wall clock may set back the other.
  state.silence = () =>
    state.heard ? Math.max(performance.now() - state.heard.tick, Date.now() - state.heard.wall, 0) : Infinity;
  state.later = () => {
    if (state.frame?.view?.mode === "REPLAY") return 0;
    return (state.frame?.lag_ms ?? 0) + (state.heard ? state.silence() : 0);
  };
  const say = (kind) => {
    try { model.send({ kind, n: state.frame?.n ?? 0 }); } catch { /* no kernel: the alarm says so */ }
  };
  const ui = build((name) => {
    state.pending = { name, at: performance.now() };
    say(name);
    judge(ui, state);
  });
  el.append(ui.root);
  state.style = styles(ui.root);

  let lastBeat = 0, due = 0;
  const beat = () => {
    const wait = state.silence() > 60000 ? 10 * BEAT_MS : BEAT_MS;
    if (performance.now() - lastBeat < wait || state.frame?.closed) return;
    lastBeat = performance.now();
    say("alive");
  };
  const schedule = () => { due ||= requestAnimationFrame(() => { due = 0; paint(ui, state); judge(ui, state); }); };
  const loadHistory = () => {
    const history = model.get("history") ?? { names: [], points: [] };
    const last = history.points.at(-1)?.n ?? 0;
    state.names = history.names;
    state.points = [...history.points, ...state.points.filter((point) => point.n > last)];
    schedule();
  };
  const take = () => {
    const frame = model.get("frame");
    if (frame?.n === undefined) return;
    if (frame.said?.at_ms !== state.frame?.said?.at_ms) state.pending = null;
    state.frame = frame;
    state.names = frame.names;
    const last = state.points.at(-1)?.n ?? 0;
    state.points.push(...frame.points.filter((point) => point.n > last));
    const gone = state.points.findIndex((point) => point.n >= frame.first);
    if (gone) state.points.splice(0, gone < 0 ? state.points.length : gone);
    schedule();
  };
  const hear = () => {
    state.heard = { tick: performance.now(), wall: Date.now() };
    take();
    beat();
  };
  model.on("change:frame", hear);
  model.on("change:history", loadHistory);
  document.addEventListener("visibilitychange", beat);
  const sizes = new ResizeObserver(schedule);
  sizes.observe(ui.root);
  const timer = setInterval(() => { beat(); judge(ui, state); }, 250);
  loadHistory();
  take();
  judge(ui, state);
  say("hello");
  return () => {
    clearInterval(timer);
    sizes.disconnect();
    document.removeEventListener("visibilitychange", beat);
    model.off("change:frame", hear);
    model.off("change:history", loadHistory);
    for (const button of [ui.kill, ui.resume]) button.disarm();
  };
}

export default { render };
