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
  row.innerHTML = '<th scope="row"></th><td></td><td></td><td></td>';
  [title, from, to, difference].forEach((text, place) => row.cells[place].append(text));
  return row;
};

// Rows below a heading, which names a network where `name` does.
const groupOf = (title, rows, name) => {
  const heading = document.createElement("tr");
  heading.innerHTML = '<th scope="rowgroup" colspan="4"><span class="chip" aria-hidden="true"></span><bdi></bdi></th>';
  heading.className = "recipe";
  heading.querySelector("bdi").textContent = title;
  const chip = heading.querySelector(".chip");
  if (name === undefined) chip.remove();
  else chip.style = `--own:var(--network-${slots[name]});clip-path:var(--shape-${slots[name]})`;
  return rows.length ? [heading, ...rows] : [];
};

// The settings in which both runs differ: one row for all networks and nodes that differ alike.
const differingSettings = (from, to) => shared(from, to).flatMap((name) => {
  const both = shared(from[name], to[name]);
  const alike = Map.groupBy(both, (of) => JSON.stringify([from[name][of], to[name][of]]));
  return [...alike].filter(([, [of]]) => from[name][of] !== to[name][of]).map(([, all]) =>
    rowOf(all.length === both.length ? name : `${name} (${all.join(", ")})`, from[name][all[0]], to[name][all[0]]));
});

const signed = (number, { decimals }) => {
  const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return Number(number.toFixed(decimals)).toLocaleString("en-US", digits).replace(/^-0(\.0*)?$/, "0$1").replace("-", "−");
};

// The difference of two numbers, with its interval by Newcombe's method if both have one.
const differenceOf = (from, to) => {
  const cell = document.createDocumentFragment();
  const value = to.value - from.value;
  const text = document.createElement("span");
  text.textContent = `${value > 0 ? "+" : ""}${signed(value, to)} ${to.unit}`.trim();
  cell.append(text);
  if ([from.low, to.low].includes(null)) return cell;
  const low = value - Math.hypot(to.value - to.low, from.high - from.value);
  const high = value + Math.hypot(to.high - to.value, from.value - from.low);
  const interval = document.createElement("small");
  interval.textContent = `95% CI ${signed(low, to)} to ${signed(high, to)}`;
  if (low > 0 || high < 0) {
    text.className = "best";
    text.append(" *");
  }
  cell.append(interval);
  return cell;
};

const differingNumbers = (from, to) => shared(from, to).filter((title) => from[title].value !== to[title].value).map((title) =>
  rowOf(title, from[title].text, to[title].text, differenceOf(from[title], to[title])));

const differingVersions = (from, to) => shared(from, to).filter((name) => from[name] !== to[name]).map((name) =>
  rowOf(name, from[name], to[name]));

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
        groupOf(name, differingNumbers(from.values[name], to.values[name]), name)),
      ...groupOf("Libraries", differingVersions(from.versions, to.versions)),
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
