"use strict";
(() => {
const source = document.getElementById("data");
const data = JSON.parse(source.textContent);
const section = document.getElementById("graph");
if (!section) return;
section.hidden = false;
const { nodes, edges, paths, spans } = data;
const at = (id) => document.getElementById(id);

// Every text gets into the page by this, as a text.
const make = (tag, about, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(about || {})) {
    if (name === "click") made.addEventListener("click", value);
    else if (name === "class") made.className = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((each) => each !== "" && each !== null));
  return made;
};
const number = (value) => value.toLocaleString("en-GB");
const counted = (value, one, many) => `${number(value)} ${value === 1 ? one : many || one + "s"}`;
const time = (value) => new Date(value).toISOString().slice(0, 19).replace("T", " ");

/* What is drawn, and how. */

const LIGHT = {
  ink: "#1b2733", paper: "#ffffff", actor: "#0072b2", credential: "#cc79a7", target: "#5f6b76",
  low: "#8a97a4", medium: "#e69f00", high: "#b3261e", halo: "#9ecbf2", chosen: "#111111",
};
const DARK = {
  ink: "#e6ebf0", paper: "#161d24", actor: "#56b4e9", credential: "#e6a0c6", target: "#a9b5c0",
  low: "#7f8e9c", medium: "#f5b52e", high: "#ff6f61", halo: "#2d567c", chosen: "#ffffff",
};
const SHAPES = {
  user: "ellipse", federated: "ellipse", role: "hexagon", service: "octagon", account: "pentagon",
  ip: "diamond", key: "triangle", s3: "barrel", ec2: "rectangle", secret: "star",
  function: "rhomboid", resource: "round-rectangle",
};
const GROUPS = {
  user: "actor", federated: "actor", role: "actor", service: "actor", account: "actor",
  ip: "credential", key: "credential",
};
const dark = matchMedia("(prefers-color-scheme: dark)");
const styles = (colour) => [
  { selector: "node", style: {
    shape: (node) => SHAPES[node.data("kind")], width: 30, height: 30,
    "background-color": (node) => colour[GROUPS[node.data("kind")] || "target"],
    label: "data(label)", color: colour.ink, "font-size": 16, "font-family": "system-ui, sans-serif",
    "text-valign": "bottom", "text-margin-y": 4, "min-zoomed-font-size": 6,
    "text-background-color": colour.paper, "text-background-opacity": 0.8, "text-background-padding": 1,
  } },
  { selector: "node[kind = 'resource']", style: { width: 30, height: 16 } },
  { selector: "node[kind = 'federated']", style: {
    "background-color": colour.paper, "border-width": 5, "border-color": colour.actor } },
  { selector: "node.spine", style: { width: 46, height: 46, "font-size": 21, "font-weight": "bold", "z-index": 20 } },
  { selector: "edge", style: {
    width: "data(width)", "curve-style": "straight", "line-color": colour.low, opacity: 0.75,
    "target-arrow-shape": "triangle", "target-arrow-color": colour.low, "arrow-scale": 0.9,
  } },
  { selector: "edge.both", style: { "curve-style": "bezier", "control-point-step-size": 26 } },
  { selector: "edge.far", style: { "curve-style": "unbundled-bezier", "control-point-distances": "data(bend)" } },
  { selector: "edge[band = 1]", style: { "line-color": colour.medium, "target-arrow-color": colour.medium, opacity: 0.9 } },
  { selector: "edge[band = 2]", style: { "line-color": colour.high, "target-arrow-color": colour.high, opacity: 0.9 } },
  { selector: "edge[?refused]", style: { "line-style": "dashed", "line-dash-pattern": [7, 5] } },
  { selector: "edge.path", style: {
    opacity: 1, "underlay-color": colour.halo, "underlay-opacity": 0.8, "underlay-padding": 6, "z-index": 10 } },
  { selector: "edge.step", style: {
    label: "data(step)", color: colour.ink, "font-size": 17, "font-weight": "bold",
    "font-family": "system-ui, sans-serif", "min-zoomed-font-size": 6, "text-margin-y": -16,
    "text-background-color": colour.paper, "text-background-opacity": 0.85, "text-background-padding": 2 } },
  { selector: ".faded", style: { opacity: 0.2 } },
  { selector: "edge.faded", style: { "underlay-opacity": 0.15, opacity: 0.12 } },
  { selector: "node.chosen", style: { "border-width": 4, "border-color": colour.chosen } },
  { selector: "edge.chosen", style: { "line-color": colour.chosen, "target-arrow-color": colour.chosen, opacity: 1 } },
  { selector: ".hidden", style: { display: "none" } },
];

const pairs = new Set(edges.map((edge) => `${edge.s} ${edge.t}`));
const onPath = new Set(paths.flatMap((path) => path.edges));
const classes = (edge, place) => {
  const made = [];
  if (edge.s === edge.t || pairs.has(`${edge.t} ${edge.s}`)) made.push("both");
  else if (bend(edge)) made.push("far");
  if (onPath.has(place)) made.push("path");
  return made;
};
// A straight line would run through other nodes: it is bent, the more the more of them there are.
const bend = (edge, places = nodes) => {
  const one = places[edge.s], other = places[edge.t];
  const between = one.y !== other.y ? 0 : places.filter((each) => each && each.y === one.y
    && each.x > Math.min(one.x, other.x) && each.x < Math.max(one.x, other.x)).length;
  return between && (between % 2 ? -1 : 1) * (30 + 55 * Math.min(between, 4));
};
const wide = (events) => 1.2 + Math.log2(1 + events) * 0.55;

const cy = cytoscape({
  container: at("canvas"),
  elements: [
    ...nodes.map((node, place) => ({
      group: "nodes", data: { id: `n${place}`, place, kind: node.kind, label: node.label },
      position: { x: node.x, y: node.y }, classes: node.spine ? ["spine"] : [],
    })),
    ...edges.map((edge, place) => ({
      group: "edges", classes: classes(edge, place),
      data: { id: `e${place}`, place, source: `n${edge.s}`, target: `n${edge.t}`, width: 1, band: 0, refused: false, step: "", bend: bend(edge) },
    })),
  ],
  style: styles(dark.matches ? DARK : LIGHT),
  layout: { name: "preset" },
  minZoom: 0.03, maxZoom: 4, boxSelectionEnabled: false,
});
dark.addEventListener("change", () => cy.style(styles(dark.matches ? DARK : LIGHT)));
const nodeAt = nodes.map((_, place) => cy.getElementById(`n${place}`));
const edgeAt = edges.map((_, place) => cy.getElementById(`e${place}`));

/* A part of it. */

const ROWS = 6;
// The edges of the highest risk, and one of each requested node, as long as there are few nodes.
const important = () => {
  const spine = new Set(), ranked = edges.map((_, place) => place);
  const asked = ranked.filter((place) => [edges[place].s, edges[place].t].some((node) => {
    const fresh = nodes[node].spine && !spine.has(node);
    if (fresh) spine.add(node);
    return fresh;
  }));
  ranked.sort((a, b) => edges[b].risk - edges[a].risk || a - b);
  const used = new Set(), chosen = new Set();
  for (const place of [...asked, ...ranked]) {
    const { s, t } = edges[place];
    if (new Set([...used, s, t]).size > data.few) continue;
    used.add(s).add(t);
    chosen.add(place);
  }
  return chosen;
};
const most = nodes.length > data.legible ? important() : null;
const start = nodes.length <= data.legible ? "" : !paths.length ? "first"
  : new Set(paths.flatMap((path) => path.nodes)).size <= data.few ? "all" : "0";
// The edges of what is shown; null: all.
const part = (which) => which === "" ? null : which === "first" ? most
  : which === "all" ? onPath : new Set(paths[which].edges);
const nodesOf = (part) => new Set([...part].flatMap((place) => [edges[place].s, edges[place].t]));
// The nodes of a part stand close together, in the order that they have in the whole.
const close = (used) => {
  const layers = new Map();
  nodes.forEach((node, place) => {
    if (used.has(place)) layers.set(node.layer, [...(layers.get(node.layer) || []), place]);
  });
  const places = [];
  let x = 0;
  for (const layer of [...layers.keys()].sort((a, b) => a - b)) {
    const all = layers.get(layer).sort((a, b) => nodes[a].y - nodes[b].y || nodes[a].x - nodes[b].x);
    for (let from = 0; from < all.length; from += ROWS) {
      const column = all.slice(from, from + ROWS);
      column.forEach((node, row) => {
        places[node] = { x, y: (row - (column.length - 1) / 2) * 110 + (from / ROWS % 2) * 55 };
      });
      x += column.some((node) => nodes[node].spine) ? 330 : 240; // their names are larger
    }
  }
  return places;
};
const arrange = (used) => {
  const where = used ? close(used) : nodes;
  cy.batch(() => {
    where.forEach(({ x, y }, node) => nodeAt[node].position({ x, y }));
    edges.forEach((edge, number) => {
      if (!where[edge.s] || !where[edge.t] || edgeAt[number].hasClass("both")) return;
      const bent = bend(edge, where);
      edgeAt[number].data("bend", bent);
      edgeAt[number].toggleClass("far", Boolean(bent));
    });
  });
};

/* Filters. */

const last = spans.count - 1;
const state = { from: 0, until: last, outcome: "all", risk: 0, path: start, chosen: null };
const within = (edge) => {
  let events = 0, failed = 0, risk = 0;
  for (const [span, succeeded, refused, risk1, risk2] of edge.spans) {
    if (span < state.from || span > state.until) continue;
    if (state.outcome !== "failure" && succeeded) { events += succeeded; risk = Math.max(risk, risk1); }
    if (state.outcome !== "success" && refused) { events += refused; failed += refused; risk = Math.max(risk, risk2); }
  }
  return { events, failed, risk };
};
let shown = [];
const isPath = (which) => !["", "all", "first"].includes(which); // a single path
const apply = () => {
  const alone = part(state.path);
  shown = edges.map(within);
  const used = new Set();
  const steps = new Map();
  const named = isPath(state.path) ? [paths[state.path]] : paths.length === 1 ? [paths[0]] : [];
  for (const path of named) path.edges.forEach((edge, place) => steps.set(edge, `${place + 1} ${path.steps[place].call.slice(0, 40)}`));
  let visible = 0;
  cy.batch(() => {
    shown.forEach((found, place) => {
      const seen = found.events > 0 && found.risk >= state.risk && (!alone || alone.has(place));
      found.seen = seen;
      const edge = edgeAt[place];
      edge.toggleClass("hidden", !seen);
      edge.toggleClass("step", steps.has(place));
      if (!seen) return;
      visible += 1;
      used.add(edges[place].s).add(edges[place].t);
      edge.data({
        width: wide(found.events) + (onPath.has(place) ? 1 : 0), refused: found.failed === found.events,
        band: found.risk >= 8 ? 2 : found.risk >= 5 ? 1 : 0, step: steps.get(place) || "",
      });
    });
    nodes.forEach((_, place) => nodeAt[place].toggleClass("hidden", !used.has(place)));
  });
  at("said").textContent = `${number(visible)} of ${counted(edges.length, "edge")} and ${number(used.size)} of ${counted(nodes.length, "node")} shown.`;
  if (alone) {
    const hidden = edges.length - alone.size, out = nodes.length - nodesOf(alone).size;
    at("said").append(` ${state.path === "first" ? "These have the highest risk scores" : state.path === "all" ? "These are the paths" : "This is one path"}: ${counted(hidden, "edge")}${out ? ` and ${counted(out, "node")}` : ""} ${hidden + out === 1 ? "is" : "are"} hidden. `,
      make("button", { type: "button", click: () => showPath("") }, "Show all"));
  }
  times();
  if (state.chosen) choose(state.chosen, false);
  else whole();
};
const begins = (span) => spans.start + span * spans.length;
const times = () => {
  at("times").textContent = `${time(begins(state.from))} to ${time(begins(state.until + 1))}`;
  [...at("histogram").children].forEach((bar, span) =>
    bar.classList.toggle("out", span < state.from || span > state.until));
};
const histogram = () => {
  const totals = new Array(spans.count).fill(0);
  for (const edge of edges) for (const [span, succeeded, refused] of edge.spans) totals[span] += succeeded + refused;
  const most = Math.log2(1 + Math.max(1, ...totals));
  const step = 600 / spans.count;
  at("histogram").append(...totals.map((total, span) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const height = total ? Math.max(2, 34 * Math.log2(1 + total) / most) : 0;
    for (const [name, value] of Object.entries({ x: span * step, y: 36 - height, width: Math.max(0.5, step * 0.85), height })) bar.setAttribute(name, value);
    return bar;
  }));
};
for (const name of ["from", "until"]) {
  const input = at(name);
  input.max = last;
  input.value = name === "from" ? 0 : last;
  input.addEventListener("input", () => {
    state[name] = Number(input.value);
    if (state.from > state.until) {
      if (name === "from") state.from = state.until; else state.until = state.from;
      input.value = state[name];
    }
    soon();
  });
}
// One redraw for each frame, however fast a slider moves.
let waiting = false;
const soon = () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; apply(); });
};
at("outcome").addEventListener("change", (event) => { state.outcome = event.target.value; apply(); });
at("risk").addEventListener("change", (event) => { state.risk = Number(event.target.value); apply(); });
at("path")?.addEventListener("change", (event) => showPath(event.target.value));
const showPath = (value) => {
  state.path = value;
  if (at("path")) at("path").value = value;
  const seen = part(value);
  arrange(seen && nodesOf(seen));
  clear();
  apply();
  fit();
};
at("filters").addEventListener("submit", (event) => { event.preventDefault(); find(true); });
at("filters").addEventListener("reset", () => {
  Object.assign(state, { from: 0, until: last, outcome: "all", risk: 0, chosen: null });
  setTimeout(() => { at("from").value = 0; at("until").value = last; showPath(start); });
});

