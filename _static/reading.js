// What a reader has read, and what an equation or a term says that the text refers to.

// --- read chapters: kept in this browser and nowhere else; without it nothing is lost ---

const READ = "sequence-models-read";

function chaptersRead() {
  try {
    return new Set(JSON.parse(localStorage.getItem(READ) ?? "[]"));
  } catch {
    return new Set();
  }
}

function keepRead(chapters) {
  try {
    localStorage.setItem(READ, JSON.stringify([...chapters].sort()));
  } catch {
    // a browser that keeps nothing: the ticks last until the page is left
  }
}

function showRead(chapters) {
  for (const link of document.querySelectorAll("nav.bd-links a, .course a")) {
    const [, name] = link.getAttribute("href")?.match(/(?:^|\/)(\d\d-[\w-]+)\.html$/) ?? [];
    const own = link.getAttribute("href") === "#" && link.closest(".current");
    const chapter = own ? DOCUMENTATION_OPTIONS.pagename : name && `chapters/${name}`;
    if (!chapter?.startsWith("chapters/") || /exercises\//.test(link.href?.baseVal ?? link.href)) continue;
    const read = chapters.has(chapter);
    link.classList.toggle("is-read", read);
    if (!link.dataset.label) link.dataset.label = link.getAttribute("aria-label") ?? link.textContent.trim();
    if (read) link.setAttribute("aria-label", `${link.dataset.label} (read)`);
    else if (link.namespaceURI.endsWith("svg")) link.setAttribute("aria-label", link.dataset.label);
    else link.removeAttribute("aria-label");
  }
  for (const line of document.querySelectorAll(".course-progress")) {
    const all = Number(line.dataset.chapters);
    line.firstElementChild.textContent = chapters.size
      ? `You have read ${chapters.size} of ${all} chapters.`
      : "At its end each chapter has a button to mark it as read; this browser remembers.";
    line.lastElementChild.hidden = !chapters.size;
    line.hidden = false;
  }
}

addEventListener("DOMContentLoaded", () => {
  const chapters = chaptersRead(), page = DOCUMENTATION_OPTIONS.pagename ?? "";
  const footer = document.querySelector(".prev-next-footer");
  if (page.startsWith("chapters/") && footer) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "course-read d-print-none";
    const say = () => {
      button.setAttribute("aria-pressed", chapters.has(page));
      button.textContent = chapters.has(page) ? "✓ Read" : "Mark this chapter as read";
      showRead(chapters);
    };
    button.addEventListener("click", () => {
      if (!chapters.delete(page)) chapters.add(page);
      keepRead(chapters);
      say();
    });
    footer.before(button);
    say();
  } else showRead(chapters);
  document.querySelector(".course-progress button")?.addEventListener("click", () => {
    chapters.clear();
    keepRead(chapters);
    showRead(chapters);
  });
});

// --- previews: point at "(6.3)" or a term, or reach it with Tab, and it is explained ---

addEventListener("DOMContentLoaded", () => {
  const stored = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "{}");
  const equations = stored("seqlib-equations"), terms = stored("seqlib-terms");
  if (!window.MathJax) return; // a page without formulas has no MathJax
  const box = document.createElement("div");
  box.id = "seqlib-preview";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  let shown = null, timer = 0;

  const hide = () => {
    clearTimeout(timer);
    shown?.removeAttribute("aria-describedby");
    shown = null;
    box.hidden = true;
  };
  const place = () => {
    if (box.hidden) return;
    const room = document.documentElement.clientWidth;
    const { left, top, bottom } = shown.getBoundingClientRect();
    const { width, height } = box.getBoundingClientRect();
    box.style.left = `${Math.max(8, Math.min(left, room - width - 8))}px`;
    const above = bottom + height + 8 > innerHeight && top > height + 8;
    box.style.top = `${(above ? top - height - 4 : bottom + 4)}px`;
  };
  const typeset = async (tex, display) => {
    if (!MathJax.tex2chtmlPromise) await MathJax.startup.promise;
    return MathJax.tex2chtmlPromise(tex, { display });
  };
  const said = async (html) => {
    const words = document.createElement("p");
    words.innerHTML = html;
    for (const formula of words.querySelectorAll(".math"))
      formula.replaceChildren(await typeset(formula.textContent, false));
    return words;
  };
  const show = async (link) => {
    const tex = equations[link.textContent.slice(1, -1)], html = terms[link.hash.slice(1)];
    if (!(tex || html) || link === shown) return;
    hide();
    shown = link;
    const content = await (html ? said(html) : typeset(tex, true));
    if (shown !== link) return;
    box.replaceChildren(content);
    link.closest(".bd-article").append(box);
    box.hidden = false;
    link.setAttribute("aria-describedby", box.id);
    place();
  };
  const later = (act, wait) => {
    clearTimeout(timer);
    timer = setTimeout(act, wait);
  };
  for (const link of document.querySelectorAll("a.seqlib-ref, a.term")) {
    link.addEventListener("pointerenter", () => later(() => show(link), 150));
    link.addEventListener("pointerleave", () => later(hide, 250));
    link.addEventListener("focus", () => show(link));
    link.addEventListener("blur", hide);
  }
  box.addEventListener("pointerenter", () => clearTimeout(timer));
  box.addEventListener("pointerleave", () => later(hide, 250));
  addEventListener("scroll", place, { passive: true });
  addEventListener("keydown", ({ key }) => key === "Escape" && hide());
});
