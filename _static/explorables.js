// Brings the explorables of a page to life (tulip_lite/widgets/): their module text and state are in the page, as Jupyter
// stores them for every widget, and here stands what JupyterLab otherwise provides. There is no kernel, so nothing answers
// but the view itself, which is all that an explorable needs.
(() => {
  // the part of anywidget's model that a view uses
  function modelOf(state) {
    const listeners = {};
    return {
      get: (name) => state[name],
      set(name, value) {
        if (state[name] === value) return;
        state[name] = value;
        for (const listener of listeners[`change:${name}`] ?? []) listener();
      },
      on: (event, listener) => (listeners[event] ??= new Set()).add(listener),
      off: (event, listener) => listeners[event]?.delete(listener),
      save_changes() {},
    };
  }

  async function draw(figure, states) {
    const place = figure.querySelector(".tulip-explorable");
    const { state } = states[place.dataset.model];
    if (!document.getElementById("tulip-explorable-style")) {
      document.head.append(Object.assign(document.createElement("style"), { id: "tulip-explorable-style", textContent: state._css }));
    }
    const address = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
    const view = (await import(address)).default;
    URL.revokeObjectURL(address);
    await view.render({ model: modelOf(state), el: place });
    figure.dataset.drawn = "true";
  }

  addEventListener("DOMContentLoaded", async () => {
    const figures = document.querySelectorAll(".tulip-figure:has(> .tulip-explorable)");
    if (!figures.length) return;
    const { state } = JSON.parse(document.querySelector('script[type="application/vnd.jupyter.widget-state+json"]').textContent);
    for (const figure of figures) {
      try {
        await draw(figure, state);
      } catch (error) {
        // the still picture for browsers without scripts will do
        figure.querySelector(".tulip-explorable").innerHTML = figure.querySelector("noscript").textContent;
        console.error(error);
      }
    }
  });
})();
