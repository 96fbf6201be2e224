// Three things that the theme leaves to us.

// From a disk (file://) a browser may not fetch pages to quote them beside search results.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Formulas are typeset a few at a time, those in sight first, so that the page answers
// its reader meanwhile; MathJax.startup.promise is kept when all of them are there.
async function typesetInTurn() {
  const away = (element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return top > innerHeight ? top - innerHeight : Math.max(0, -bottom);
  };
  const waiting = [...document.querySelectorAll(".math")]
    .map((element, i) => ({ element, i, away: away(element) }))
    .sort((a, b) => a.away - b.away || a.i - b.i)
    .map(({ element }) => element);
  for (let size = 4; waiting.length; ) {
    const some = waiting.splice(0, size), start = performance.now();
    await MathJax._.mathjax.mathjax.handleRetriesFor(() => MathJax.typeset(some));
    const took = performance.now() - start;
    size = took > 40 ? Math.max(1, size >> 1) : took < 20 ? size + 2 : size;
    await new Promise((go) => setTimeout(go));
  }
}
if (window.MathJax) MathJax.startup = { pageReady: typesetInTurn };

// What scrolls sideways can be reached and scrolled with the keyboard.
function reachable() {
  const boxes =
    "div.math, dl.py > dt.sig, .cell_output .output, .seqlib-ledger p, .course-map";
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
