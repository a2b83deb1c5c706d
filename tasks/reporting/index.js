// Filters the runs by network, and compares any two of them.
"use strict";
const one = (selector) => document.querySelector(selector);

const network = one("#network");
one("#filter").hidden = false;
network.addEventListener("input", () => {
  for (const row of document.querySelectorAll("#list tr"))
    row.hidden = network.value !== "" && !JSON.parse(row.dataset.networks).includes(network.value);
});

const runs = JSON.parse(one("#data").textContent);
if (one("#comparison")) {
  const [older, newer] = [one("#older"), one("#newer")];
  const compare = () => {
    const [from, to] = [runs[older.value], runs[newer.value]];
    const rows = ["settings", "values"].flatMap((kind) => {
      const names = Object.keys({ ...from[kind], ...to[kind] });
      return names.filter((name) => from[kind][name] !== to[kind][name]).map((name) => {
        const row = document.createElement("tr");
        row.innerHTML = '<th scope="row"></th><td></td><td></td>';
        const texts = [name, from[kind][name] ?? "–", to[kind][name] ?? "–"];
        texts.forEach((text, place) => (row.cells[place].textContent = text));
        return row;
      });
    });
    one("#from").textContent = from.title;
    one("#to").textContent = to.title;
    one("#moved").replaceChildren(...rows);
    one("#same").hidden = rows.length > 0;
  };
  one("#unscripted").hidden = true;
  one("#comparison").hidden = false;
  for (const chosen of [older, newer]) chosen.addEventListener("input", compare);
  compare();
}
