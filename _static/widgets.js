// Loads the library that shows ipywidgets, on pages that have some. Their values are those of the last run: without a
// kernel a widget can be looked at and moved, and nothing answers.
(() => {
  const src = new URL("../assets/widgets/embed.js", document.currentScript.src).href;
  addEventListener("DOMContentLoaded", () => {
    if (document.querySelector('script[type="application/vnd.jupyter.widget-view+json"]')) {
      document.head.append(Object.assign(document.createElement("script"), { src }));
    }
  });
})();
