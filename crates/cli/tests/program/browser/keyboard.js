// Notes from now on what gets the focus. `reached()` says how many elements can be reached by
// keyboard, how many have been, the first that was, and some that were not.
() => {
  const order = [];
  document.addEventListener("focusin", (event) => order.push(event.target));
  window.reached = () => {
    const usual = "a[href], button, input, select, textarea, summary, [tabindex]";
    const all = [...document.querySelectorAll(usual)].filter((element) => {
      // Of the buttons of a group, the keyboard stops at one.
      const isOther = element.matches("[type=radio]") && !element.checked;
      return element.tabIndex >= 0 && !element.disabled && !isOther && element.checkVisibility({ visibilityProperty: true });
    });
    const missed = all.filter((element) => !order.includes(element));
    return {
      all: all.length,
      first: order.length > 0 ? order[0].className : null,
      missed: missed.slice(0, 5).map((element) => element.outerHTML.slice(0, 120)),
    };
  };
}
