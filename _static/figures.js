// Draws the plotly figures of a page from the numbers stored beside them (tulip_lite/book/renderer.py).
//
// plotly.js is loaded only where a figure waits for it. The figure follows the page's light or dark mode, and its
// sliders and buttons become native controls below it: plotly's own live inside the drawing, where neither a keyboard
// nor a screen reader gets at them.
(() => {
  const plotlyAddress = new URL("../assets/plotly.min.js", document.currentScript.src).href;
  const instantly = { mode: "immediate", frame: { duration: 0, redraw: true }, transition: { duration: 0 } };

  function load(address) {
    return new Promise((resolve, reject) => {
      const script = Object.assign(document.createElement("script"), { src: address, onload: resolve });
      script.onerror = () => reject(new Error(`could not load ${address}`));
      document.head.append(script);
    });
  }

  function element(tag, properties, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  // --- light and dark ---

  // our colours as a plotly template: whatever a figure sets by itself goes before it
  function themed(template) {
    const style = getComputedStyle(document.documentElement);
    const [ink, line, paper] = ["text-base", "border", "background"].map((name) =>
      style.getPropertyValue(`--pst-color-${name}`).trim(),
    );
    const { xaxis, yaxis, font, legend, ...rest } = template?.layout ?? {};
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line };
    return {
      ...template,
      layout: {
        ...rest,
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { ...font, color: ink },
        hoverlabel: { bgcolor: paper, bordercolor: line, font: { color: ink } },
        legend: { ...legend, bgcolor: "rgba(0,0,0,0)" },
        xaxis: { ...xaxis, ...axis },
        yaxis: { ...yaxis, ...axis },
      },
    };
  }

  // --- controls ---

  // one step of a slider or one button of a menu: a plotly method and its arguments
  function run(plot, { method, args }, options = {}) {
    if (!method || method === "skip") return Promise.resolve();
    return method === "animate"
      ? Plotly.animate(plot, args[0], { ...args[1], ...options })
      : Plotly[method](plot, ...structuredClone(args));
  }

  function slider(plot, { steps, active = 0, currentvalue = {} }) {
    const words = (i) => `${steps[i].label}${currentvalue.suffix ?? ""}`;
    const input = element("input", { type: "range", min: 0, max: steps.length - 1, step: 1, value: active });
    const output = element("output", {});
    const tell = () => {
      output.value = words(input.value);
      input.setAttribute("aria-valuetext", words(input.value));
    };
    input.addEventListener("input", () => {
      tell();
      run(plot, steps[input.value], instantly);
    });
    // a Play button moves the slider along
    plot.on("plotly_animatingframe", ({ name }) => {
      const at = steps.findIndex(({ args }) => [args?.[0]].flat().includes(name));
      if (at >= 0) input.value = at;
      tell();
    });
    tell();
    const title = (currentvalue.prefix ?? "").replace(/[\s:=]+$/, "") || "Step";
    return element("label", { className: "tulip-slider" }, element("span", { textContent: title }), input, output);
  }

  function menu(plot, { buttons, active = 0, type }) {
    if (type === "buttons") {
      return buttons.map((button) =>
        element("button", { type: "button", textContent: button.label, onclick: () => run(plot, button) }),
      );
    }
    const options = buttons.map(({ label }, i) => element("option", { textContent: label, selected: i === active }));
    const select = element("select", { onchange: () => run(plot, buttons[select.selectedIndex], instantly) }, ...options);
    select.setAttribute("aria-label", "Show");
    return [select];
  }

  function controls(plot, sliders, menus) {
    const visible = (control) => control.visible !== false;
    return element(
      "div",
      { className: "tulip-controls" },
      ...menus.filter(visible).flatMap((each) => menu(plot, each)),
      ...sliders.filter(visible).map((each) => slider(plot, each)),
    );
  }

  // --- drawing ---

  // the drawing is one image with one description, so it holds no buttons; a double click undoes a zoom
  const whole = { displayModeBar: false };

  async function draw(figure) {
    const plot = figure.querySelector(".tulip-plot");
    const { data, layout, frames, config } = JSON.parse(figure.querySelector("script").textContent);
    const { sliders = [], updatemenus = [], width, template, ...rest } = layout;
    // on a touch screen a finger on the figure scrolls the page
    const dragmode = matchMedia("(pointer: coarse)").matches ? false : (layout.dragmode ?? "zoom");
    await Plotly.newPlot(plot, data, { ...rest, dragmode, autosize: true, template: themed(template) }, { ...config, ...whole });
    if (frames) await Plotly.addFrames(plot, frames);
    if (sliders.length || updatemenus.length) plot.after(controls(plot, sliders, updatemenus));
    new MutationObserver(() => Plotly.relayout(plot, { template: themed(template) })).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });
    figure.dataset.drawn = "true";
  }

  async function start() {
    const figures = [...document.querySelectorAll(".tulip-figure:has(> .tulip-plot)")];
    if (!figures.length) return;
    await load(plotlyAddress);
    for (const figure of figures) await draw(figure);
  }

  document.readyState === "loading" ? addEventListener("DOMContentLoaded", start) : start();
})();
