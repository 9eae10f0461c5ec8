// SPDX-License-Identifier: GPL-2.0-or-later
// The explorer: the address after # is the whole state of the page.  Everything is set as text, never as markup.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  let models = null;
  let view = null;
  let asked = 0;

  const make = (tag, text, name) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (name) node.className = name;
    return node;
  };

  const get = async (place) => {
    const response = await fetch(place);
    const data = await response.json();
    if (!response.ok) throw new Error(data.error || "the explorer did not answer");
    return data;
  };

  const place = () => new URLSearchParams(location.hash.slice(1));
  const moves = () => (place().get("path") || "").split(".").filter(Boolean);

  const go = (changes) => {
    const at = place();
    for (const [key, value] of Object.entries(changes)) value ? at.set(key, value) : at.delete(key);
    location.hash = at.toString();
  };

  const choose = (id, options, value) => {
    byId(id).replaceChildren(...options.map(([key, label]) => {
      const option = make("option", label);
      option.value = key;
      option.selected = key === value;
      return option;
    }));
  };

  const action = (text, title, act) => {
    const button = make("button", text);
    button.type = "button";
    if (title) button.title = title;
    button.addEventListener("click", act);
    return button;
  };

  const trail = () => {
    byId("run").replaceChildren(...view.steps.map((step, i) => {
      const row = make("li");
      const label = step.column + ": " + (step.function ? step.function + "(): " : "") + step.facts.join("; ");
      row.append(action(label, [step.kernel, step.place].filter(Boolean).join(", "),
        () => go({ path: view.path.slice(0, i + 1).join(".") })));
      return row;
    }));
  };

  const next = () => {
    const lists = new Map();
    view.enabled.forEach((step, i) => {
      if (!lists.has(step.column)) lists.set(step.column, []);
      const label = (i < 9 ? i + 1 + "  " : "") + step.step;
      lists.get(step.column).push(action(label, step.place, () => take(i)));
    });
    byId("enabled").replaceChildren();
    for (const [column, buttons] of lists) byId("enabled").append(make("h3", column), ...buttons);
    if (!view.enabled.length) byId("enabled").append(make("p", "Nothing can happen any more.", "violated"));
    byId("disabled").replaceChildren();
    let column = "";
    for (const step of view.disabled) {
      if (step.column !== column) byId("disabled").append(make("h3", (column = step.column)));
      const row = make("ul", undefined, "state");
      row.append(make("li", step.step), ...step.why.map((w) => make("li", "because " + w, "quiet")));
      byId("disabled").append(row);
    }
  };

  const state = () => {
    const all = byId("all").checked;
    const rows = view.state.filter((v) => all || v.changed || !v.initial);
    byId("state").replaceChildren(...rows.map((v) => {
      const row = make("li");
      row.append(make("code", v.name + " = " + v.value, v.changed ? "came" : ""));
      return row;
    }));
    byId("buffers").replaceChildren(...view.buffers.map((b) => make("li", "store buffer of " + b)));
    byId("properties").replaceChildren(...view.properties.map((p) => {
      const row = make("li", p.verdict + ": " + p.title, p.verdict === "holds" ? "quiet" : p.verdict);
      if (p.why.length) {
        const why = make("ul");
        why.append(...p.why.map((w) => make("li", w)));
        row.append(why);
      }
      return row;
    }));
  };

  const take = (i) => go({ path: [...view.path, view.enabled[i].move].join(".") });
  const back = () => go({ path: moves().slice(0, -1).join(".") });

  const draw = () => {
    const at = place();
    byId("where").textContent = view.path.length + " steps; " + view.enabled.length + " can follow" +
      (view.violated ? "; violated: " + view.headline : "");
    byId("save").href = "save?" + at.toString();
    trail();
    next();
    state();
  };

  const load = async () => {
    const number = ++asked;
    try {
      if (!models) models = await get("api/models");
      const at = place();
      if (!at.get("scenario")) return go({ scenario: models.scenarios[0].name });
      const scenario = models.scenarios.find((s) => s.name === at.get("scenario"));
      if (!at.get("memory")) return go({ memory: scenario ? scenario.memory[scenario.memory.length - 1] : "tso" });
      choose("scenario", models.scenarios.map((s) => [s.name, s.name + " (" + s.tier + ")"]), at.get("scenario"));
      choose("memory", (scenario ? scenario.memory : ["sc", "tso"]).map((m) => [m, m.toUpperCase()]), at.get("memory"));
      choose("bug", [["", "none: the model as it is"], ...models.bugs.map((b) => [b, b])], at.get("bug") || "");
      const found = await get("api/view?" + at.toString());
      if (number !== asked) return undefined;
      view = found;
      byId("error").textContent = "";
      draw();
      document.body.dataset.ready = location.hash;
    } catch (error) {
      byId("error").textContent = error.message;
    }
    return undefined;
  };

  byId("scenario").addEventListener("change", (e) => go({ scenario: e.target.value, memory: "", bug: "", path: "" }));
  byId("memory").addEventListener("change", (e) => go({ memory: e.target.value, path: "" }));
  byId("bug").addEventListener("change", async (e) => {
    if (!e.target.value) return go({ bug: "", path: "" });
    try {
      byId("where").textContent = "looking for the counterexample";
      location.hash = (await get("api/jump?bug=" + encodeURIComponent(e.target.value))).fragment;
    } catch (error) {
      byId("error").textContent = error.message;
    }
    return undefined;
  });
  byId("back").addEventListener("click", back);
  byId("restart").addEventListener("click", () => go({ path: "" }));
  byId("all").addEventListener("change", () => view && state());
  addEventListener("hashchange", load);
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select") || !view) return;
    if (e.key === "u") back();
    const digit = /^[1-9]$/.test(e.key) ? Number(e.key) - 1 : -1;
    if (digit >= 0 && digit < view.enabled.length) take(digit);
  });
  load();
})();
