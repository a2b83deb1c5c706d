// Loads the page again every few seconds, so that it shows what is now; not while the reader holds it still.
"use strict";
const hold = document.querySelector("#hold");
hold.parentElement.hidden = false;
setInterval(() => hold.checked || location.reload(), 1000 * hold.dataset.seconds);
