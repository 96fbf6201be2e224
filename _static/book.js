// Four things that the theme leaves to us.

// From a disk (file://) a browser may not fetch pages to quote them beside search results.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Formulas are typeset one by one, those in sight first, so that the page answers its
// reader meanwhile; MathJax.startup.promise is kept when all of them are there.
async function typesetInTurn() {
  const away = (node) => {
    const { top, bottom } = node.getBoundingClientRect();
    return top > innerHeight ? top - innerHeight : Math.max(0, -bottom);
  };
  // what is out of sight is not laid out (book.css), nor are its formulas asked to be
  const order = (node) => away(node.closest(".bd-article section > *") ?? node);
  const formulas = [...document.querySelectorAll(".math")]
    .map((node, i) => ({ node, i, away: order(node) }))
    .sort((a, b) => a.away - b.away || a.i - b.i)
    .map(({ node }) => node);
  for (const formula of formulas) {
    if (!document.hidden) await new Promise((go) => setTimeout(go)); // hidden: timers wait
    formula.classList.add("typeset"); // at full size (book.css)
    await MathJax.typesetPromise([formula]);
  }
}
if (window.MathJax) MathJax.startup = { pageReady: typesetInTurn };

// What scrolls in a box of its own can be reached and scrolled with the keyboard. A box is
// looked at whenever it is laid out anew: unfolded, come into sight, on a window of another
// size. All are looked at before one is changed, or each would have the page laid out anew.
const reachable = new ResizeObserver(async (boxes) => {
  await document.fonts.ready; // before, a formula may look too wide
  const scrolls = ({ target }) => target.scrollWidth > target.clientWidth
    || target.scrollHeight > target.clientHeight;
  const answers = boxes.map(scrolls);
  for (const [i, { target }] of boxes.entries()) {
    if (answers[i]) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});

addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  const boxes = "pre, div.math, dl.py > dt.sig, .cell_output .output, .seqlib-ledger p, "
    + ".course-map, .pst-scrollable-table-container";
  for (const box of document.querySelectorAll(boxes)) reachable.observe(box);
});

// What unfolds the pages under one page has a name for those who do not see it.
addEventListener("DOMContentLoaded", () => {
  for (const summary of document.querySelectorAll(".bd-links summary")) {
    const page = summary.closest("li").querySelector("a");
    summary.ariaLabel = `The pages of ${page.textContent.trim()}`;
  }
});
