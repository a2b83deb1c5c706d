// A region that scrolls is a stop of the Tab key, so that arrow keys can move it; one that does not, is none.
"use strict";
{
  const observer = new ResizeObserver((entries) => {
    for (const region of new Set(entries.map(({ target }) => target.closest(".scroll, #cell")))) {
      const scrolls = region.scrollWidth > region.clientWidth || region.scrollHeight > region.clientHeight;
      scrolls ? (region.tabIndex = 0) : region.removeAttribute("tabindex");
    }
  });
  for (const region of document.querySelectorAll(".scroll, #cell"))
    [region, ...region.children].forEach((element) => observer.observe(element));
}
