// A region that scrolls is a stop of the Tab key, so that arrow keys can move it; one that does not is none.
"use strict";
for (const region of document.querySelectorAll(".scroll, #cell")) {
  const observer = new ResizeObserver(() => {
    const scrolls = region.scrollWidth > region.clientWidth || region.scrollHeight > region.clientHeight;
    region.toggleAttribute("tabindex", scrolls);
    if (scrolls) region.tabIndex = 0;
  });
  [region, ...region.children].forEach((element) => observer.observe(element));
}