/* A node by its name. */

at("names").append(...nodes.slice(0, 2000).map((node) => make("option", { value: node.name.slice(0, 300) })));
let looked = "", hit = 0;
const find = (next) => {
  const text = at("search").value.trim().toLowerCase();
  if (!text) return;
  const found = nodes.map((node, place) => [node.name.toLowerCase(), place]).filter(([name]) => name.includes(text));
  found.sort((one, other) => (other[0] === text) - (one[0] === text));
  hit = next && looked === text ? hit + 1 : 0;
  looked = text;
  if (!found.length) { at("said").textContent = `No node here has “${at("search").value.trim()}” in its name.`; return; }
  const place = found[hit % found.length][1];
  choose({ node: place }, true);
  at("said").textContent = `${counted(found.length, "node")} found, the ${hit % found.length + 1}. chosen${nodeAt[place].hasClass("hidden") ? "; the filters hide it" : ""}.`;
};
at("search").addEventListener("change", () => find(false));

/* What is known of a node, an edge, the whole. */

const panel = at("panel");
const fill = (...children) => { panel.replaceChildren(...children); panel.scrollTop = 0; };
const term = (name, ...values) => [make("dt", null, name), make("dd", null, ...values)];
const copyable = (text) => {
  if (!text) return "";
  const code = make("code", null, text);
  const button = make("button", { type: "button", click: async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  } }, "Copy");
  return make("div", { class: "copy" }, code, button);
};
const score = (risk) => make("span", { class: `score ${risk >= 8 ? "high" : risk >= 5 ? "medium" : "low"}` }, String(risk));
const toNode = (place) => make("button", { type: "button", click: () => choose({ node: place }, true) }, nodes[place].name);
const few = (items, most, render) => {
  const list = make("ul", { class: "choices" }, ...items.slice(0, most).map(render));
  if (items.length > most) {
    const more = make("li", null, make("button", { type: "button", click: () => {
      more.replaceWith(...items.slice(most).map(render));
    } }, `Show ${number(items.length - most)} more`));
    list.append(more);
  }
  return list;
};

