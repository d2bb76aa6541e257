// What is too wide for the page scrolls inside itself, and can be reached by keyboard (WCAG 1.4.10, 2.1.1).
(function () {
  const boxes = "main .pst-scrollable-table-container, main .cell_output > *, main div.math";
  // A formula in a line gets a box of its own only where it needs one: such a box does not stand on the line's base.
  const formulas = "main span.math mjx-container";
  function fit() {
    const all = [...document.querySelectorAll(boxes)], inline = [...document.querySelectorAll(formulas)];
    inline.forEach(formula => formula.classList.remove("wide"));
    // All is measured before anything is changed, so that the page is laid out once.
    const scroll = all.map(
      box => box.scrollWidth > box.clientWidth && /auto|scroll/.test(getComputedStyle(box).overflowX)
    );
    const wide = inline.map(formula => formula.offsetWidth > formula.closest("p, li, td, th, dd, div").clientWidth);
    all.forEach((box, k) => (scroll[k] ? box.setAttribute("tabindex", 0) : box.removeAttribute("tabindex")));
    inline.forEach((formula, k) => formula.classList.toggle("wide", wide[k]));
  }
  addEventListener("load", () => {
    fit();
    window.MathJax?.startup?.promise?.then(fit);
  });
  addEventListener("resize", fit);
})();
