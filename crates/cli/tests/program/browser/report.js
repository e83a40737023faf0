// Looks at the report, sorts every table by every column, and says what is wrong and how much there is.
() => {
  const wrong = { unsorted: [], mute: [], alone: [] };
  document.querySelectorAll("details").forEach((fold) => (fold.open = true));
  const figures = [...document.querySelectorAll("figure:has(> .drawing > svg, > img)")];
  for (const figure of figures) {
    const picture = figure.querySelector("svg[role=img], img");
    const words = picture && (picture.getAttribute("aria-label") || picture.getAttribute("alt"));
    if (!words || words.length < 20) wrong.mute.push(figure.textContent.slice(0, 60));
    const hasNumbers = figure.closest("section, header").querySelector("table, a[href='#division']");
    if (picture && !picture.matches("img") && !hasNumbers) wrong.alone.push(words);
  }
  const boxes = figures.map((figure) => figure.querySelector("svg, img").getBoundingClientRect());
  let sortings = 0;
  for (const button of document.querySelectorAll("th button")) {
    const head = button.closest("th");
    const rows = () => [...button.closest("table").tBodies[0].rows];
    const column = [...head.parentElement.children].indexOf(head);
    const value = (cell) => (cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value));
    const compare = (one, other) => (typeof other === "number" ? one - other : String(one).localeCompare(String(other)));
    const content = () => rows().map((row) => row.textContent).sort().join();
    const before = content();
    for (const [sign, order] of [[1, "ascending"], [-1, "descending"]]) {
      button.click();
      sortings += 1;
      const values = rows().map((row) => value(row.children[column]));
      const isSorted = values.every((value, row) => row === 0 || sign * compare(values[row - 1], value) <= 0);
      if (!isSorted || head.getAttribute("aria-sort") !== order || content() !== before) wrong.unsorted.push(button.textContent);
    }
  }
  return {
    wrong,
    figures: figures.length,
    visible: boxes.filter((box) => box.width > 100 && box.height > 50).length,
    sortings,
    sections: document.querySelectorAll("main section h2").length,
    resources: performance.getEntriesByType("resource").length,
  };
}
