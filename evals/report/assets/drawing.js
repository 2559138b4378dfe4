"use strict";
// What all pages draw. Texts of others are only ever set as text, never as markup.

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};
const count = (figure) => figure.toLocaleString("en-US");
const percent = (part, whole) => {
  if (!whole || !part) return "0 %";
  const share = (100 * part) / whole;
  return share < 1 ? "< 1 %" : `${Math.min(share, part < whole ? 99 : 100).toFixed(0)} %`;
};
const plural = (figure, noun) => `${count(figure)} ${noun}${figure === 1 ? "" : "s"}`;

// A choice of one in many, by mouse or by keyboard.
let choices = 0;
const choose = (legend, options, chosen, change) => {
  const name = `choice-${++choices}`;
  const labels = options.map(([value, label]) => {
    const input = make("input", { type: "radio", name, value, checked: value === chosen });
    input.addEventListener("change", () => change(value));
    return make("label", {}, input, make("span", { dir: "auto" }, label));
  });
  return make("fieldset", { class: "choice" }, make("legend", {}, legend), ...labels);
};

// The runs of a document as pieces of text, cut where evidence begins and ends.
const piecesOf = (xrayed, place, runs) => {
  const { text, evidence, gaps } = xrayed.documents[place];
  const marks = evidence.flat();
  const pieces = [];
  let at = 0;
  let next = 0;
  let gap = 0;
  for (let run = 0; run < runs.length; run += 2) {
    const reason = runs[run + 1];
    while (at < runs[run]) {
      while (next < marks.length && marks[next] <= at) next += 1;
      let end = Math.min(runs[run], next < marks.length ? marks[next] : Infinity);
      const open = gap < gaps.length && gaps[gap][0] > at && gaps[gap][0] <= end;
      if (open) end = gaps[gap][0];
      pieces.push({ text: text.slice(at, end), reason, run, evidence: next % 2 === 1, hidden: 0 });
      if (open) pieces.push({ text: "", reason, run, evidence: false, hidden: gaps[gap++][1] });
      at = end;
    }
  }
  return pieces;
};

// Blanks at the edges of a piece stand outside of its box.
const trimmed = (text) => {
  const body = text.trim();
  const at = body ? text.indexOf(body) : text.length;
  return [text.slice(0, at), body, text.slice(at + body.length)];
};

const drawPiece = (xrayed, piece) => {
  if (piece.hidden) {
    return [make("span", { class: "why" }, `${count(piece.hidden)} characters not shown here`)];
  }
  if (!piece.evidence) return [piece.text];
  const [before, body, after] = trimmed(piece.text);
  if (!body) return [piece.text];
  const label = piece.reason === 0 ? xrayed.called : `${xrayed.called}, left out`;
  const kind = piece.reason === 0 ? "found" : "lost";
  return [before, make("mark", { class: kind, tabindex: "-1" }, make("span", { class: "tag" }, label), body), after];
};

const drawText = (xrayed, place, runs) => {
  const page = make("div", { class: xrayed.documents[place].code ? "text code" : "text", dir: "auto" });
  const byRun = new Map();
  for (const piece of piecesOf(xrayed, place, runs)) {
    byRun.set(piece.run, [...(byRun.get(piece.run) ?? []), piece]);
  }
  for (const pieces of byRun.values()) {
    const { reason } = pieces[0];
    const last = pieces.at(-1);
    const tail = last.text.slice(last.text.trimEnd().length);
    last.text = last.text.trimEnd();
    const parts = pieces.flatMap((piece) => drawPiece(xrayed, piece));
    if (reason === 0) {
      page.append(make("span", { class: "kept", tabindex: "-1" }, ...parts));
    } else {
      const why = make("span", { class: "why" }, xrayed.reasons[reason]);
      page.append(make("span", { class: "cut", "aria-hidden": "true" }, " … "), make("del", {}, why, ...parts));
    }
    page.append(tail);
  }
  return page;
};

// Characters by reason: of one document, or of all.
const measured = (xrayed, runs) => {
  const sizes = xrayed.reasons.map(() => 0);
  let at = 0;
  for (let run = 0; run < runs.length; run += 2) {
    sizes[runs[run + 1]] += runs[run] - at;
    at = runs[run];
  }
  return sizes;
};

