// Two things that the theme leaves to us.

// From a disk (file://) a browser may not fetch pages to quote them beside search results.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// What scrolls sideways can be reached and scrolled with the keyboard.
function reachable() {
  const boxes = "div.math, dl.py > dt.sig, .cell_output .output, .seqlib-ledger p";
  for (const box of document.querySelectorAll(boxes)) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

addEventListener("load", () => {
  (window.MathJax?.startup?.promise ?? Promise.resolve()).then(() => {
    reachable();
    addEventListener("resize", reachable);
    for (const folded of document.querySelectorAll("details"))
      folded.addEventListener("toggle", reachable);
  });
});