const nodePanel = (place) => {
  const node = nodes[place];
  const out = [], into = [];
  edges.forEach((edge, number) => {
    if (!shown[number].seen) return;
    if (edge.s === place) out.push(number);
    if (edge.t === place) into.push(number);
  });
  const all = [...out, ...into];
  const events = (list) => list.reduce((sum, each) => sum + shown[each].events, 0);
  const failed = (list) => list.reduce((sum, each) => sum + shown[each].failed, 0);
  const line = (list) => `${counted(events(list), "event")}${failed(list) ? `, ${number(failed(list))} failed` : ""}`;
  const row = (edge, other, mark) => make("li", null, make("button", { type: "button", click: () => choose({ edge }, true) },
    `${mark} ${nodes[other].name}: ${calls(edge)}`));
  const heaviest = (list) => [...list].sort((a, b) => shown[b].risk - shown[a].risk || shown[b].events - shown[a].events);
  fill(
    make("h2", null, node.name),
    make("p", { class: "quiet" }, `${data.kinds[node.kind]}${node.account ? ` of account ${node.account}` : ""}`),
    make("dl", null,
      ...(out.length ? term("did", line(out)) : []),
      ...(into.length ? term("done to it", line(into)) : []),
      ...(all.length ? [
        ...term("first", time(Math.min(...all.map((each) => edges[each].first)))),
        ...term("last", time(Math.max(...all.map((each) => edges[each].last)))),
        ...term("highest risk", score(Math.max(...all.map((each) => shown[each].risk)))),
      ] : term("shown", "nothing of it, by these filters"))),
    ...(out.length ? [make("h3", null, "What it did"), few(heaviest(out), 20, (each) => row(each, edges[each].t, "→"))] : []),
    ...(into.length ? [make("h3", null, "What was done to it"), few(heaviest(into), 20, (each) => row(each, edges[each].s, "←"))] : []),
    ...(node.commands.length ? [make("h3", null, "Further"), ...node.commands.map(copyable)] : []),
  );
};
const calls = (place) => {
  const edge = edges[place];
  const named = edge.calls.slice(0, 3).map(([name, count]) => count > 1 ? `${name} ×${number(count)}` : name);
  if (edge.calls.length > 3 || edge.other_calls) named.push("others");
  return named.join(", ");
};
const about = (event, extra) => make("div", { class: "event" },
  make("p", null, make("strong", null, event.call), event.failed ? ` (${event.error || "failed"})` : "", ` ${time(event.time)} `, event.risk ? score(event.risk) : ""),
  make("p", null, ...[extra, event.principal && `as ${event.principal}`, event.address && `from ${event.address}`,
    event.region && `in ${event.region}`, event.account && `account ${event.account}`].filter(Boolean).join(" · ")),
  event.key ? make("p", null, "key ", make("code", null, event.key)) : "",
  event.on && event.on.length ? make("p", null, `on ${event.on.join(", ")}`) : "",
  event.agent ? make("p", { class: "quiet" }, event.agent) : "",
  event.command ? copyable(event.command) : make("p", null, "event ", make("code", null, event.id)),
  /^https?:\/\//.test(event.link) ? make("p", null, make("a", { href: event.link, rel: "noreferrer" }, "Open in Dashboards")) : "",
);
const edgePanel = (place) => {
  const edge = edges[place];
  const found = shown[place];
  const whole = state.from === 0 && state.until === last && state.outcome === "all";
  const steps = paths.flatMap((path, which) => path.edges.map((each, step) => [each, path.steps[step], `step ${step + 1} of path ${which + 1}`]))
    .filter(([each]) => each === place);
  const values = (name, heading) => edge.named[name].length ? [make("h3", null, heading),
    make("ul", null, ...edge.named[name].map(([value, count]) => make("li", null, `${value} ×${number(count)}`)))] : [];
  fill(
    make("h2", null, `${nodes[edge.s].name} → ${nodes[edge.t].name}`),
    make("p", null, toNode(edge.s), " ", toNode(edge.t)),
    make("dl", null,
      ...term("events", number(edge.count), edge.failed ? `, ${number(edge.failed)} failed` : ", none failed"),
      ...(whole ? [] : term("by the filters", `${number(found.events)}${found.failed ? `, ${number(found.failed)} failed` : ""}`)),
      ...term("first", time(edge.first)), ...term("last", time(edge.last)), ...term("highest risk", score(edge.risk))),
    ...(steps.length ? [make("h3", null, counted(steps.length, "step") + " of paths"),
      ...steps.slice(0, 10).map(([, step, name]) => about(step, name)),
      ...(steps.length > 10 ? [make("p", null, `and ${number(steps.length - 10)} more: see the tables below`)] : [])] : []),
    make("h3", null, "Calls"),
    make("table", null,
      make("thead", null, make("tr", null, ...["call", "events", "failed", "risk"].map((each, column) => make("th", { scope: "col", class: column ? "n" : "" }, each)))),
      make("tbody", null, ...edge.calls.map(([name, count, failed, risk, first, until]) => make("tr", null,
        make("td", null, name, make("br"), make("span", { class: "quiet" }, first === until ? time(first) : `${time(first)} to ${time(until)}`)),
        make("td", { class: "n" }, number(count)), make("td", { class: "n" }, number(failed)), make("td", { class: "n" }, String(risk)))))),
    edge.other_calls ? make("p", { class: "quiet" }, `and ${counted(edge.other_calls, "event")} of other calls`) : "",
    ...values("principals", "As"), ...values("addresses", "From"), ...values("user_agents", "With"), ...values("errors", "Errors"),
    make("h3", null, edge.count > edge.events.length ? `${counted(edge.events.length, "event")} of ${number(edge.count)}, the highest risk first` : counted(edge.events.length, "event")),
    ...edge.events.map((event) => about(event, "")),
  );
};
const pathPanel = (which) => {
  const path = paths[which];
  const name = (place) => nodes[path.nodes[place]].name;
  fill(
    make("h2", null, `Path ${which + 1} (score ${path.risk} of 10)`),
    ...(path.others.length ? [make("p", null, `With steps from another address: ${path.others.join(", ")}`)] : []),
    make("ol", { class: "choices" }, ...path.steps.map((step, place) => make("li", null,
      make("button", { type: "button", click: () => choose({ edge: path.edges[place] }, true) }, `${place + 1}. ${name(place)} → ${name(place + 1)}`),
      about(step, "")))),
    make("p", null, make("button", { type: "button", click: () => showPath("") }, "All paths, and what is around them")),
  );
};
// Without a choice, what the panel is about.
const whole = () => {
  if (isPath(state.path)) pathPanel(Number(state.path)); else overview();
};
const overview = () => {
  const places = edges.map((_, place) => place).sort((a, b) => edges[b].risk - edges[a].risk || edges[b].count - edges[a].count);
  fill(
    ...(paths.length ? [make("h2", null, counted(paths.length, "path")),
      few(paths.map((_, place) => place), 30, (place) => make("li", null, make("button", { type: "button", click: () => showPath(String(place)) },
        `(score ${paths[place].risk}) ${paths[place].nodes.map((node) => nodes[node].name).join(" → ")}${paths[place].others.length ? " (from another address)" : ""}`)))] : []),
    make("h2", null, "Edges of the highest risk"),
    few(places, paths.length ? 8 : 20, (place) => make("li", null, make("button", { type: "button", click: () => choose({ edge: place }, true) },
      score(edges[place].risk), ` ${nodes[edges[place].s].name} → ${nodes[edges[place].t].name}: ${calls(place)}`))),
    make("p", { class: "quiet" }, "Choose a node or an edge to see what is known of it."),
  );
};

