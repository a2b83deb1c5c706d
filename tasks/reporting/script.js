// What the page does: contents that follow, cells that show their images, epochs that can be read.
"use strict";
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const TALLEST = 608; // pixels of the images of a cell; the rest is reached by scrolling
const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const make = (kind, className, ...content) => {
  const made = Object.assign(document.createElement(kind), { className });
  made.append(...content); // as text, whatever it says
  return made;
};

function followContents() {
  const links = new Map(all(".contents a").map((link) => [link.hash.slice(1), link]));
  const follow = (entries) => {
    for (const entry of entries.filter((entry) => entry.isIntersecting)) {
      links.forEach((link) => link.removeAttribute("aria-current"));
      const link = links.get(entry.target.id);
      link.setAttribute("aria-current", "true");
      const list = link.closest("ol");
      list.scrollLeft = link.offsetLeft - (list.clientWidth - link.offsetWidth) / 2; // where it scrolls, in its middle
    }
  };
  const observer = new IntersectionObserver(follow, { rootMargin: "-15% 0px -80% 0px" });
  all("main > section").forEach((section) => observer.observe(section));
}

function showCells() {
  const shared = JSON.parse(one("#pictures").textContent);
  const { names, slots, classes, columns, pictures: packed, correct_shown: correctShown } = shared;
  const pictures = packed.map(([place, index, label, ...best]) => ({ place, index, label, best }));
  const target = one("#cell");
  const figures = all("#confusion figure");

  const className = (index) => make("bdi", "", classes[index]); // it may be written from right to left
  const choice = ([index, perMille], label) =>
    make("span", index === label ? "true" : "", className(index), ` ${(perMille / 10).toFixed(1)}%`);
  const card = ({ place, index, label, best }) => {
    const made = one("#card").content.cloneNode(true);
    const tile = one(".tile", made);
    tile.style.cssText = `--x:${place % columns};--y:${Math.floor(place / columns)}`;
    tile.setAttribute("aria-label", `test image ${index}, ${classes[label]}`);
    one("strong", made).append(className(label));
    one("small", made).textContent = `test ${index}`;
    best.forEach((choices, network) => {
      const chip = make("span", "chip");
      chip.style.cssText = `--own:var(--network-${slots[network]});clip-path:var(--shape-${slots[network]})`;
      chip.setAttribute("aria-hidden", "true");
      const shown = choices.flatMap((of, rank) => [rank ? ", " : "", choice(of, label)]);
      one(".choices", made).append(make("li", "", chip, make("span", "unseen", `${names[network]}: `), ...shown));
    });
    return made;
  };
  const put = (title, count, found, which) => {
    const images = `${count} image${count === 1 ? "" : "s"}`;
    const some = found.length ? `The ${found.length} ${which} of ${images}` : `${images}; none of them is on this page`;
    const note = found.length < count ? some : images;
    return [make("h3", "", title), make("p", "note", note), make("ul", "gallery", ...found.map(card))];
  };

  const show = (button) => {
    const matrix = button.closest("table").dataset.matrix;
    const [label, predicted] = [+button.dataset.true, +button.dataset.predicted];
    const counts = button.dataset.count.split(" ").map(Number); // of a difference: only by the one, only by the other
    const byConfidence = (network) => (a, b) => b.best[network][0][1] - a.best[network][0][1];
    const predicts = (picture, network) => picture.label === label && picture.best[network][0][0] === predicted;
    const wrong = label !== predicted;
    const what = wrong ? `${classes[label]} predicted as ${classes[predicted]}` : `${classes[label]} predicted correctly`;
    const before = button.getBoundingClientRect().top;
    const beside = figures.filter((figure) => figure.offsetTop === button.closest("figure").offsetTop);
    beside.at(-1).after(target);
    target.scrollTop = 0;
    all(".matrix button[aria-pressed]").forEach((other) => other.removeAttribute("aria-pressed"));
    button.setAttribute("aria-pressed", "true");
    if (matrix !== "difference") {
      const found = pictures.filter((picture) => predicts(picture, +matrix)).sort(byConfidence(+matrix));
      const shown = wrong ? found : found.reverse().slice(0, correctShown);
      const which = wrong ? "most confident" : "least confident";
      target.replaceChildren(...put(`${what} by ${names[matrix]}`, counts[0], shown, which));
    } else {
      const only = (here) => {
        const found = pictures.filter((picture) => predicts(picture, here) && !predicts(picture, 1 - here));
        return put(`${what} only by ${names[here]}`, counts[here], found.sort(byConfidence(here)), "most confident");
      };
      target.replaceChildren(...[0, 1].filter((here) => counts[here]).flatMap(only));
    }
    showWholeRows();
    scrollBy(0, button.getBoundingClientRect().top - before); // so that what was chosen stays where it is
    (one(".card", target) ?? target).scrollIntoView({ block: "nearest" });
  };

  const showWholeRows = () => {
    const top = target.getBoundingClientRect().top;
    const ends = all(".card", target).map((card) => card.getBoundingClientRect().bottom + target.scrollTop - top);
    const whole = ends.filter((end) => end <= TALLEST);
    target.style.maxHeight = whole.length < ends.length ? `${Math.max(ends[0], ...whole) + 8}px` : "";
  };
  addEventListener("resize", showWholeRows);
  showWholeRows();

  const neighbor = ({ key, ctrlKey, target: { dataset } }, matrix) => {
    const [row, column] = [+dataset.true, +dataset.predicted];
    const buttons = all(ctrlKey ? "button" : `[data-true="${row}"]`, matrix);
    if (key === "Home") return buttons[0];
    if (key === "End") return buttons.at(-1);
    const step = STEPS[key];
    if (!step) return undefined;
    const ahead = classes.map((_, far) => [row + (far + 1) * step[0], column + (far + 1) * step[1]]);
    return ahead.map(([i, j]) => one(`[data-true="${i}"][data-predicted="${j}"]`, matrix)).find(Boolean);
  };

  all(".scripted").forEach((hint) => (hint.hidden = false));
  for (const matrix of all(".matrix")) {
    const buttons = all("button", matrix);
    buttons.forEach((button, place) => (button.tabIndex = place ? -1 : 0)); // one stop each; arrows move within
    matrix.addEventListener("click", (event) => event.target.closest("button") && show(event.target.closest("button")));
    matrix.addEventListener("keydown", (event) => {
      const next = event.target.tagName === "BUTTON" && neighbor(event, matrix);
      if (!next) return;
      event.preventDefault();
      buttons.forEach((button) => (button.tabIndex = -1));
      next.tabIndex = 0;
      next.focus();
    });
  }
}

