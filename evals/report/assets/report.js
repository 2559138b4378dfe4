"use strict";
// A whole evaluation: the curves, and each case as it is looked for.
{
  const data = JSON.parse(document.getElementById("data").textContent);

  // What is packed is unpacked when it is looked at, and the last few are kept.
  const unpack = async (id) => {
    const text = atob(document.getElementById(id).textContent);
    const packed = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at += 1) packed[at] = text.charCodeAt(at);
    // Not by way of a Blob: that is fetched back from another process.
    const whole = new ReadableStream({ start: (to) => { to.enqueue(packed); to.close(); } });
    const stream = whole.pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).text();
  };
  const kept = new Map();
  const rowAt = async (kind, [block, place]) => {
    const id = `${kind}-${block}`;
    if (!kept.has(id)) kept.set(id, unpack(id).then(JSON.parse));
    if (kept.size > 8) kept.delete(kept.keys().next().value);
    return (await kept.get(id))[place];
  };

  // The curves.
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const symbols = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross"];
  const lines = ["accent", "line-2", "line-3", "line-4", "line-5", "ink"];
  const box = document.getElementById("curve");
  let axis = data.chart.axes.length ? data.chart.axes[0][0] : "tokens";
  const plot = () => {
    const known = data.chart.series.filter((one) => one.points.length && one.points.every((point) => axis in point.spend));
    const traces = known.map((one, number) => ({
      type: "scatter",
      mode: "lines+markers",
      name: one.name.replaceAll("<", "‹").replaceAll("&", "＆"),
      x: one.points.map((point) => point.spend[axis]),
      y: one.points.map((point) => 100 * point.accuracy),
      text: one.points.map((point) => point.budget.replaceAll("<", "‹").replaceAll("&", "＆")),
      hovertemplate: "%{text}<br>%{y:.1f} % right<br>%{x:,.6~g}<extra></extra>",
      error_y: {
        type: "data",
        symmetric: false,
        array: one.points.map((point) => Math.max(0, 100 * (point.high - point.accuracy))),
        arrayminus: one.points.map((point) => Math.max(0, 100 * (point.accuracy - point.low))),
        thickness: 1.2,
        width: 4,
      },
      line: { color: colour(lines[number % lines.length]), width: 2, dash: one.baseline ? "dash" : "solid" },
      marker: { color: colour(lines[number % lines.length]), size: 8, symbol: symbols[number % symbols.length] },
    }));
    const spends = traces.flatMap((trace) => trace.x);
    const least = Math.min(...spends, Infinity);
    const grid = { gridcolor: colour("line"), zeroline: false, linecolor: colour("quiet"), tickcolor: colour("quiet"), fixedrange: true };
    const layout = {
      height: 420,
      margin: { l: 48, r: 12, t: 12, b: 48 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("ink") },
      xaxis: { ...grid, title: { text: `mean ${data.chart.axes.find(([name]) => name === axis)?.[1] ?? axis}` }, type: least > 0 && Math.max(...spends) > 8 * least ? "log" : "linear" },
      yaxis: { ...grid, title: { text: "right, %" }, range: [0, 102] },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      hovermode: "closest",
      showlegend: traces.length > 1,
    };
    Plotly.react(box, traces, layout, { displayModeBar: false, responsive: true, doubleClick: false });
    const points = known.flatMap((one) => one.points);
    const best = points.length ? points.reduce((most, point) => (point.accuracy > most.accuracy ? point : most)) : { accuracy: 0, budget: "any budget" };
    box.setAttribute("role", "img");
    box.setAttribute(
      "aria-label",
      `Right answers against mean ${axis}, ${plural(known.length, "curve")}; the best is ${(100 * best.accuracy).toFixed(1)} % under ${best.budget}. The table below has every figure.`,
    );
    box.dataset.axis = axis;
  };
  // A picture stands there at once; the library, a second's work, comes when it is wanted.
  let library = null;
  const chart = async () => {
    explore.textContent = "Loading …";
    await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
    // It runs because the page's policy knows its hash.
    document.head.append(make("script", {}, await unpack("plotly")));
    box.replaceChildren();
    explore.parentElement.hidden = true;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", plot);
  };
  const explore = document.getElementById("explore");
  const explored = async () => {
    library ??= chart();
    await library;
    plot();
  };
  explore.addEventListener("click", explored);
  if (data.chart.axes.length > 1) {
    document.getElementById("axis").append(choose("Against", data.chart.axes, axis, (value) => { axis = value; explored(); }));
  }

  // One case: its question, and for each run the answer, the waterfall and the X-ray.
  const score = (value) => (value === 0 || value === 1 ? (value ? "✓ right" : "✗ wrong") : `${(100 * value).toFixed(0)} %`);
  const drawRun = (row, documents, run) => {
    const figures = [
      [score(run.scores[data.scorer] ?? 0), data.scorer],
      [`${count(run.tokens[0])} in · ${count(run.tokens[1])} out`, "tokens"],
      run.usd ? [`$${run.usd.toFixed(6)}`, "dollars"] : null,
      [plural(run.calls, "call"), `${run.seconds} s`],
      run.over ? [count(run.over), "over the cap"] : null,
    ].filter(Boolean);
    const others = Object.entries(run.scores).filter(([name]) => name !== data.scorer);
    const parts = [
      make("p", { class: "badges" }, make("span", { class: `badge ${run.kind === "abstained" || run.error ? "abstained" : ""}` }, run.error ? "failed" : run.kind || "answered"),
        make("span", { class: "quiet" }, [run.took ? ` by the route ${run.took}` : "", run.stopped_by ? ` stopped by the cap on ${run.stopped_by}` : ""].join(""))),
      make("blockquote", { dir: "auto" }, run.error || run.answer || "(no answer)"),
      make("dl", { class: "figures" }, ...[...figures, ...others.map(([name, value]) => [value.toFixed(2), name])].map(([value, name]) =>
        make("div", {}, make("dt", { dir: "auto" }, name), make("dd", {}, make("b", {}, value))))),
    ];
    if (run.traceback) parts.push(make("details", { class: "sent" }, make("summary", {}, "Traceback"), make("pre", { tabindex: "0" }, run.traceback)));
    if (run.waterfall.lines.length) {
      parts.push(make("h3", {}, "What each step cost"), drawWaterfall(run.waterfall));
      if (run.more_lines) parts.push(make("p", { class: "quiet" }, `${count(run.more_lines)} more lines are not shown.`));
    }
    if (documents.length) {
      parts.push(make("h3", {}, "What was read"), drawXray({ documents, reasons: data.reasons, looks: run.looks, called: "evidence" }));
    }
    return make("div", { class: "answer run" }, ...parts);
  };
  const drawCase = async (one, into) => {
    const row = await rowAt("block", one.at);
    const context = await rowAt("context", row.context);
    const documents = context.map((document, place) => ({ ...document, evidence: row.evidence[place], gaps: [] }));
    const name = (run) => [run.budget, run.route, row.runs.some((other) => other.seed !== row.runs[0].seed) ? `seed ${run.seed}` : ""].filter(Boolean).join(" · ");
    const body = make("div", {});
    const show = (number) => body.replaceChildren(drawRun(row, documents, row.runs[number]));
    const parts = [];
    if (row.history) parts.push(make("details", { class: "sent" }, make("summary", {}, "With the turns before it"), make("pre", { dir: "auto", tabindex: "0" }, row.history)));
    else if (row.question.length > one.question.length) parts.push(make("pre", { dir: "auto", tabindex: "0" }, row.question));
    const facts = [["right answers", row.answers.join(" · ") || "none"], ...Object.entries(row.meta)];
    parts.push(make("dl", { class: "facts" }, ...facts.map(([key, value]) => make("div", {}, make("dt", { dir: "auto" }, key), make("dd", { dir: "auto" }, value)))));
    if (row.runs.length) {
      const options = row.runs.map((run, number) => [String(number), `${score(run.scores[data.scorer] ?? 0).split(" ")[0]} ${name(run)}`]);
      if (row.runs.length > 1) parts.push(choose("Run", options, "0", (value) => show(Number(value))));
      show(0);
    }
    into.replaceChildren(...parts, body);
  };

  // The list of cases: searched by words, filtered, some at a time.
  const SOME = 40;
  const whole = (one) => one.scores.length > 0 && one.scores.every((value) => value === 1);
  const filters = {
    all: ["all", () => true],
    mixed: ["right under some budgets", (one) => !whole(one) && one.scores.some((value) => value > 0)],
    right: ["always right", whole],
    wrong: ["never right", (one) => one.scores.every((value) => value === 0)],
    failed: ["something failed", (one) => one.failed],
  };
  const searched = data.cases.map((one) => `${one.id}\n${one.question}`.toLowerCase());
  const list = make("ol", { class: "documents cases" });
  const told = make("p", { class: "told", role: "status" });
  const more = make("button", { type: "button" }, "Show more");
  const search = make("input", { type: "search", id: "search", autocomplete: "off", spellcheck: "false" });
  let filter = "all";
  let found = [];
  const item = (number) => {
    const one = data.cases[number];
    const right = one.scores.filter((value) => value === 1).length;
    const body = make("div", { class: "case" });
    const details = make(
      "details",
      { class: "document" },
      make("summary", {}, make("span", { class: "name", dir: "auto" }, one.question || "(empty)"), make("span", { class: "source", dir: "auto" }, one.id),
        make("span", { class: right ? "state" : "state out" }, `${right} of ${one.scores.length} right`)),
      body,
    );
    details.addEventListener("toggle", () => {
      if (details.open && !body.children.length) drawCase(one, body);
    });
    return make("li", {}, details);
  };
  const grow = () => {
    const from = list.children.length;
    list.append(...found.slice(from, from + SOME).map(item));
    more.hidden = list.children.length >= found.length;
  };
  const refresh = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = [];
    data.cases.forEach((one, number) => {
      if (filters[filter][1](one) && words.every((word) => searched[number].includes(word))) found.push(number);
    });
    told.textContent = `${plural(found.length, "case")}${found.length < data.cases.length ? ` of ${count(data.cases.length)}` : ""}.`;
    list.replaceChildren();
    grow();
  };
  search.addEventListener("input", refresh);
  more.addEventListener("click", grow);
  document.getElementById("cases").append(
    make(
      "div",
      { class: "controls" },
      make("label", { class: "search" }, make("span", {}, "Search questions and ids"), search),
      choose("Show", Object.entries(filters).map(([key, [label]]) => [key, label]), "all", (value) => { filter = value; refresh(); }),
    ),
    told,
    list,
    more,
  );
  refresh();
}