const choose = (what, move) => {
  // What is chosen by its name may be in the part that is not shown.
  const seen = move && part(state.path);
  if (seen && ("edge" in what ? !seen.has(what.edge) : !nodesOf(seen).has(what.node))) showPath("");
  state.chosen = what;
  const element = "node" in what ? nodeAt[what.node] : edgeAt[what.edge];
  cy.batch(() => {
    const near = "node" in what ? element.closedNeighborhood() : element.union(element.connectedNodes());
    cy.elements().removeClass("chosen").addClass("faded");
    near.removeClass("faded");
    element.addClass("chosen");
  });
  if ("node" in what) nodePanel(what.node); else edgePanel(what.edge);
  if (!move) return;
  const box = element.renderedBoundingBox();
  if (box.x1 < 0 || box.y1 < 0 || box.x2 > cy.width() || box.y2 > cy.height() || cy.zoom() < 0.5) {
    cy.animate({ center: { eles: element }, zoom: Math.max(cy.zoom(), 0.8) }, { duration: still.matches ? 0 : 200 });
  }
};
const still = matchMedia("(prefers-reduced-motion: reduce)");
const clear = () => {
  state.chosen = null;
  cy.elements().removeClass("chosen faded");
  whole();
};
cy.on("mouseover", "node", (event) => { at("canvas").title = nodes[event.target.data("place")].name; });
cy.on("mouseout", "node", () => { at("canvas").removeAttribute("title"); });
cy.on("tap", "node", (event) => choose({ node: event.target.data("place") }, false));
cy.on("tap", "edge", (event) => choose({ edge: event.target.data("place") }, false));
cy.on("tap", (event) => { if (event.target === cy) clear(); });

