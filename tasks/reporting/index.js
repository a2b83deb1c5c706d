// Filters the runs by network, and compares any two of them.
"use strict";
const one = (selector) => document.querySelector(selector);
const { runs, slots } = JSON.parse(one("#data").textContent);

const network = one("#network");
one("#filter").hidden = false;
network.addEventListener("input", () => {
  for (const row of document.querySelectorAll("#list tr[data-networks]"))
    row.hidden = network.value !== "" && !JSON.parse(row.dataset.networks).includes(network.value);
  for (const group of document.querySelectorAll("#list tbody"))
    group.hidden = !group.querySelector("tr[data-networks]:not([hidden])");
});

// The keys that both have.
const shared = (one, other) => Object.keys(one).filter((key) => key in other);

const rowOf = (title, from, to, difference = "") => {
  const row = document.createElement("tr");
  row.innerHTML = `<th scope="row"></th><td></td><td></td><td>${difference}</td>`;
  [title, from, to].forEach((text, place) => row.cells[place].append(text));
  return row;
};

// Rows below a heading, which has a network's chip where there is a slot.
const groupOf = (title, rows, slot) => {
  const heading = document.createElement("tr");
  const look = `--own:var(--network-${slot});clip-path:var(--shape-${slot})`;
  const chip = slot === undefined ? "" : `<span class="chip" style="${look}" aria-hidden="true"></span>`;
  heading.innerHTML = `<th scope="rowgroup" colspan="4">${chip}<bdi></bdi></th>`;
  heading.className = "recipe";
  heading.querySelector("bdi").textContent = title;
  return rows.length ? [heading, ...rows] : [];
};

// The settings or libraries in which both runs differ: one row for all networks and nodes that differ alike.
const differingSettings = (from, to) => shared(from, to).flatMap((name) => {
  const both = shared(from[name], to[name]);
  const alike = Map.groupBy(both, (of) => JSON.stringify([from[name][of], to[name][of]]));
  return [...alike].filter(([, [of]]) => from[name][of] !== to[name][of]).map(([, all]) =>
    rowOf(all.length === both.length ? name : `${name} (${all.join(", ")})`, from[name][all[0]], to[name][all[0]]));
});

const signed = (number, decimals, signDisplay = "negative") => {
  const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals, signDisplay };
  return number.toLocaleString("en-US", digits).replace("-", "−");
};

// The difference of two numbers, with its interval by Newcombe's method if both have one.
const differenceOf = (from, { value, low, high, decimals, unit }) => {
  const text = `${signed(value - from.value, decimals, "exceptZero")} ${unit}`.trim();
  if ([from.low, low].includes(null)) return text;
  const lowest = value - from.value - Math.hypot(value - low, from.high - from.value);
  const highest = value - from.value + Math.hypot(high - value, from.value - from.low);
  const shown = lowest > 0 || highest < 0 ? `<span class="best">${text} *</span>` : text;
  return `${shown}<small>95% CI ${signed(lowest, decimals)} to ${signed(highest, decimals)}</small>`;
};

const differingNumbers = (from, to) => shared(from, to).filter((title) => from[title].value !== to[title].value).map((title) =>
  rowOf(title, from[title].text, to[title].text, differenceOf(from[title], to[title])));

// What the first run has, and the second has not, in a sentence; none if that is nothing.
const onlyIn = (one, other) => {
  const missing = (of, than) => Object.keys(of).filter((key) => !(key in than));
  const numbers = shared(one.values, other.values).flatMap((name) => missing(one.values[name], other.values[name]));
  const parts = Object.entries({
    networks: missing(one.values, other.values),
    numbers: [...new Set(numbers)],
    settings: missing(one.settings, other.settings),
    libraries: missing(one.versions, other.versions),
  }).filter(([, names]) => names.length);
  const line = document.createElement("p");
  line.textContent = `Only in ${one.title}: ${parts.map(([kind, names]) => `${kind} ${names.join(", ")}`).join("; ")}.`;
  return parts.length ? [line] : [];
};

if (one("#comparison")) {
  const [older, newer] = [one("#older"), one("#newer")];
  const compare = () => {
    const [from, to] = [runs[older.value], runs[newer.value]];
    const rows = [
      ...groupOf("Recipe", differingSettings(from.settings, to.settings)),
      ...shared(from.values, to.values).flatMap((name) =>
        groupOf(name, differingNumbers(from.values[name], to.values[name]), slots[name])),
      ...groupOf("Libraries", differingSettings(from.versions, to.versions)),
    ];
    const name = from.when === to.when ? "title" : "when";
    one("#from").textContent = from[name];
    one("#to").textContent = to[name];
    one("#moved").replaceChildren(...rows);
    one("#only").replaceChildren(...onlyIn(from, to), ...onlyIn(to, from));
    one("#same").hidden = rows.length > 0;
  };
  one("#unscripted").hidden = true;
  one("#comparison").hidden = false;
  for (const chosen of [older, newer]) chosen.addEventListener("input", compare);
  compare();
}
