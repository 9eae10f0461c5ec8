// SPDX-License-Identifier: GPL-2.0-or-later
// The details of a step, the keys, and the copy as text.  Everything is set as text, never as markup.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const steps = [...document.querySelectorAll("button[data-step]")];
  const list = document.querySelector("ol.steps");
  const detail = byId("detail");
  let current = -1;

  const make = (tag, text, name) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (name) node.className = name;
    return node;
  };

  const rows = (parent, label, texts) => {
    if (!texts.length) return;
    parent.append(make("dt", label));
    for (const text of texts) {
      const row = make("dd");
      row.append(make("code", text));
      parent.append(row);
    }
  };

  // The values of all variables after a number of steps.
  const valuesAfter = (count) => {
    const values = data.variables.map((v) => v[1]);
    for (const step of data.steps.slice(0, count))
      for (const [variable, , after] of step.changes) values[variable] = after;
    return values;
  };

  const show = (index) => {
    const step = data.steps[index];
    const facts = make("dl");
    rows(facts, "statement", [step.text]);
    rows(facts, "option taken", step.choice ? [step.choice] : []);
    rows(facts, "mirrors", step.kernel ? [step.kernel] : []);
    rows(facts, "model", step.place ? [step.place] : []);
    rows(facts, "called from", step.stack.length > 1 ? [step.stack.join(" > ")] : []);
    rows(facts, "kind", [step.access + (step.drains ? ", drains the store buffer" : "")]);
    rows(facts, "reads", step.reads);
    rows(facts, "writes", step.writes);
    if (step.changes.length) {
      facts.append(make("dt", "changes"));
      for (const [variable, before, after, bits] of step.changes) {
        const row = make("dd");
        row.append(make("code", data.variables[variable][0] + ": " + before + " \u2192 "), make("code", after, "came"));
        if (bits) row.append(make("code", "  bits " + bits));
        facts.append(row);
      }
    }
    rows(facts, "store buffers", step.buffers);
    rows(facts, "events", step.events);
    const all = make("details");
    all.append(make("summary", "The whole state after this step"));
    const values = valuesAfter(index + 1);
    const state = make("ul");
    data.variables.forEach((v, i) => {
      const row = make("li");
      row.append(make("code", v[0] + " = " + values[i], values[i] === v[1] ? "" : "came"));
      state.append(row);
    });
    all.append(state);
    detail.replaceChildren(make("h3", "Step " + (index + 1) + " of " + data.steps.length + ": " + step.column), facts, all);
    detail.hidden = false;
    document.body.classList.add("with-detail");
  };

  const select = (index, focus) => {
    const visible = steps.filter((b) => b.offsetParent !== null);
    if (!visible.length) return;
    const button = steps.find((b) => Number(b.dataset.step) === index) || visible[0];
    for (const b of steps) b.removeAttribute("aria-current");
    button.setAttribute("aria-current", "step");
    current = Number(button.dataset.step);
    show(current);
    if (focus) button.focus();
    history.replaceState(null, "", "#step" + (current + 1));
  };

  const move = (by) => {
    const visible = steps.filter((b) => b.offsetParent !== null).map((b) => Number(b.dataset.step));
    if (!visible.length) return;
    const at = visible.indexOf(current);
    const next = at < 0 ? (by > 0 ? 0 : visible.length - 1) : Math.min(visible.length - 1, Math.max(0, at + by));
    select(visible[next], true);
  };

  const copy = async () => {
    const text = byId("text").textContent;
    const button = byId("copy");
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(byId("text"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Select the text below";
    setTimeout(() => { button.textContent = "Copy as text"; }, 2000);
  };

  for (const button of steps) button.addEventListener("click", () => select(Number(button.dataset.step), false));
  byId("copy").addEventListener("click", copy);
  byId("minor").addEventListener("change", (e) => list.classList.toggle("full", e.target.checked));
  for (const id of ["copy", "more", "keys"]) byId(id).hidden = false;
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, pre, summary, .detail")) return;
    const action = { j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
      Home: () => move(-1e9), End: () => move(1e9), c: copy }[e.key];
    if (action) { e.preventDefault(); action(); }
  });
  const asked = /^#step(\d+)$/.exec(location.hash);
  if (asked && data.steps[asked[1] - 1]) {
    list.classList.toggle("full", steps[asked[1] - 1].offsetParent === null);
    byId("minor").checked = list.classList.contains("full");
    select(asked[1] - 1, false);
  }
})();