// The whole context on one line: tall where kept, low where left out, marked below where evidence is.
const drawStrip = (xrayed, look, told) => {
  const size = "http://www.w3.org/2000/svg";
  const strip = document.createElementNS(size, "svg");
  const total = xrayed.documents.reduce((sum, one) => sum + one.text.length, 0) || 1;
  strip.setAttribute("viewBox", "0 0 1000 34");
  strip.setAttribute("preserveAspectRatio", "none");
  strip.setAttribute("class", "strip");
  strip.setAttribute("role", "img");
  strip.setAttribute("aria-label", told);
  const bar = (kind, from, to, y, height) => {
    const rect = document.createElementNS(size, "rect");
    rect.setAttribute("class", kind);
    rect.setAttribute("x", ((1000 * from) / total).toFixed(2));
    rect.setAttribute("width", Math.max(1.2, (1000 * (to - from)) / total).toFixed(2));
    rect.setAttribute("y", y);
    rect.setAttribute("height", height);
    strip.append(rect);
  };
  bar("gone", 0, total, 12, 4);
  let offset = 0;
  xrayed.documents.forEach((one, place) => {
    let at = 0;
    const runs = look.runs[place];
    for (let run = 0; run < runs.length; run += 2) {
      if (runs[run + 1] === 0) bar("kept", offset + at, offset + runs[run], 2, 24);
      at = runs[run];
    }
    for (const [from, to] of one.evidence) bar("evidence", offset + from, offset + to, 29, 5);
    offset += one.text.length;
  });
  return strip;
};

const drawDocument = (xrayed, look, place) => {
  const { source, title, text } = xrayed.documents[place];
  const sizes = measured(xrayed, look.runs[place]);
  const marked = xrayed.documents[place].evidence.length;
  const reasons = sizes.slice(1).map((size, index) => [size, xrayed.reasons[index + 1]]);
  const main = reasons.sort((a, b) => b[0] - a[0])[0];
  const state = look.unknown ? "" : sizes[0] ? `kept ${percent(sizes[0], text.length)}` : main ? `left out: ${main[1]}` : "empty";
  const summary = make(
    "summary",
    {},
    make("span", { class: "place" }, String(place + 1)),
    make("span", { class: "name", dir: "auto" }, title || source || "untitled"),
    title && source && title !== source ? make("span", { class: "source", dir: "auto" }, source) : "",
    marked ? make("span", { class: "tag" }, xrayed.called) : "",
    make("span", { class: sizes[0] ? "state" : "state out" }, state),
  );
  const details = make("details", { class: sizes[0] ? "document" : "document out" }, summary);
  const fill = () => {
    if (details.open && details.children.length === 1) details.append(drawText(xrayed, place, look.runs[place]));
  };
  details.addEventListener("toggle", fill);
  details.open = Boolean(sizes[0] || marked || xrayed.documents.length === 1);
  fill();
  return make("li", {}, details);
};

const drawLook = (xrayed, look) => {
  const sizes = xrayed.reasons.map(() => 0);
  look.runs.forEach((runs) => measured(xrayed, runs).forEach((size, reason) => { sizes[reason] += size; }));
  xrayed.documents.forEach((one, place) => {
    // What is not shown was left out for the reason of the run it stands in.
    const runs = look.runs[place];
    for (const [at, size] of one.gaps) {
      let run = 0;
      while (runs[run] < at) run += 2;
      sizes[runs[run + 1]] += size;
    }
  });
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const from = look.runs.filter((runs) => measured(xrayed, runs)[0]).length;
  const left = sizes.slice(1).map((size, index) => [size, xrayed.reasons[index + 1]]).filter(([size]) => size);
  const told = look.unknown
    ? "What was read of this context is not told."
    : `Kept ${count(sizes[0])} of ${plural(total, "character")} (${percent(sizes[0], total)}), ` +
      `from ${count(from)} of ${plural(xrayed.documents.length, "document")}.`;
  const list = left.map(([size, reason]) => make("li", {}, make("span", { class: "why" }, reason), ` ${count(size)}`));
  const parts = [
    make("p", { class: "told", "aria-live": "polite" }, told, look.note ? make("span", { class: "quiet" }, ` ${look.note}.`) : ""),
    look.unknown ? "" : drawStrip(xrayed, look, told),
  ];
  if (list.length) parts.push(make("ul", { class: "reasons", "aria-label": "Characters left out, by reason" }, ...list));
  parts.push(make("ol", { class: "documents" }, ...xrayed.documents.map((_, place) => drawDocument(xrayed, look, place))));
  if (look.rewritten.length) {
    parts.push(
      make(
        "details",
        { class: "sent" },
        make("summary", {}, `${plural(look.rewritten.length, "piece")} sent in a shorter form`),
        ...look.rewritten.map((text) => make("pre", { dir: "auto", tabindex: "0" }, text)),
      ),
    );
  }
  return parts;
};

// Steps through what a selector finds, and puts the focus there.
const stepper = (label, body, selector) => {
  let last = -1;
  const button = make("button", { type: "button" }, label);
  button.addEventListener("click", () => {
    const found = [...body.querySelectorAll(selector)].filter((one) => one.closest("details").open);
    if (!found.length) return;
    last = (last + 1) % found.length;
    found[last].scrollIntoView({ block: "center" });
    found[last].focus({ preventScroll: true });
  });
  return button;
};