/* Zoom, keys, print. */

const fit = () => {
  const seen = cy.elements().not(".hidden");
  cy.fit(seen.length ? seen : undefined, 30);
  if (cy.zoom() > 1.4) { cy.zoom(1.4); cy.center(seen); }
};
const zoom = (factor) => cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
at("in").addEventListener("click", () => zoom(1.3));
at("out").addEventListener("click", () => zoom(1 / 1.3));
at("fit").addEventListener("click", fit);
const KEYS = {
  "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), 0: fit, Escape: clear,
  ArrowLeft: () => cy.panBy({ x: 60, y: 0 }), ArrowRight: () => cy.panBy({ x: -60, y: 0 }),
  ArrowUp: () => cy.panBy({ x: 0, y: 60 }), ArrowDown: () => cy.panBy({ x: 0, y: -60 }),
};
at("canvas").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
addEventListener("resize", () => cy.resize());
// A canvas prints as it is on the screen, perhaps dark and cut: an image of the whole takes its place.
const picture = make("img", { id: "print", alt: "Activity graph" });
at("canvas").after(picture);
addEventListener("beforeprint", () => {
  if (dark.matches) cy.style(styles(LIGHT));
  picture.src = cy.png({ full: true, scale: 1, maxWidth: 3000, maxHeight: 3000, bg: LIGHT.paper });
  if (dark.matches) cy.style(styles(DARK));
});

histogram();
showPath(start);
// Tests and the curious look at it by this name.
globalThis.trailhoundGraph = { cy, state };
})();
