// Three things that the theme leaves to us.

// From a disk (file://) a browser may not fetch pages to quote them beside search results.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Formulas are typeset a few at a time, those in sight first, so that the page answers
// its reader meanwhile; MathJax.startup.promise is kept when all of them are there. They
// are measured once, all together: measuring lays out the page.
async function typesetInTurn() {
  const page = MathJax.startup.document, { handleRetriesFor } = MathJax._.mathjax.mathjax;
  let start = performance.now();
  const inTurn = async (formulas, treat) => {
    for (const formula of formulas) {
      await handleRetriesFor(() => treat(formula));
      if (document.hidden || performance.now() - start < 16) continue; // hidden: timers wait
      await new Promise((go) => setTimeout(go));
      start = performance.now();
    }
  };
  const away = ({ start: { node } }) => {
    const { top, bottom } = node.parentElement.getBoundingClientRect();
    return top > innerHeight ? top - innerHeight : Math.max(0, -bottom);
  };
  page.findMath();
  const formulas = [...page.math]
    .map((formula, i) => ({ formula, i, away: away(formula) }))
    .sort((a, b) => a.away - b.away || a.i - b.i)
    .map(({ formula }) => formula);
  await inTurn(formulas, (formula) => formula.compile(page));
  page.getMetrics();
  document.head.append(MathJax.chtmlStylesheet());
  await inTurn(formulas, (formula) => {
    formula.typeset(page);
    formula.assistiveMml(page);
    MathJax.chtmlStylesheet(); // the rules that this formula is the first to need
    formula.updateDocument(page);
  });
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