const drawXray = (xrayed) => {
  const body = make("div", { class: "look" });
  const box = make("div", { class: "xray", "data-show": "all" });
  // Where nobody tells what was read, the context stands by itself.
  const untold = { unknown: true, rewritten: [], runs: xrayed.documents.map((one) => [one.text.length, 0]) };
  const looks = xrayed.looks.length ? xrayed.looks : [untold];
  const draw = (number) => body.replaceChildren(...drawLook(xrayed, looks[number]));
  const controls = make("div", { class: "controls" });
  const last = looks.length - 1;
  if (last > 0) {
    controls.append(
      choose("After", looks.map((look, number) => [String(number), look.name]), String(last), (number) => draw(Number(number))),
    );
  }
  const shows = [["all", "everything"], ["kept", "what was kept"], ["gone", "what was left out"]];
  const steps = make("div", { class: "steps" });
  if (looks[last] !== untold) {
    controls.append(choose("Show", shows, "all", (value) => { box.dataset.show = value; }));
    steps.append(stepper("Next kept piece", body, "span.kept"));
  }
  if (xrayed.documents.some((one) => one.evidence.length)) steps.append(stepper(`Next ${xrayed.called} piece`, body, "mark"));
  controls.append(steps);
  box.append(controls, body);
  draw(last);
  return box;
};

// Bars that begin where the one before ended: what was read solid, what was written hatched, and what
// was reserved beyond it as an outline.
const drawWaterfall = ({ cap, lines }) => {
  const sum = ([read, written]) => read + written;
  const total = lines.reduce((all, line) => all + sum(line.spent), 0);
  let at = 0;
  let scale = 1;
  for (const line of lines) {
    scale = Math.max(scale, at + Math.max(sum(line.reserved), sum(line.spent)));
    at += sum(line.spent);
  }
  const cell = (tag, attributes, ...children) => make(tag, { role: tag === "th" ? "rowheader" : "cell", ...attributes }, ...children);
  const bar = (kind, from, size) => {
    const part = make("span", { class: kind });
    part.style.insetInlineStart = `${(100 * from) / scale}%`;
    part.style.inlineSize = `${(100 * size) / scale}%`;
    return part;
  };
  const body = make("tbody", { role: "rowgroup" });
  let route = null;
  at = 0;
  for (const line of lines) {
    if (line.route !== route) {
      route = line.route;
      const name = route ? `route ${route}` : "no route";
      body.append(make("tr", { role: "row", class: "route" }, cell("th", { scope: "rowgroup", colspan: "4", dir: "auto" }, name)));
    }
    const [read, written] = line.spent;
    const kept = sum(line.reserved);
    const bars = make("span", { class: "bars", "aria-hidden": "true" });
    if (kept || read || written) {
      bars.append(bar("reserved", at, Math.max(kept, read + written)), bar("read", at, read), bar("written", at + read, written));
      if (line.cached) bars.append(bar("cached", at, line.cached));
    }
    const figures = [];
    if (kept || read || written) {
      figures.push(make("b", {}, count(read)), " in", line.cached ? ` (${count(line.cached)} cached)` : "", " · ", make("b", {}, count(written)), " out");
      figures.push(make("span", { class: "quiet" }, `${count(kept)} reserved${line.usd ? ` · $${line.usd.toFixed(6)}` : ""}`));
    }
    const notes = [line.basis ? `${line.what}, ${line.basis}` : "", line.detail, line.dropped ? `${plural(line.dropped, "stretch").replace("stretchs", "stretches")} left out` : ""];
    body.append(
      make(
        "tr",
        { role: "row", class: kept || read || written ? "paid" : "free" },
        cell("th", { scope: "row", dir: "auto" }, line.node || line.what),
        cell("td", { class: "bar" }, bars),
        cell("td", { class: "figure" }, ...figures),
        cell("td", { class: "note", dir: "auto" }, notes.filter(Boolean).join("; ")),
      ),
    );
    at += read + written;
  }
  const spent = cap === null ? `${plural(total, "token")} spent, no cap` : `${count(total)} of ${plural(cap, "token")} spent (${percent(total, cap)})`;
  const key = make(
    "p",
    { class: "key" },
    ...[["read", "read"], ["written", "written"], ["reserved", "reserved, not spent"]].map(([kind, label]) =>
      make("span", {}, make("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), label),
    ),
  );
  const head = make(
    "tr",
    { role: "row" },
    ...["step", "tokens, one step after the other", "figures", "remarks"].map((name) => make("th", { role: "columnheader", scope: "col" }, name)),
  );
  return make(
    "div",
    {},
    make("p", { class: "told" }, spent, "."),
    key,
    make("table", { class: "waterfall", role: "table" }, make("thead", { role: "rowgroup" }, head), body),
  );
};
