async function unpacked(text) {
  if (!self.DecompressionStream) document.body.append("This browser is too old to unpack this page: Chrome 80, Firefox 113 or Safari 16.4 can.");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}
const held = JSON.parse(document.getElementById("data").textContent);
const data = typeof held === "string" ? await unpacked(held) : held;
const at = (id) => document.getElementById(id);
const MOST = 150, MOST_NODES = 160;
const KINDS = [["services", "service", "Feature services"], ["views", "view", "Feature views"], ["features", "feature", "Features"], ["entities", "entity", "Entities"], ["streams", "stream", "Streams"]];

function make(tag, attributes, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...inside.flat().filter((each) => each != null && each !== ""));  // text stays text, whatever it says
  return made;
}
const counted = (count, one, many) => count.toLocaleString("en") + " " + (count === 1 ? one : many || one + "s");
const link = (kind, name) => "#" + kind + "/" + encodeURIComponent(name);
const to = (kind, name, shown) => make("a", { href: link(kind, name) }, shown || name);
const joined = (nodes) => nodes.flatMap((each, place) => place ? [", ", each] : [each]);

// What is searched: one entry per thing, its words in lower case, made when the first letter is typed.
const by = { view: new Map(), service: new Map(), entity: new Map(), stream: new Map() };
for (const [list, kind] of KINDS) if (by[kind]) for (const each of data[list]) by[kind].set(each.n, each);
let index = null;
function everything() {
  if (index) return index;
  index = [];
  for (const [list, kind] of KINDS) for (const each of data[list] || []) {
    const around = [each.o, each.g, ...(each.tags || []), ...(each.e || []), ...(each.k || []).flat()];
    index.push(entry(kind, each.n, each.n, each.d, [...around, ...(kind === "service" ? each.f : [])]));
    if (kind === "view") for (const [name, type, said, tags] of each.f || []) index.push(entry("feature", each.n + ":" + name, name, said, [each.n, ...around, ...(tags || [])], type));
  }
  return index;
}
const entry = (kind, ref, name, said, around, type) => ({ kind, ref, name: name.toLowerCase(), said: said || "", type, hay: [ref, said, ...around].filter(Boolean).join(" ").toLowerCase() });
function rank(each, words) {
  let score = 0;
  for (const word of words) {
    if (!each.hay.includes(word)) return -1;
    score += each.name === word ? 9 : each.name.startsWith(word) ? 6 : each.name.includes(word) ? 4 : 1;
  }
  return score;
}

let words = [];
function current() {
  const written = location.hash.slice(1).split("/").slice(1).join("/");
  try { return decodeURIComponent(written); } catch { return written; }  // a link that was cut in the middle of a letter
}
const part = () => location.hash.slice(1).split("/")[0];

function marked(text) {
  if (!words.length || !text) return [text];
  const either = new RegExp("(" + [...words].sort((a, b) => b.length - a.length).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|") + ")", "i");
  return text.split(new RegExp(either, "gi")).map((piece, place) => place % 2 ? make("mark", {}, piece) : piece);
}

function showList() {
  const found = words.length
    ? everything().map((each) => [rank(each, words), each]).filter(([score]) => score >= 0).sort((a, b) => b[0] - a[0] || (a[1].ref < b[1].ref ? -1 : 1)).map(([, each]) => each)
    : KINDS.flatMap(([list, kind]) => (data[list] || []).map((each) => ({ kind, ref: each.n, said: each.d || "" })));
  at("count").textContent = words.length ? counted(found.length, "match", "matches") : counted(data.views.length, "view") + ", " + counted(features(), "feature");
  const groups = KINDS.map(([, kind, title]) => {
    const own = found.filter((each) => each.kind === kind);
    if (!own.length) return null;
    const items = make("ul", {}, own.slice(0, MOST).map(item));
    const more = own.length > MOST ? make("button", { type: "button", class: "small", onclick: (event) => { event.target.remove(); items.append(...own.slice(MOST).map(item)); } }, "Show " + counted(own.length - MOST, "more", "more")) : null;
    return make("div", { class: "group" }, make("h3", {}, title), items, more);
  });
  at("list").replaceChildren(...groups.filter(Boolean));
  if (!found.length) at("list").append(make("p", { class: "empty" }, words.length ? "Nothing has all of these words." : "No feature views yet."));
  markCurrent();
}
function item(each) {
  const said = each.type ? each.type + (each.said ? " · " + each.said : "") : each.said;
  return make("li", {}, make("a", { class: "item", href: link(each.kind, each.ref) }, make("b", {}, marked(each.ref)), make("span", {}, marked(said))));
}
function markCurrent() {
  for (const each of at("list").querySelectorAll(".item")) each.getAttribute("href") === location.hash ? each.setAttribute("aria-current", "true") : each.removeAttribute("aria-current");
}
const features = () => data.views.reduce((sum, view) => sum + (view.f || []).length, 0);