function readEpochs() {
  const slider = one("#epoch");
  if (!slider) return;
  const plots = all("svg[data-epochs]").map((svg) => {
    const line = svg.appendChild(document.createElementNS(svg.namespaceURI, "line"));
    line.setAttribute("class", "cursor");
    return [svg, line, svg.dataset.epochs.split(" ").map(Number)];
  });
  const last = +slider.max;
  const logarithmic = plots[0]?.[0].dataset.scale === "log";
  const share = (epoch) => (last === 1 ? 0 : logarithmic ? Math.log(epoch) / Math.log(last) : (epoch - 1) / (last - 1));
  const epochAt = (part) => (logarithmic ? last ** part : 1 + part * (last - 1));
  const histories = Map.groupBy(all("tr[data-epoch]"), (row) => row.dataset.network);
  const read = () => {
    const epoch = +slider.value;
    const readings = [...histories].map(
      ([name, rows]) => rows[epoch - 1]?.dataset.reading ?? `${name}: trained for ${rows.length} epoch${rows.length === 1 ? "" : "s"} only`,
    );
    one("#reading").textContent = [`Epoch ${epoch}.`, ...readings].join("\n");
    slider.setAttribute("aria-valuetext", [`epoch ${epoch}`, ...readings].join("; "));
    for (const [, line, [left, right, top, bottom]] of plots) {
      const x = left + (right - left) * share(epoch);
      Object.entries({ x1: x, x2: x, y1: top, y2: bottom }).forEach(([name, value]) => line.setAttribute(name, value));
    }
  };
  for (const [svg, , [left, right]] of plots) {
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
      slider.value = Math.round(epochAt((x - left) / (right - left)));
      read();
    });
  }
  slider.addEventListener("input", read);
  slider.value = slider.max;
  one(".reader").hidden = false;
  read();
}

followContents();
showCells();
readEpochs();
one("#json").href = location.pathname.split("/").pop().replace(/html$/, "json");
