// While the first page is being read, fetch what other pages will need, so that each of those costs little.
// A reader who asked for less data, or who reads from a disk, is spared.
(() => {
  const assets = new URL("../assets/", document.currentScript.src);
  const later = ["plotly.min.js", "widgets/embed.js"]; // MathJax is on the first page
  const fetchLater = () => {
    // once a visit: later pages find it in the browser's cache
    if (sessionStorage.getItem("tulip-fetched")) return;
    sessionStorage.setItem("tulip-fetched", "true");
    for (const path of later) {
      const href = new URL(path, assets).href;
      if (document.querySelector(`script[src="${href}"]`)) continue; // this page has it already
      document.head.append(Object.assign(document.createElement("link"), { rel: "prefetch", as: "script", href }));
    }
  };
  if (location.protocol.startsWith("http") && !navigator.connection?.saveData) {
    addEventListener("load", () => setTimeout(fetchLater, 500));
  }
})();