// Details.
const facts = (...pairs) => make("dl", { class: "facts" }, pairs.filter(([, value]) => Array.isArray(value) ? value.length : value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
const block = (title, ...inside) => make("div", {}, make("h3", {}, title), ...inside);
const chips = (each) => make("div", { class: "chips" }, each.on ? make("span", { class: "chip good" }, "online") : null, each.on === undefined && each.f && each.t ? make("span", { class: "chip" }, "training only") : null,
  each.old ? make("span", { class: "chip warn" }, "older version") : null, each.a === "private" ? make("span", { class: "chip warn" }, "private") : null, each.g ? make("span", { class: "chip" }, "group " + each.g) : null, (each.tags || []).map((tag) => make("span", { class: "chip" }, tag)));
function head(noun, each) {
  return make("div", { class: "head" }, make("p", { class: "kind" }, noun), make("h2", {}, each.n), each.d ? make("p", { class: "said" }, each.d) : null, chips(each));
}
function code(samples) {
  if (!samples) return null;
  const shown = make("code"), said = make("span", { class: "small soft", role: "status" });
  const buttons = samples.map(([title, text]) => make("button", { type: "button", class: "small", onclick: () => choose(text, title) }, title));
  const copy = make("button", { type: "button", class: "small", onclick: () => copied(shown.textContent, said) }, "Copy");
  function choose(text, title) { shown.textContent = text; said.textContent = ""; for (const each of buttons) each.setAttribute("aria-pressed", String(each.textContent === title)); }
  choose(samples[0][1], samples[0][0]);
  return make("div", {}, make("div", { class: "row" }, make("h3", {}, "Use it"), buttons, copy, said), make("pre", { tabindex: "0", "aria-label": "Code" }, shown));
}
async function copied(text, said) {
  try { await navigator.clipboard.writeText(text); said.textContent = "copied"; }
  catch { said.textContent = "select and copy it"; }
}
function viewPage(view, feature) {
  const tests = (view.tests || []).filter((test) => !/\(\w+\)$/.test(test));
  const ofColumn = (name) => (view.tests || []).filter((test) => test.endsWith("(" + name + ")")).map((test) => test.slice(0, -name.length - 2));
  const rows = (view.f || []).map(([name, type, said, tags, value]) => make("tr", { class: name === feature ? "at" : null },
    make("th", { scope: "row" }, make("code", {}, name)), make("td", { class: "type" }, type),
    make("td", { class: "said" }, said, make("div", { class: "chips" }, ofColumn(name).map((test) => make("span", { class: "chip tint" }, test)), (tags || []).map((tag) => make("span", { class: "chip" }, tag)), value == null ? null : make("span", { class: "chip" }, "default " + JSON.stringify(value))))));
  return [head("Feature view", view),
    facts(["Entities", view.e ? joined(view.e.map((name) => to("entity", name))) : "none: one row for all"], ["Join keys", (view.k || []).map(([name, type]) => name + " " + type).join(", ")],
      ["Event time", view.t], ["Valid for", view.ttl], ["Usable after", view.delay], ["Owner", view.o], ["Stream", view.s ? to("stream", view.s) : ""],
      ["Used by", joined((view.u || []).map((name) => to("service", name)))], ["Table", view.r ? make("code", {}, view.r) : ""], ["File", view.p ? make("code", {}, view.p) : ""]),
    block(counted(rows.length, "feature"), make("table", { class: "features" }, make("thead", {}, make("tr", {}, ["Feature", "Type", "Meaning"].map((title) => make("th", { scope: "col" }, title)))), make("tbody", {}, rows))),
    code(view.code), block("Lineage", drawing("view", view.n)),
    tests.length ? block("Tests in dbt", make("div", { class: "chips" }, tests.map((test) => make("span", { class: "chip tint" }, test)))) : null];
}
function servicePage(service) {
  const rows = service.f.map((reference) => {
    const [head, name] = [reference.split(/[\s[]|:(?!.*\])/)[0], reference.includes(":") ? reference.slice(reference.lastIndexOf(":") + 1) : ""];
    const view = by.view.get(head) || data.views.find((each) => each.n.split("@v")[0] === head && !each.old);
    const found = view && (view.f || []).find((each) => each[0] === name);
    const href = view ? (name ? link("feature", view.n + ":" + name) : link("view", view.n)) : null;
    return make("tr", {}, make("th", { scope: "row" }, href ? make("a", { href }, make("code", {}, reference)) : make("code", {}, reference)), make("td", { class: "type" }, found ? found[1] : ""), make("td", { class: "said" }, found ? found[2] : ""));
  });
  return [head("Feature service", service),
    facts(["Owner", service.o], ["Feature views", joined((service.v || []).map((name) => to("view", name)))], ["Request columns", (service.k || []).map(([name, type]) => name + " " + type).join(", ")], ["File", service.p ? make("code", {}, service.p) : ""]),
    block(counted(rows.length, "reference") + ", in this order", make("table", { class: "features" }, make("thead", {}, make("tr", {}, ["Feature", "Type", "Meaning"].map((title) => make("th", { scope: "col" }, title)))), make("tbody", {}, rows))),
    code(service.code), block("Lineage", drawing("service", service.n))];
}
const entityPage = (entity) => [head("Entity", entity), facts(["Join keys", make("code", {}, (entity.k || []).join(", "))], ["Feature views", joined((entity.v || []).map((name) => to("view", name)))], ["Used by", joined((entity.u || []).map((name) => to("service", name)))])];
const streamPage = (stream) => [head("Stream", stream), facts(["Format", stream.fmt], ["Columns", (stream.k || []).map(([name, type]) => name + " " + type).join(", ")], ["Feature views", joined((stream.v || []).map((name) => to("view", name)))], ["Used by", joined((stream.u || []).map((name) => to("service", name)))]), block("Lineage", drawing("stream", stream.n))];

function overview() {
  const tile = (count, noun, many) => make("div", { class: "card tile" }, make("b", {}, count.toLocaleString("en")), make("span", {}, count === 1 ? noun : many || noun + "s"));
  const newest = data.history.slice(0, 3);
  return [make("div", { class: "tiles" }, tile(data.views.length, "feature view"), tile(features(), "feature"), tile(data.entities.length, "entity", "entities"), tile(data.services.length, "feature service"), data.streams.length ? tile(data.streams.length, "stream") : null),
    make("div", { class: "card pad" }, block("Lineage", drawing())),
    newest.length ? make("div", {}, make("h3", {}, "Newest versions"), make("div", { class: "versions" }, newest.map(versionCard))) : null];
}
const MARKS = { added: "+", removed: "−" };
function versionCard(line) {
  const changes = line.changes;
  const said = changes ? (changes.length ? counted(changes.length, "change") : "no change of definitions") : "";
  const list = changes && changes.length ? make("ul", {}, changes.map(([kind, impact, text]) => make("li", { class: kind + " " + impact }, make("span", { "aria-label": impact || kind }, MARKS[kind] || (impact === "breaking" ? "!" : impact === "value-changing" ? "*" : "~")), make("span", {}, text)))) : null;
  return make("details", { class: "card", open: line.v === data.version && !!list }, make("summary", {}, make("b", {}, "v" + line.v), make("span", {}, line.at ? line.at + " UTC" : ""), line.by ? make("span", { class: "soft" }, "by " + line.by) : null, line.commit ? make("code", { class: "soft" }, line.commit) : null,
    (line.tags || []).map((tag) => make("span", { class: "chip tint" }, "@" + tag)), line.note ? make("span", { class: "chip warn" }, line.note) : null, make("span", { class: "end" }, said)), list);
}

// Lineage: the columns, and the order in them, come from the data; here they are closed up around what is shown.
const SVG = "http://www.w3.org/2000/svg", LONGEST = 36;
const pen = document.createElement("canvas").getContext("2d");
const short = (name) => name.length > LONGEST ? name.slice(0, LONGEST - 1) + "…" : name;
function wideAs(name) { pen.font = "13px " + getComputedStyle(document.body).fontFamily; return pen.measureText(short(name)).width; }
function svg(tag, attributes, ...inside) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...inside);
  return made;
}
function reached(start, forward) {
  const next = new Map();
  for (const [one, other] of data.lineage.edges) { const [from, end] = forward ? [one, other] : [other, one]; next.has(from) ? next.get(from).push(end) : next.set(from, [end]); }
  const found = new Set(), waiting = [start];
  while (waiting.length) for (const each of next.get(waiting.pop()) || []) if (!found.has(each)) { found.add(each); waiting.push(each); }
  return found;
}
function drawing(role, name) {
  const nodes = data.lineage.nodes;
  const start = role ? nodes.findIndex((node) => node[0] === role && node[1] === name) : -1;
  if (role && start < 0) return make("p", { class: "empty" }, "Nothing is known of what is above or below.");
  const kept = start < 0 ? nodes.map((_, number) => number) : [...new Set([start, ...reached(start, true), ...reached(start, false)])];
  if (!kept.length) return make("p", { class: "empty" }, "No feature views yet.");
  if (kept.length > MOST_NODES) return make("p", { class: "empty" }, counted(kept.length, "node") + " are too many for one drawing: choose a view or a service. `featurestore lineage --format html` draws all.");
  return make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Lineage drawing" }, picture(kept, start));
}
function picture(kept, start) {
  const nodes = data.lineage.nodes, inside = new Set(kept);
  const used = [...new Set(kept.map((each) => nodes[each][3]))].sort((a, b) => a - b);
  const columns = used.map(() => []), columnOf = new Map();
  for (const each of kept) { const own = used.indexOf(nodes[each][3]); columnOf.set(each, own); columns[own].push({ node: each, order: nodes[each][4], high: 40 }); }
  const spread = (each) => nodes[each][4] / Math.max(1, ...nodes.filter((node) => node[3] === nodes[each][3]).map((node) => node[4]));
  for (const column of columns) for (const box of column) box.order = spread(box.node);
  const boxes = new Map(columns.flat().map((box) => [box.node, box])), routes = [];
  for (const [one, other] of data.lineage.edges) if (inside.has(one) && inside.has(other)) {
    const route = [boxes.get(one)];
    for (let column = columnOf.get(one) + 1; column < columnOf.get(other); column++) { const passing = { order: (boxes.get(one).order + boxes.get(other).order) / 2, high: 10 }; columns[column].push(passing); route.push(passing); }
    routes.push([...route, boxes.get(other)]);
  }
  const tall = (column) => column.reduce((sum, box) => sum + box.high + 12, -12), highest = Math.max(...columns.map(tall));
  let x = 4;
  for (const column of columns) {
    const wide = Math.max(118, ...column.filter((box) => box.node != null).map((box) => Math.ceil(wideAs(nodes[box.node][1])) + 32));
    let y = 4 + (highest - tall(column)) / 2;
    for (const box of column.sort((a, b) => a.order - b.order)) { Object.assign(box, { x, y, wide }); y += box.high + 12; }
    x += wide + 52;
  }
  const width = x - 52 + 4, height = highest + 8, middle = (box) => box.y + box.high / 2;
  const made = svg("svg", { class: "lineage", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Lineage, from sources on the left to readers" });
  for (const route of routes) {
    let path = `M${route[0].x + route[0].wide} ${middle(route[0])}`;
    for (let step = 1; step < route.length; step++) { const [a, b] = [route[step - 1], route[step]], half = (a.x + a.wide + b.x) / 2; path += `C${half} ${middle(a)} ${half} ${middle(b)} ${b.x} ${middle(b)}` + (step < route.length - 1 ? `H${b.x + b.wide}` : ""); }
    made.append(svg("path", { d: path }));
  }
  for (const each of kept) {
    const [role, name, noun] = nodes[each], box = boxes.get(each), title = svg("title", {}); title.textContent = name + ", " + noun;
    const text = svg("text", { x: 20, y: 17 }), under = svg("text", { class: "noun", x: 20, y: 32 });
    text.textContent = short(name); under.textContent = noun;
    const group = svg("g", { class: role + (each === start ? " asked" : ""), transform: `translate(${box.x} ${box.y})` }, title, svg("rect", { class: "body", width: box.wide, height: 40, rx: 7 }), svg("rect", { class: "mark", x: 8, y: 8, width: 4, height: 24, rx: 2 }), text, under);
    made.append(by[role] && by[role].has(name) && each !== start ? svg("a", { href: link(role, name) }, group) : group);
  }
  return made;
}

// Where one is: #view/NAME, #feature/VIEW:NAME, #service/NAME, #entity/NAME, #stream/NAME, #lineage, #history.
function pageOf(kind, name) {
  if (kind === "feature") { const [view, feature] = [name.slice(0, name.lastIndexOf(":")), name.slice(name.lastIndexOf(":") + 1)]; return by.view.has(view) ? viewPage(by.view.get(view), feature) : null; }
  const pages = { view: viewPage, service: servicePage, entity: entityPage, stream: streamPage };
  return by[kind] && by[kind].has(name) ? pages[kind](by[kind].get(name)) : null;
}
function show(isMove) {
  const [kind, name] = [part(), current()], whole = kind === "lineage" || kind === "history";
  for (const each of document.querySelectorAll("[data-part]")) each.dataset.part === (whole ? kind : "catalog") ? each.setAttribute("aria-current", "page") : each.removeAttribute("aria-current");
  const page = whole ? null : pageOf(kind, name);
  at("left").hidden = whole;
  at("main").className = (whole ? "" : "two") + (page ? " detail" : "");
  const right = at("right");
  if (kind === "lineage") right.replaceChildren(make("div", { class: "card pad" }, make("h2", {}, "Lineage"), make("p", { class: "soft" }, "From sources through models and feature views to who reads them."), drawing()));
  else if (kind === "history") right.replaceChildren(make("h2", {}, "History"), make("p", { class: "soft" }, "Every version of the registry, newest first: + added, − removed, ! breaking, * other values, ~ changed."), make("div", { class: "versions" }, data.history.map(versionCard)));
  else if (page) right.replaceChildren(make("a", { class: "back", href: "#" }, "← All features"), make("article", { class: "card pad stack" }, ...page.filter(Boolean)));
  else right.replaceChildren(make("div", { class: "stack" }, by[kind] || kind === "feature" ? make("p", { class: "empty", role: "status" }, "There is no " + kind + " " + name + " in this version.") : null, ...overview().filter(Boolean)));
  document.title = (page ? name + " · " : "") + data.name + " feature store";
  markCurrent();
  if (isMove) { scrollTo(0, 0); if (page) right.focus({ preventScroll: true }); }
}

const stored = { get: () => { try { return localStorage.getItem("featurestore-theme"); } catch { return null; } }, set: (value) => { try { localStorage.setItem("featurestore-theme", value); } catch { /* from disk it may not be kept */ } } };
const isDark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
function theme(value) {
  if (value === "dark" || value === "light") document.documentElement.dataset.theme = value;
  at("theme").textContent = isDark() ? "Light" : "Dark";
  at("theme").setAttribute("aria-label", "Change to " + (isDark() ? "light" : "dark") + " colours");
}
at("theme").addEventListener("click", () => { const value = isDark() ? "light" : "dark"; stored.set(value); theme(value); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme());
theme(stored.get());

at("home").textContent = data.name + " feature store";
at("version").textContent = "registry version " + data.version + (data.target ? ", target " + data.target : "");
at("search").addEventListener("input", () => { words = at("search").value.toLowerCase().split(/\s+/).filter(Boolean); showList(); });
addEventListener("hashchange", () => show(true));
addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !at("left").hidden) { event.preventDefault(); at("search").focus(); }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const items = [...at("list").querySelectorAll(".item")], place = items.indexOf(document.activeElement);
  if (place < 0 && event.target !== at("search")) return;
  const next = event.key === "ArrowDown" ? items[place + 1] : place > 0 ? items[place - 1] : at("search");
  if (next) { event.preventDefault(); next.focus(); }
});
showList();
show(false);
