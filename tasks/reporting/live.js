// Reloads the page every few seconds, unless the reader has paused that.
"use strict";
const hold = document.querySelector("#hold");
hold.closest("p").hidden = false;
setInterval(() => hold.checked || location.reload(), 1000 * hold.dataset.seconds);
