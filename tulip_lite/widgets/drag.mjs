// A pointer, mouse, pen or finger, that is held down in a chart and moves there.

/** `Chart.onDrag`, where what `f` is told is written. touch: the page's part in a finger's moves, as the style `touch-action`. */
export function drag(chart, f, touch) {
  chart.svg.style.touchAction = touch;
  chart.svg.style.cursor = "crosshair";
  let held = null; // the pointer that is down
  let told = false;
  // a finger that moves up or down is about to scroll
  const sideways = (event) => {
    const [dx, dy] = [Math.abs(event.clientX - held.clientX), Math.abs(event.clientY - held.clientY)];
    return event.pointerType !== "touch" || (dx > 8 && dx > dy);
  };
  const tell = (event, phase) => {
    const seen = chart.svg.getBoundingClientRect();
    const [x, y] = chart.toData(((event.clientX - seen.left) * chart.width) / seen.width, ((event.clientY - seen.top) * chart.width) / seen.width);
    const within = ([low, high], v) => Math.max(low, Math.min(high, v));
    f(within(chart.x.range, x), within(chart.y.range, y), phase);
    told = true;
  };
  chart.svg.addEventListener("pointerdown", (event) => {
    if (held !== null || event.button !== 0 || !event.isPrimary) return;
    held = event;
    told = false;
    chart.svg.setPointerCapture(event.pointerId);
    if (event.pointerType !== "touch" || event.target.dataset.handle) tell(event, "start");
  });
  chart.svg.addEventListener("pointermove", (event) => {
    if (event.pointerId === held?.pointerId && (told || sideways(event))) tell(event, told ? "move" : "start");
  });
  chart.svg.addEventListener("pointerup", (event) => {
    if (event.pointerId !== held?.pointerId) return;
    if (!told) tell(event, "start");
    tell(event, "end");
    held = null;
  });
  // the browser took the finger to scroll with: that event has no place
  for (const lost of ["pointercancel", "lostpointercapture"]) {
    chart.svg.addEventListener(lost, (event) => { if (event.pointerId === held?.pointerId) held = null; });
  }
}
